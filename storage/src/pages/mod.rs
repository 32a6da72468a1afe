//! The index on disk: pages, where they lie, and which of them are in memory.
//!
//! - [`cell`]: a page as the trees hold it, in memory, on disk, or both;
//! - [`pool`]: reads and drops pages, within a bound;
//! - [`runs`], [`preload`], [`mod@warm`]: many images, or pages, read at once, or behind the opening;
//! - [`blocks`]: which image each block of an ordered directory has;
//! - [`files`]: the segments that images are appended to;
//! - [`codec`], [`map`]: bytes of images, and of the map that a checkpoint ends in.

mod blocks;
mod cell;
mod codec;
mod files;
mod map;
mod pool;
mod preload;
mod runs;
mod warm;

#[cfg(test)]
mod tests;

pub use cell::Cell;
#[cfg(fuzzing)]
pub(crate) use cell::prefix_of;
pub(crate) use cell::{Handle, TreeId};
#[cfg(fuzzing)]
pub(crate) use codec::{MAGIC_NAMES, MAGIC_PAGE, decode_page, encode_page, get_page_id};
pub(crate) use codec::{decode_names, encode_names};
pub(crate) use files::{Image, PageFiles, segment_name};
#[cfg(fuzzing)]
pub(crate) use map::MAGIC_MAP;
pub(crate) use map::{Listed, ListedNames, MapKeyspace, PageMap};
pub use pool::PageError;
pub(crate) use pool::{Pool, TreePages, WRITE_RUN};
pub(crate) use preload::Preload;
pub(crate) use runs::Runs;
pub(crate) use warm::warm;
