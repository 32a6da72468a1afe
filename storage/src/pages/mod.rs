//! The index on disk: pages, where they lie, and which of them are in memory.
//!
//! - [`cell`]: a page as the trees hold it, in memory, on disk, or both;
//! - [`pool`]: reads and drops pages, within a bound;
//! - [`preload`]: many pages read at once;
//! - [`files`]: the segments that images are appended to;
//! - [`codec`]: bytes of images and of the map that a checkpoint ends in.

mod cell;
mod codec;
mod files;
mod pool;
mod preload;

#[cfg(test)]
mod tests;

pub use cell::Cell;
#[cfg(fuzzing)]
pub(crate) use cell::prefix_of;
pub(crate) use cell::{Handle, TreeId};
pub(crate) use codec::{Listed, MapKeyspace, PageMap};
#[cfg(fuzzing)]
pub(crate) use codec::{MAGIC_MAP, MAGIC_PAGE, decode_page, encode_page, get_page_id};
pub(crate) use files::{Image, PageFiles, segment_name};
pub use pool::PageError;
pub(crate) use pool::{Pool, TreePages, WRITE_RUN};
pub(crate) use preload::Preload;
