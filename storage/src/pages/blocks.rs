//! Where the blocks of the ordered directories lie on disk.
//!
//! A block never changes, so that an image of it is right for good. Which one it has is kept here, by
//! the block's number, from the checkpoint that wrote or listed it last: the trees of names themselves
//! know nothing of the disk.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::files::Image;
use crate::sync::lock;

/// See the module's text.
#[derive(Default)]
pub(crate) struct Blocks(Mutex<HashMap<u64, Arc<Image>>>);

impl Blocks {
    /// The image of a block, if it has one.
    pub(crate) fn get(&self, number: u64) -> Option<Arc<Image>> {
        lock(&self.0).get(&number).cloned()
    }

    /// All blocks that have an image from now on: the images of others are let go of.
    pub(crate) fn replace(&self, all: HashMap<u64, Arc<Image>>) {
        *lock(&self.0) = all;
    }
}
