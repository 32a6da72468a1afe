//! The disk seam: everything that touches a file goes through these two small traits.
//!
//! The log, the pages and the values of a store all use it, so that one simulated disk
//! ([`sim::SimDisk`]) can tear, lose and rot all of them. A [`Disk`] is one directory with flat
//! file names. Promises that every implementation makes:
//!
//! - a name is durable (created, renamed, removed) only after [`Disk::sync_dir`];
//! - bytes are durable only after [`DiskFile::sync`] or [`DiskFile::write_durable_at`] returned `Ok`;
//! - after a failed durable write or sync, nothing is known about the bytes it covered: a caller
//!   must not retry on the same range and believe the second answer;
//! - handles stay usable after the file was renamed or removed.
//!
//! All calls block. None is cancelled half way: they return or the process dies.

pub mod buffer;
mod dir;
mod file;
mod method;
pub mod queue;
pub mod sim;
mod sys;

pub use dir::Disk;
pub use file::{DiskFile, is_no_space};
pub use method::{DurableMethod, DurableReport};
pub use sys::{SysDisk, SysOptions};
