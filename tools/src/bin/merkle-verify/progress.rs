//! How far long work is, on a terminal.

use std::io::{self, IsTerminal, Read, Write};
use std::time::{Duration, Instant};

/// Between two drawings.
const EVERY: Duration = Duration::from_millis(100);
/// Characters of the bar.
const WIDTH: usize = 40;

/// What is counted.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    Bytes,
    Entries,
}

/// A bar on standard error; nothing at all when that is not a terminal, or when nobody knows how much there
/// is, as of a pipe.
pub(crate) struct Bar {
    unit: Unit,
    total: u64,
    done: u64,
    started: Instant,
    /// When it was last drawn; `None` when it is not to be.
    drawn: Option<Instant>,
}

impl Bar {
    pub(crate) fn new(total: u64, unit: Unit) -> Self {
        let started = Instant::now();
        let drawn = (total > 0 && io::stderr().is_terminal()).then_some(started);
        Self { unit, total, done: 0, started, drawn }
    }

    pub(crate) fn advance(&mut self, by: u64) {
        self.done += by;
        if self.drawn.is_some_and(|drawn| drawn.elapsed() >= EVERY) {
            self.drawn = Some(Instant::now());
            // Progress that cannot be shown does not stop the work.
            let line = line(self.done, self.total, self.unit, self.started.elapsed());
            let _ = write!(io::stderr(), "\r{line}");
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

/// `[#####-----]  50%  1.0 of 2.0 GB  12 s left`
fn line(done: u64, total: u64, unit: Unit, elapsed: Duration) -> String {
    let total = total.max(1);
    let done = done.min(total);
    let part = |of: u64| u64::try_from(u128::from(done) * u128::from(of) / u128::from(total));
    let full = usize::try_from(part(WIDTH as u64).unwrap_or(0)).unwrap_or(0);
    let bar = "#".repeat(full) + &"-".repeat(WIDTH - full);
    let left = if done == 0 {
        String::new()
    } else {
        let left = elapsed.as_millis() * u128::from(total - done) / u128::from(done) / 1000;
        format!("{left} s left")
    };
    let percent = part(100).unwrap_or(0);
    let of = match unit {
        Unit::Bytes => format!("{} of {} MB", done / 1_000_000, total / 1_000_000),
        Unit::Entries => format!("{done} of {total} entries"),
    };
    format!("[{bar}] {percent:>3}%  {of}  {left}  ")
}

/// A stream whose reading moves the bar.
pub(crate) struct Watched<R> {
    input: R,
    bar: Bar,
}

impl<R: Read> Watched<R> {
    pub(crate) fn new(input: R, total: u64) -> Self {
        Self { input, bar: Bar::new(total, Unit::Bytes) }
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

    #[test]
    fn a_line_says_how_far_it_is() {
        let half = line(1_000_000, 2_000_000, Unit::Bytes, Duration::from_secs(3));
        assert!(half.starts_with("[####################--------------------]  50%"), "{half}");
        assert!(half.contains("1 of 2 MB  3 s left"), "{half}");
        assert!(line(0, 0, Unit::Bytes, Duration::ZERO).contains("  0%"));
        assert!(line(2, 8, Unit::Entries, Duration::ZERO).contains(" 25%  2 of 8 entries"));
        assert!(line(9, 3, Unit::Entries, Duration::ZERO).contains("100%"));
    }
}
