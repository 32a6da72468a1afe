//! How figures come about: slices of work in turns, medians and spreads.

pub mod load;
pub mod process;
pub mod sample;
pub mod stat;
