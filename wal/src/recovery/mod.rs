//! Finding the end of a log and judging what stands there.
//!
//! Read-only. A walk follows the chain of frames from a known position, and where it stops the
//! table in [`table`] says whether the log ends there, or was damaged. The opener acts on it; the
//! offline tools only show it.

pub(crate) mod end;
pub(crate) mod folder;
#[cfg(test)]
mod images;
pub mod table;
pub(crate) mod walk;
mod witness;
