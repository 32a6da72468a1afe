//! What one slice of work gave, and the rounds in which slices of several contestants take turns.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Serialize;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// Keys, or reads, a second.
    KeysPerSecond,
    /// Megabytes (10^6) a second.
    MegabytesPerSecond,
    /// Median latency, us.
    P50Us,
    /// Latency that one in a hundred exceeds, us.
    P99Us,
    /// CPU of the whole process for an operation, user and system, us.
    CpuUs,
    /// Time until the first GET was answered, ms.
    FirstGetMs,
    /// Time until the first LIST was answered, ms.
    FirstListMs,
    /// Time until the root was verified, ms.
    VerifiedMs,
    /// Bytes of memory a key.
    BytesPerKey,
    /// Times.
    Factor,
    /// Round trips.
    Trips,
    /// Kilobytes (10^3) both ways.
    Kilobytes,
}

impl Figure {
    /// Its unit, as it stands in the table.
    pub fn unit(self) -> &'static str {
        match self {
            Self::KeysPerSecond => "keys/s",
            Self::MegabytesPerSecond => "MB/s",
            Self::P50Us => "us p50",
            Self::P99Us => "us p99",
            Self::CpuUs => "us CPU",
            Self::FirstGetMs => "ms to first GET",
            Self::FirstListMs => "ms to first LIST",
            Self::VerifiedMs => "ms to verified root",
            Self::BytesPerKey => "B a key",
            Self::Factor => "times",
            Self::Trips => "round trips",
            Self::Kilobytes => "KB",
        }
    }

    /// Whether more is better.
    pub fn more_is_better(self) -> bool {
        matches!(self, Self::KeysPerSecond | Self::MegabytesPerSecond)
    }
}

/// The figures of one slice.
pub type Sample = BTreeMap<Figure, f64>;

/// One who takes part: does a slice of work and says what it gave.
pub struct Contestant<'a> {
    /// As it stands in the table.
    pub name: String,
    /// Does a slice.
    pub slice: Box<dyn FnMut() -> Result<Sample> + 'a>,
}

impl<'a> Contestant<'a> {
    /// A contestant by name.
    pub fn new(name: impl Into<String>, slice: impl FnMut() -> Result<Sample> + 'a) -> Self {
        Self { name: name.into(), slice: Box::new(slice) }
    }
}

/// All samples of a contestant, in the order of the rounds.
#[derive(Clone, Debug, Serialize)]
pub struct Series {
    /// Whose.
    pub name: String,
    /// One a round.
    pub samples: Vec<Sample>,
}

impl Series {
    /// One figure of every round.
    pub fn of(&self, figure: Figure) -> Vec<f64> {
        self.samples.iter().filter_map(|sample| sample.get(&figure).copied()).collect()
    }

    /// This series over another one, round by round.
    pub fn ratios(&self, other: &Self, figure: Figure) -> Vec<f64> {
        self.of(figure).iter().zip(other.of(figure)).map(|(ours, theirs)| ours / theirs).collect()
    }
}

/// Runs a slice of each contestant a round, after one round that does not count. Every second round
/// goes backwards, so that what drifts meets all alike.
pub fn rounds(rounds: usize, contestants: &mut [Contestant<'_>]) -> Result<Vec<Series>> {
    let mut series: Vec<Series> = contestants
        .iter()
        .map(|contestant| Series { name: contestant.name.clone(), samples: Vec::new() })
        .collect();
    for round in 0..=rounds {
        let mut order: Vec<usize> = (0..contestants.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for at in order {
            let contestant = &mut contestants[at];
            let sample = (contestant.slice)().with_context(|| contestant.name.clone())?;
            if round > 0 {
                series[at].samples.push(sample);
            }
        }
    }
    Ok(series)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn rounds_take_turns_and_the_first_does_not_count() {
        let seen = RefCell::new(String::new());
        let one = |name: &'static str, value: f64| {
            let seen = &seen;
            Contestant::new(name, move || {
                seen.borrow_mut().push_str(name);
                Ok(Sample::from([(Figure::Factor, value)]))
            })
        };
        let series = rounds(3, &mut [one("a", 6.0), one("b", 3.0)]).unwrap();
        assert_eq!(*seen.borrow(), "abbaabba");
        assert_eq!(series[0].ratios(&series[1], Figure::Factor), [2.0, 2.0, 2.0]);
    }
}
