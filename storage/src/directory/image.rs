//! Blocks as they lie on disk, and directories put together of them.
//!
//! ```text
//! u16 length of the shared prefix | u16 count | count x u16 end of a rest | prefix | rests
//! ```

use super::Directory;
use super::leaf::{HEADER, Leaf, NUMBER, bound_between};
use super::node::Node;

/// Bytes before the ends of the rests.
const FIELDS: usize = HEADER - NUMBER;

impl Leaf {
    /// The block as it lies on disk.
    pub(crate) fn body(&self) -> &[u8] {
        let rests = HEADER + 2 * self.count() + self.prefix_len();
        &self.0[NUMBER..rests + self.start(self.count())]
    }

    /// The block whose body this is; `None` when it is none: no key, keys out of order, or bytes that
    /// are missing or left over.
    pub(crate) fn from_body(body: &[u8]) -> Option<Self> {
        let field = |at: usize| {
            let bytes = body.get(at..)?.first_chunk()?;
            Some(usize::from(u16::from_le_bytes(*bytes)))
        };
        let (prefix, count) = (field(0)?, field(2)?);
        let rests = FIELDS + 2 * count + prefix;
        let ends: Vec<usize> = (0..count).map(|i| field(FIELDS + 2 * i)).collect::<Option<_>>()?;
        if !ends.is_sorted() || ends.last().is_none_or(|end| rests + end != body.len()) {
            return None;
        }
        let leaf = Self::seal(&mut [&[0; NUMBER], body].concat());
        (1..count).all(|i| leaf.rest(i - 1) < leaf.rest(i)).then_some(leaf)
    }

    /// Whether each of its keys is below each of another block.
    fn is_before(&self, right: &Self) -> bool {
        let last = self.prefix().iter().chain(self.rest(self.count() - 1));
        last.lt(right.prefix().iter().chain(right.rest(0)))
    }
}

impl Directory {
    /// Puts blocks together again; `None` when they are not in order.
    pub(crate) fn from_blocks(blocks: &[Leaf]) -> Option<Self> {
        if !blocks.windows(2).all(|pair| pair[0].is_before(&pair[1])) {
            return None;
        }
        let bounds = blocks.windows(2).map(|pair| bound_between(&pair[0], &pair[1]));
        let leaves = std::iter::once(Box::default())
            .chain(bounds)
            .zip(blocks.iter().map(|block| Node::Leaf(block.clone())))
            .collect();
        let len = blocks.iter().map(Leaf::count).sum();
        Some(Self { root: Node::tower(leaves), len })
    }

    /// The blocks in order.
    pub(crate) fn blocks(&self) -> Vec<&Leaf> {
        let mut blocks = Vec::new();
        if let Some(root) = &self.root {
            root.blocks(&mut blocks);
        }
        blocks
    }
}
