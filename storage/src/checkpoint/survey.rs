//! What a checkpoint lists and writes, taken down from its state in one walk.
//!
//! After the walk the state can be let go of: what has an image is listed by it, and what has none
//! is held page by page until it has. So commits beside the checkpoint change all else in place.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::sync::Arc;

use super::in_pieces;
use crate::budget::Budget;
use crate::index::State;
use crate::pages::{Handle, Image, Listed, Pool, WRITE_RUN};

/// See the module's text.
pub(super) struct Survey {
    listed: Vec<Listed>,
    images: Vec<Arc<Image>>,
    wanting: VecDeque<Wanting>,
}

/// A page that is to be written, and what is known of it before.
struct Wanting {
    cell: Handle,
    /// All but where it lies.
    listed: Listed,
}

impl Survey {
    /// The pages of a state; to be written are those without an image, those whose image is in doubt
    /// and those whose image lies in one of the `sparse` page segments.
    pub(super) fn of(state: &State, sparse: &HashSet<u64>) -> Self {
        let mut survey = Self { listed: Vec::new(), images: Vec::new(), wanting: VecDeque::new() };
        for page in state.trees().flat_map(|(_, trie)| trie.pages()) {
            let listed = Listed {
                page: page.handle.id(),
                segment: 0,
                offset: 0,
                len: 0,
                crc: [0; 4],
                entries: page.len,
                page_lsn: page.handle.page_lsn(),
                digest: page.digest,
            };
            match page.handle.image() {
                Some(image) if !image.is_doubtful() && !sparse.contains(&image.segment.no) => {
                    survey.list(listed, image);
                }
                _ => survey.wanting.push_back(Wanting { cell: Arc::clone(page.handle), listed }),
            }
        }
        survey
    }

    /// Gives an image to every page that wants one; each is let go of as soon as it has it.
    pub(super) fn write(&mut self, pool: &Pool, budget: &Budget) -> io::Result<()> {
        in_pieces(pool, budget, || {
            if self.wanting.is_empty() { Ok(None) } else { self.write_run(pool).map(Some) }
        })
    }

    /// Writes as much as one call writes; answers how many bytes that was.
    fn write_run(&mut self, pool: &Pool) -> io::Result<u64> {
        let run = self.wanting.len().min(WRITE_RUN);
        let (cells, listed): (Vec<Handle>, Vec<Listed>) =
            self.wanting.drain(..run).map(|w| (w.cell, w.listed)).unzip();
        let mut bytes = 0;
        for (image, listed) in pool.write(&cells)?.into_iter().zip(listed) {
            bytes += u64::from(image.len);
            self.list(listed, image);
        }
        Ok(bytes)
    }

    fn list(&mut self, listed: Listed, image: Arc<Image>) {
        let (segment, offset, len) = (image.segment.no, image.offset, image.len);
        self.listed.push(Listed { segment, offset, len, crc: image.crc, ..listed });
        self.images.push(image);
    }

    /// The pages in the order of a map, and the images that it lists.
    pub(super) fn finish(mut self) -> (Vec<Listed>, Vec<Arc<Image>>) {
        self.listed.sort_unstable_by_key(|at| {
            (at.page.keyspace, at.page.pending, at.page.path, at.page.depth)
        });
        (self.listed, self.images)
    }
}
