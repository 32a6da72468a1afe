//! What the run found: lines of the table, with all samples behind them for the JSON file.

pub mod plot;
pub mod table;

use serde::Serialize;

use crate::harness::sample::{Figure, Series};
use crate::harness::stat::Summary;

/// What a figure has to reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bar {
    /// Ours over theirs, at least.
    RatioAtLeast(f64),
    /// Ours over theirs, at most.
    RatioAtMost(f64),
    /// Ours, at least.
    AtLeast(f64),
    /// Ours, at most.
    AtMost(f64),
}

/// One line of the table: a figure of ours, beside one of another if there is one.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Which row of the bench.
    pub row: &'static str,
    /// What was done.
    pub work: String,
    /// What is measured.
    pub figure: Figure,
    /// Ours.
    pub ours: Summary,
    /// The other, by name.
    pub against: Option<String>,
    /// Theirs.
    pub theirs: Option<Summary>,
    /// Ours over theirs, of the pairs.
    pub ratio: Option<Summary>,
    /// The best of the others.
    pub best: bool,
    /// What is to be reached.
    pub bar: Option<Bar>,
}

impl Line {
    /// A figure without another beside it.
    pub fn alone(row: &'static str, work: &str, figure: Figure, ours: Summary) -> Self {
        Self {
            row,
            work: work.to_owned(),
            figure,
            ours,
            against: None,
            theirs: None,
            ratio: None,
            best: false,
            bar: None,
        }
    }

    /// The same with a bar.
    #[must_use]
    pub fn with_bar(self, bar: Bar) -> Self {
        Self { bar: Some(bar), ..self }
    }

    /// Whether the bar is reached, if there is one.
    pub fn reached(&self) -> Option<bool> {
        let ratio = self.ratio.map_or(f64::NAN, |ratio| ratio.median);
        Some(match self.bar? {
            Bar::RatioAtLeast(bar) => ratio >= bar,
            Bar::RatioAtMost(bar) => ratio <= bar,
            Bar::AtLeast(bar) => self.ours.median >= bar,
            Bar::AtMost(bar) => self.ours.median <= bar,
        })
    }
}

/// Samples of all who took part in one piece of work.
#[derive(Clone, Debug, Serialize)]
pub struct Work {
    /// As in [`Line::work`].
    pub work: String,
    /// Threads or tasks that wrote, where that was varied.
    pub writers: Option<usize>,
    /// Everybody's samples; ours first.
    pub series: Vec<Series>,
}

/// What one row of the bench found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Found {
    /// For the table.
    pub lines: Vec<Line>,
    /// For the JSON file and the plot.
    pub works: Vec<Work>,
}

impl Found {
    /// Lines of one figure: ours beside each of the others. A bar holds for the best of them.
    pub fn compare(
        &mut self,
        row: &'static str,
        work: &str,
        figure: Figure,
        (ours, theirs): (&Series, &[Series]),
        bar: Option<Bar>,
    ) {
        let Some(ours_of) = Summary::of(&ours.of(figure)) else { return };
        let name = if ours.name == "Strongroom" {
            work.to_owned()
        } else {
            format!("{work}: {}", ours.name)
        };
        let first = self.lines.len();
        for other in theirs {
            let mut line = Line::alone(row, &name, figure, ours_of);
            line.against = Some(other.name.clone());
            line.theirs = Summary::of(&other.of(figure));
            line.ratio = Summary::of(&ours.ratios(other, figure));
            if line.theirs.is_some() {
                self.lines.push(line);
            }
        }
        mark_best(&mut self.lines[first..], figure, bar);
    }

    /// Of the lines from this one on, keeps the best of the others.
    pub fn only_best(&mut self, first: usize) {
        let best: Vec<Line> = self.lines.drain(first..).filter(|line| line.best).collect();
        self.lines.extend(best);
    }
}

fn mark_best(lines: &mut [Line], figure: Figure, bar: Option<Bar>) {
    let median = |line: &Line| line.theirs.map_or(f64::NAN, |theirs| theirs.median);
    let better = |a: &&mut Line, b: &&mut Line| {
        let order = median(a).total_cmp(&median(b));
        if figure.more_is_better() { order } else { order.reverse() }
    };
    if let Some(best) = lines.iter_mut().max_by(better) {
        best.best = true;
        best.bar = bar;
    }
}

/// The whole run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What the machine says of itself.
    pub machine: String,
    /// The command line.
    pub command: String,
    /// Seconds since 1970 when the run began.
    pub began: u64,
    /// Interleaved pairs behind every ratio.
    pub pairs: usize,
    /// Length of a slice, ms.
    pub slice_ms: u128,
    /// Keys in the rows that say "all keys".
    pub keys: u64,
    /// What was found, in the order of the rows.
    #[serde(flatten)]
    pub found: Found,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::sample::Sample;

    fn series(name: &str, values: [f64; 3]) -> Series {
        let sample = |value| Sample::from([(Figure::KeysPerSecond, value)]);
        Series { name: name.to_owned(), samples: values.map(sample).to_vec() }
    }

    #[test]
    fn the_bar_holds_for_the_best_of_the_others() {
        let ours = series("Strongroom", [20.0, 30.0, 40.0]);
        let theirs = [series("slow", [1.0, 1.0, 1.0]), series("fast", [10.0, 10.0, 10.0])];
        let mut found = Found::default();
        let bar = Some(Bar::RatioAtLeast(3.5));
        found.compare("row", "work", Figure::KeysPerSecond, (&ours, &theirs), bar);
        let [slow, fast] = &found.lines[..] else { panic!("two lines") };
        assert_eq!((slow.best, slow.reached()), (false, None));
        assert_eq!((fast.best, fast.reached()), (true, Some(false)));
        assert_eq!(fast.ratio, Summary::of(&[2.0, 3.0, 4.0]));
    }
}
