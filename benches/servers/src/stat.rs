//! Medians and spreads.

use serde::Serialize;

/// What is said of a series of samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Samples.
    pub n: usize,
    /// The middle one.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Summary {
    /// Of samples in any order; `None` without samples.
    pub fn of(samples: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = samples.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Some(Self { n: sorted.len(), median: f64::midpoint(low, high), min, max })
    }
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
    fn the_middle_of_an_even_number_lies_between() {
        let of = |samples: &[f64]| Summary::of(samples.iter().copied());
        assert_eq!(of(&[3.0, 1.0]), Some(Summary { n: 2, median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(of(&[5.0, 9.0, 1.0]).map(|s| s.median), Some(5.0));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn percentiles_of_latencies() {
        let sorted: Vec<u32> = (1..=1000).map(|us| us * 1000).collect();
        assert_eq!(percentile_us(&sorted, 500).to_bits(), 501f64.to_bits());
        assert!(percentile_us(&[], 990).is_nan());
    }
}
