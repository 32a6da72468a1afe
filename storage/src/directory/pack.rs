//! Keys in order, cut into blocks.

use super::leaf::{HEADER, LEAF_MAX, Leaf, begin, push_u16};

impl Leaf {
    /// Packs keys in order; together they fit a block, or there is only one.
    fn pack(keys: &[&[u8]], out: &mut Vec<u8>) -> Self {
        let prefix = common(keys[0], keys[keys.len() - 1]);
        begin(out, prefix, keys.len());
        let mut end = 0;
        for key in keys {
            end += key.len() - prefix;
            push_u16(out, end);
        }
        out.extend_from_slice(&keys[0][..prefix]);
        for key in keys {
            out.extend_from_slice(&key[prefix..]);
        }
        Self::seal(out)
    }

    /// Packs the keys of an arena, into as many blocks as it takes.
    pub(super) fn pack_arena(bytes: &[u8], ends: &[usize], full: bool) -> Vec<Self> {
        let mut start = 0;
        let keys: Vec<&[u8]> =
            ends.iter().map(|end| &bytes[std::mem::replace(&mut start, *end)..*end]).collect();
        let whole = packed(common(keys[0], keys[keys.len() - 1]), keys.len(), bytes.len());
        let target = if full { LEAF_MAX } else { whole.div_ceil(whole.div_ceil(LEAF_MAX)) };
        let mut packer = Packer::new(target);
        let mut leaves: Vec<Self> = keys.into_iter().filter_map(|k| packer.push(k)).collect();
        leaves.extend(packer.finish());
        leaves
    }
}

/// Packs a stream of keys in order.
pub(super) struct Packer<'a> {
    target: usize,
    keys: Vec<&'a [u8]>,
    bytes: usize,
    prefix: usize,
    block: Vec<u8>,
}

impl<'a> Packer<'a> {
    /// Closes blocks once they have `target` bytes.
    pub(super) fn new(target: usize) -> Self {
        Self { target, keys: Vec::new(), bytes: 0, prefix: 0, block: Vec::new() }
    }

    /// Takes the next key; may answer with a finished block of those before it.
    pub(super) fn push(&mut self, key: &'a [u8]) -> Option<Leaf> {
        let mut done = None;
        if let Some(first) = self.keys.first() {
            let prefix = common(&first[..self.prefix], key);
            let size = packed(prefix, self.keys.len() + 1, self.bytes + key.len());
            let now = packed(self.prefix, self.keys.len(), self.bytes);
            if size > LEAF_MAX || now >= self.target {
                done = self.finish();
            } else {
                self.prefix = prefix;
            }
        }
        if self.keys.is_empty() {
            self.prefix = key.len();
        }
        self.keys.push(key);
        self.bytes += key.len();
        done
    }

    /// The block of what was not yet packed.
    pub(super) fn finish(&mut self) -> Option<Leaf> {
        if self.keys.is_empty() {
            return None;
        }
        let leaf = Leaf::pack(&self.keys, &mut self.block);
        self.keys.clear();
        self.bytes = 0;
        Some(leaf)
    }
}

/// Size of a block of keys with so many bytes in all.
pub(super) fn packed(prefix: usize, count: usize, bytes: usize) -> usize {
    HEADER + 2 * count + prefix + bytes - prefix * count
}

/// Length of the longest common prefix.
pub(super) fn common(a: &[u8], b: &[u8]) -> usize {
    let words = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
    let equal = 8 * words.take_while(|(a, b)| a == b).count();
    equal + a[equal..].iter().zip(&b[equal..]).take_while(|(a, b)| a == b).count()
}
