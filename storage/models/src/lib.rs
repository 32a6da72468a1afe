//! Every interleaving of the hand-made cells of `wal` and `storage`, tried by loom.
//!
//! The cells are compiled from their own files, with loom's primitives in the place of the standard
//! library's (`sync`), and stand-ins for what they carry. So what is tried is what runs. Which cells
//! there are between threads, and why the others need no model, stands in `docs/threads.md`.
//!
//! Not seen by loom: `wait_timeout` never times out in it, and `arc_swap` is a lock here.

#[cfg(test)]
mod commit;
#[cfg(test)]
#[path = "../../../wal/src/durable.rs"]
mod durable;
#[cfg(test)]
mod error;
#[cfg(test)]
mod lsn;
#[cfg(test)]
#[path = "../../src/opening.rs"]
mod opening;
#[cfg(test)]
#[path = "../../src/published.rs"]
mod published;
#[cfg(test)]
mod recovery;
#[cfg(test)]
#[path = "../../src/signal.rs"]
mod signal;
#[cfg(test)]
mod sync;
#[cfg(test)]
mod tests;
