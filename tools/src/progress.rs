//! How far long work is, on a terminal.

use std::io::{self, IsTerminal, Read, Write};
use std::time::{Duration, Instant};

/// Between two drawings.
const EVERY: Duration = Duration::from_millis(100);
/// Characters of the bar.
const WIDTH: usize = 40;

/// What is counted.
#[derive(Clone, Copy)]
pub enum Unit {
    /// Shown in millions.
    Bytes,
    /// Entries of a store.
    Entries,
}

/// A bar on standard error, or how much was done where nobody knows how much there is; nothing at all
/// when that is no terminal.
pub struct Bar {
    what: &'static str,
    unit: Unit,
    /// None when that is not known.
    total: Option<u64>,
    done: u64,
    started: Instant,
    /// When it was last drawn; `None` when it is not to be.
    drawn: Option<Instant>,
}

impl Bar {
    /// For work in one word, of so much or of who knows how much.
    #[must_use]
    pub fn new(what: &'static str, total: Option<u64>, unit: Unit) -> Self {
        let started = Instant::now();
        let drawn = io::stderr().is_terminal().then_some(started);
        Self { what, unit, total, done: 0, started, drawn }
    }

    /// One that is never drawn.
    #[must_use]
    pub fn hidden() -> Self {
        Self { drawn: None, ..Self::new("", None, Unit::Bytes) }
    }

    /// So much more is done.
    pub fn advance(&mut self, by: u64) {
        self.reach(self.done + by);
    }

    /// So much is done in all.
    pub fn reach(&mut self, done: u64) {
        self.done = done;
        if self.drawn.is_some_and(|drawn| drawn.elapsed() >= EVERY) {
            self.drawn = Some(Instant::now());
            // Progress that cannot be shown does not stop the work.
            let _ = write!(io::stderr(), "\r{}\x1b[K", self.line(self.started.elapsed()));
        }
    }

    /// `reading [#####-----]  50%  1000 of 2000 MB  12 s left`, or `reading  1000 MB  12 s`.
    fn line(&self, elapsed: Duration) -> String {
        let Self { what, unit, total, done, .. } = self;
        let Some(total) = total.filter(|total| *total > 0) else {
            return format!("{what}  {}  {} s", unit.amount(*done), elapsed.as_secs());
        };
        let done = (*done).min(total);
        let part = |of: u64| u64::try_from(u128::from(done) * u128::from(of) / u128::from(total));
        let full = usize::try_from(part(WIDTH as u64).unwrap_or(0)).unwrap_or(0);
        let bar = "#".repeat(full) + &"-".repeat(WIDTH - full);
        let percent = part(100).unwrap_or(0);
        let of = unit.amount_of(done, total);
        let left = if done == 0 {
            String::new()
        } else {
            let left = elapsed.as_millis() * u128::from(total - done) / u128::from(done) / 1000;
            format!("  {left} s left")
        };
        format!("{what} [{bar}] {percent:>3}%  {of}{left}")
    }
}

impl Unit {
    fn amount(self, done: u64) -> String {
        match self {
            Self::Bytes => format!("{} MB", done / 1_000_000),
            Self::Entries => format!("{done} entries"),
        }
    }

    fn amount_of(self, done: u64, total: u64) -> String {
        match self {
            Self::Bytes => format!("{} of {} MB", done / 1_000_000, total / 1_000_000),
            Self::Entries => format!("{done} of {total} entries"),
        }
    }
}

impl Drop for Bar {
    /// Clears the line.
    fn drop(&mut self) {
        if self.drawn.is_some_and(|drawn| drawn > self.started) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// A stream whose reading moves the bar.
pub struct Watched<R> {
    input: R,
    bar: Bar,
}

impl<R: Read> Watched<R> {
    /// A stream of so many bytes; 0 when nobody knows how many, as of a pipe.
    pub fn new(what: &'static str, input: R, total: u64) -> Self {
        let total = (total > 0).then_some(total);
        Self { input, bar: Bar::new(what, total, Unit::Bytes) }
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buf)?;
        self.bar.advance(read as u64);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(total: Option<u64>, unit: Unit, done: u64, secs: u64) -> String {
        let mut bar = Bar::new("reading", total, unit);
        bar.reach(done);
        bar.line(Duration::from_secs(secs))
    }

    #[test]
    fn a_line_says_how_far_it_is() {
        let half = line(Some(2_000_000), Unit::Bytes, 1_000_000, 3);
        let bar = "[####################--------------------]";
        assert_eq!(half, format!("reading {bar}  50%  1 of 2 MB  3 s left"));
        assert!(line(Some(5), Unit::Bytes, 0, 1).ends_with("  0%  0 of 0 MB"));
        assert!(line(Some(8), Unit::Entries, 2, 0).contains(" 25%  2 of 8 entries"));
        assert!(line(Some(3), Unit::Entries, 9, 0).contains("100%"));
    }

    #[test]
    fn a_line_says_how_much_was_done_where_nobody_knows_how_much_there_is() {
        assert_eq!(line(None, Unit::Bytes, 7_500_000, 4), "reading  7 MB  4 s");
        assert_eq!(line(Some(0), Unit::Entries, 3, 0), "reading  3 entries  0 s");
    }
}
