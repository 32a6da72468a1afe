//! The engine beside other stores and the bare device, in one run.
//!
//! Whoever takes part in a row of the bench does slices of the same work in turns; a ratio is the
//! median of the ratios of the turns. See the section "Benchmarks against others" of the README.

pub mod bare;
pub mod child;
pub mod depot;
pub mod engines;
pub mod harness;
pub mod record;
pub mod report;
pub mod rows;
