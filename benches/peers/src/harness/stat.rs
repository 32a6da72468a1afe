//! Medians and spreads.

use serde::Serialize;

/// What is said of a series of samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Samples.
    pub n: usize,
    /// The middle one.
    pub median: f64,
    /// A quarter of the samples lie below.
    pub q1: f64,
    /// A quarter of the samples lie above.
    pub q3: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Summary {
    /// Of samples in any order; `None` without samples.
    pub fn of(samples: &[f64]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let at = |part: f64| quantile(&sorted, part);
        Some(Self { n: sorted.len(), median: at(0.5), q1: at(0.25), q3: at(0.75), min, max })
    }

    /// Of one figure that is not a matter of chance.
    pub fn exact(value: f64) -> Self {
        Self { n: 1, median: value, q1: value, q3: value, min: value, max: value }
    }
}

/// Between neighbours it goes in a straight line.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = part * (sorted.len() - 1) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 <= place < len")]
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * place.fract()
}

/// The latency, in us, below which this part (per mille) of sorted latencies in ns lies.
pub fn percentile_us(sorted_ns: &[u32], per_mille: usize) -> f64 {
    let at = (sorted_ns.len() * per_mille / 1000).min(sorted_ns.len().saturating_sub(1));
    sorted_ns.get(at).map_or(f64::NAN, |ns| f64::from(*ns) / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_has_quartiles() {
        let summary = Summary::of(&[5.0, 1.0, 4.0, 2.0, 3.0]).unwrap();
        let expected = Summary { n: 5, median: 3.0, q1: 2.0, q3: 4.0, min: 1.0, max: 5.0 };
        assert_eq!(summary, expected);
        assert_eq!(Summary::of(&[1.0, 2.0]).unwrap().median.to_bits(), 1.5f64.to_bits());
        assert_eq!(Summary::of(&[]), None);
    }

    #[test]
    fn percentiles_of_latencies() {
        let sorted: Vec<u32> = (1..=1000).map(|us| us * 1000).collect();
        assert_eq!(percentile_us(&sorted, 500).to_bits(), 501f64.to_bits());
        assert_eq!(percentile_us(&sorted, 990).to_bits(), 991f64.to_bits());
        assert!(percentile_us(&[], 500).is_nan());
    }
}
