//! What a simulated disk holds: bytes on the medium, bytes in the cache, and what is in between.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;

use super::rng::Rng;

/// Bytes that reach the medium together or are torn.
const SECTOR_BYTES: usize = 512;

#[derive(Clone, Default)]
pub(super) struct Medium {
    inodes: Vec<Inode>,
    /// Names as callers see them.
    names: BTreeMap<String, usize>,
    /// Names as they are on the medium.
    durable_names: BTreeMap<String, usize>,
    /// Changes that led from the one to the other, with their numbers.
    unsynced_names: Vec<(u64, Applied)>,
    /// Writes and changes of names so far, which are numbered by it.
    changes: u64,
    pub(super) capacity: Option<u64>,
}

#[derive(Clone, Default)]
struct Inode {
    /// What readers see.
    cache: Vec<u8>,
    /// What power loss leaves.
    durable: Vec<u8>,
    /// Parts of unsynced writes, none crossing a sector, oldest first.
    unsynced: Vec<Piece>,
}

#[derive(Clone)]
struct Piece {
    /// The write that it is part of.
    write: u64,
    at: usize,
    data: Vec<u8>,
}

#[derive(Clone)]
pub(super) enum NameChange {
    Create(String),
    Remove(String),
    Rename(String, String),
}

/// A name change with the file that it was about.
#[derive(Clone)]
enum Applied {
    Created(String, usize),
    Removed(String),
    Renamed(String, String),
}

impl Medium {
    pub(super) fn find(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    pub(super) fn contents(&self, name: &str) -> Option<Vec<u8>> {
        Some(self.inodes[*self.names.get(name)?].cache.clone())
    }

    pub(super) fn used(&self) -> u64 {
        self.names.values().map(|inode| self.len(*inode)).sum()
    }

    pub(super) fn len(&self, inode: usize) -> u64 {
        u64::try_from(self.inodes[inode].cache.len()).unwrap_or(u64::MAX)
    }

    pub(super) fn change_name(&mut self, change: NameChange) -> io::Result<()> {
        let applied = match change {
            NameChange::Create(name) => {
                if self.names.contains_key(&name) {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                self.inodes.push(Inode::default());
                Applied::Created(name, self.inodes.len() - 1)
            }
            NameChange::Remove(name) => {
                self.find(&name)?;
                Applied::Removed(name)
            }
            NameChange::Rename(from, to) => {
                self.find(&from)?;
                Applied::Renamed(from, to)
            }
        };
        applied.apply(&mut self.names);
        self.changes += 1;
        self.unsynced_names.push((self.changes, applied));
        Ok(())
    }

    pub(super) fn settle_names(&mut self) {
        self.durable_names = self.names.clone();
        self.unsynced_names.clear();
    }

    pub(super) fn read(&self, inode: usize, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let cache = &self.inodes[inode].cache;
        let start = usize::try_from(offset).ok();
        let range = start.and_then(|start| Some(start..start.checked_add(buf.len())?));
        let bytes = range.and_then(|range| cache.get(range));
        buf.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    /// Writes into the cache.
    pub(super) fn write(&mut self, inode: usize, offset: u64, data: &[u8]) -> io::Result<()> {
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        let growth = (at + data.len()).saturating_sub(self.inodes[inode].cache.len());
        let growth = u64::try_from(growth).map_err(io::Error::other)?;
        if growth > 0 && self.capacity.is_some_and(|max| self.used() + growth > max) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.changes += 1;
        self.inodes[inode].write(self.changes, at, data);
        Ok(())
    }

    pub(super) fn settle(&mut self, inode: usize) {
        self.inodes[inode].settle_where(|_| true);
    }

    pub(super) fn settle_range(&mut self, inode: usize, offset: u64, len: usize) {
        self.inodes[inode].settle_where(|piece| piece.touches(offset, len));
    }

    /// A failed sync: what was unsynced reaches the medium by chance, and nothing that is done
    /// later changes that.
    pub(super) fn lose_by_chance(&mut self, inode: usize, rng: &mut Rng) {
        self.inodes[inode].lose_where(rng, |_| true);
    }

    /// A failed write: the same for the sectors of a range.
    pub(super) fn lose_range(&mut self, inode: usize, offset: u64, len: usize, rng: &mut Rng) {
        self.inodes[inode].lose_where(rng, |piece| piece.touches(offset, len));
    }

    pub(super) fn drop_cache(&mut self, inode: usize) {
        let inode = &mut self.inodes[inode];
        // Unsynced bytes stay in the cache, as dirty pages do.
        let mut cache = inode.durable.clone();
        for piece in &inode.unsynced {
            piece.apply(&mut cache, piece.data.len());
        }
        inode.cache = cache;
    }

    pub(super) fn change(&mut self, name: &str, offset: u64, change: impl Fn(u8) -> u8) {
        let inode = self.names.get(name).copied().unwrap_or_else(|| panic!("no file {name}"));
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        let inode = &mut self.inodes[inode];
        assert!(at < inode.cache.len(), "no byte {at} in {name}");
        inode.cache[at] = change(inode.cache[at]);
        if let Some(byte) = inode.durable.get_mut(at) {
            *byte = change(*byte);
        }
    }

    pub(super) fn after_power_loss(&self, rng: &mut Rng) -> Self {
        let mut after = self.clone();
        for inode in &mut after.inodes {
            inode.lose_where(rng, |_| true);
        }
        let prefix = rng.below(self.unsynced_names.len() + 1);
        let journalling = rng.below(2) == 0;
        for (index, (_, change)) in self.unsynced_names.iter().enumerate() {
            let happened = if journalling { index < prefix } else { rng.below(2) == 0 };
            if happened {
                change.apply(&mut after.durable_names);
            }
        }
        after.start_anew();
        after
    }

    /// Numbers of the changes that are not synced, or not all of them, in their order.
    pub(super) fn unsynced(&self) -> Vec<u64> {
        let writes = self.inodes.iter().flat_map(|inode| &inode.unsynced).map(|piece| piece.write);
        let mut numbers: Vec<u64> =
            writes.chain(self.unsynced_names.iter().map(|(n, _)| *n)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// As power loss leaves it that has each change that was not synced kept, lost or torn.
    pub(super) fn leaving(&self, of: impl Fn(u64) -> Kept) -> Self {
        let mut after = self.clone();
        for inode in &mut after.inodes {
            inode.leave(&of);
        }
        for (number, change) in &self.unsynced_names {
            // A name is changed or it is not.
            if of(*number) != Kept::No {
                change.apply(&mut after.durable_names);
            }
        }
        after.start_anew();
        after
    }

    /// What is durable is all there is.
    fn start_anew(&mut self) {
        for inode in &mut self.inodes {
            inode.cache.clone_from(&inode.durable);
        }
        self.names.clone_from(&self.durable_names);
        self.unsynced_names.clear();
    }

    /// The same for media on which all files that have a name read the same.
    pub(super) fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for (name, inode) in &self.names {
            (name, &self.inodes[*inode].cache).hash(&mut hasher);
        }
        hasher.finish()
    }
}

/// What becomes of a change that was not synced.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    No,
    Half,
    Yes,
}

impl Inode {
    fn write(&mut self, write: u64, at: usize, data: &[u8]) {
        if self.cache.len() < at + data.len() {
            self.cache.resize(at + data.len(), 0);
        }
        self.cache[at..at + data.len()].copy_from_slice(data);
        let (mut at, mut rest) = (at, data);
        while !rest.is_empty() {
            let len = rest.len().min(SECTOR_BYTES - at % SECTOR_BYTES);
            let (piece, after) = rest.split_at(len);
            self.unsynced.push(Piece { write, at, data: piece.to_vec() });
            (at, rest) = (at + len, after);
        }
    }

    fn settle_where(&mut self, chosen: impl Fn(&Piece) -> bool) {
        for piece in self.unsynced.extract_if(.., |piece| chosen(piece)) {
            piece.apply(&mut self.durable, piece.data.len());
        }
    }

    /// Of a write that is half kept the first sectors are there, and a half of the one in the middle.
    fn leave(&mut self, of: impl Fn(u64) -> Kept) {
        let pieces = std::mem::take(&mut self.unsynced);
        for parts in pieces.chunk_by(|a, b| a.write == b.write) {
            for (n, piece) in parts.iter().enumerate() {
                let len = piece.data.len();
                let kept = match of(piece.write) {
                    Kept::Yes => len,
                    Kept::Half if n < parts.len() / 2 => len,
                    Kept::Half if n == parts.len() / 2 => len / 2,
                    Kept::Half | Kept::No => 0,
                };
                piece.apply(&mut self.durable, kept);
            }
        }
    }

    fn lose_where(&mut self, rng: &mut Rng, chosen: impl Fn(&Piece) -> bool) {
        for piece in self.unsynced.extract_if(.., |piece| chosen(piece)) {
            match rng.below(3) {
                0 => {}
                1 => piece.apply(&mut self.durable, piece.data.len()),
                _ => piece.apply(&mut self.durable, rng.below(piece.data.len())),
            }
        }
    }
}

impl Piece {
    /// Whether it lies in a sector of the range.
    fn touches(&self, offset: u64, len: usize) -> bool {
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        self.at / SECTOR_BYTES <= (at + len.max(1) - 1) / SECTOR_BYTES
            && (self.at + self.data.len()) > at / SECTOR_BYTES * SECTOR_BYTES
    }

    /// Puts the first `len` bytes where they belong.
    fn apply(&self, bytes: &mut Vec<u8>, len: usize) {
        if len == 0 {
            return;
        }
        if bytes.len() < self.at + len {
            bytes.resize(self.at + len, 0);
        }
        bytes[self.at..self.at + len].copy_from_slice(&self.data[..len]);
    }
}

impl Applied {
    /// Does the change, unless what it needs is not there.
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Created(name, inode) => {
                names.entry(name.clone()).or_insert(*inode);
            }
            Self::Removed(name) => {
                names.remove(name);
            }
            Self::Renamed(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
        }
    }
}
