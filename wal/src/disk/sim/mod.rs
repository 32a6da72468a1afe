//! A disk in memory that fails on purpose, the same way for the same seed.
//!
//! # Fault model
//! - **Power loss** ([`SimDisk::crash_with`]): bytes made durable stay. Every 512-byte sector of
//!   every write that was not synced is, by itself, kept, lost, or torn (a part of the sector
//!   is new, the rest old). Of name changes that were not synced, either a prefix happened (a
//!   journalling file system) or any subset that makes sense (one without).
//! - **Power loss at a call** ([`SimDisk::crash_at_call`]): the call is under way when power fails: its
//!   writes are as above even when the call was a durable one. It and all later calls fail. What it may
//!   leave, one choice after the other, is what a [`Moment`] has; [`SimDisk::moments`] has those of all calls.
//! - **Writes in flight** ([`Disk::write_queue`](super::Disk::write_queue)): submission and completion are calls of their own.
//!   Completions come in any order; until its own a write is one that was not synced.
//! - **A failing call** ([`SimDisk::fail_after`]): once or from then on, with any error kind. A failed
//!   write leaves each of its sectors kept, lost or torn on the medium while the cache shows all of
//!   it; a failed sync does the same to everything that was unsynced, and a later sync that succeeds
//!   does not repair it. [`DiskFile::drop_cache`](super::DiskFile::drop_cache) shows the medium again.
//! - **A full disk** ([`SimDisk::set_capacity`]): growth beyond it fails with `StorageFull` and changes nothing.
//! - **Rot** ([`SimDisk::flip`], [`SimDisk::rot`]): bytes change on the medium and in the cache.
//! - **Misdirection** ([`SimDisk::misdirect_after`]): a write lands elsewhere in its file and is said to
//!   have gone well.
//!
//! Not modelled: sectors that read differently each time.
//!
//! A clone is the same disk. [`SimDisk::clone_image`] is a copy that goes its own way.

mod medium;
mod moment;
mod queue;
mod rng;
mod seam;
mod state;

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::medium::Medium;
pub use self::moment::{Left, Moment};
use self::rng::Rng;
use self::state::{Fault, State};

/// A simulated disk.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

impl SimDisk {
    /// An empty disk without limit.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::from_medium(Medium::default(), seed)
    }

    fn from_medium(medium: Medium, seed: u64) -> Self {
        Self { state: Arc::new(Mutex::new(State::new(medium, seed))) }
    }

    /// Calls made so far. Every call of the two traits counts, but taking a lock.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Makes the `n`-th call from now (the next is 0) fail, and all later ones if `sticky`.
    pub fn fail_after(&self, n: u64, kind: io::ErrorKind, sticky: bool) {
        let mut state = self.state();
        let at = state.calls + n;
        state.fault = Some(Fault { at, kind, sticky });
    }

    /// Takes back what [`fail_after`](Self::fail_after) set.
    pub fn heal(&self) {
        self.state().fault = None;
    }

    /// Lets power fail during the `n`-th call from now. Nothing works afterwards.
    pub fn crash_at_call(&self, n: u64) {
        let mut state = self.state();
        state.crash_at = Some(state.calls + n);
    }

    /// Makes the `n`-th write from now land at offset `at` of its file instead of its own place, as
    /// far as the file goes already.
    pub fn misdirect_after(&self, n: u64, at: u64) {
        self.state().misdirect = Some((n, at));
    }

    /// The file that [`misdirect_after`](Self::misdirect_after) has hit, as it is called now; `None`
    /// before, and once it is removed.
    pub fn misdirected(&self) -> Option<String> {
        let state = self.state();
        let hit = state.misdirected?;
        state
            .medium
            .names()
            .into_iter()
            .find(|name| state.medium.find(name).is_ok_and(|i| i == hit))
    }

    /// Whether [`misdirect_after`](Self::misdirect_after) still waits for its write.
    pub fn misdirects(&self) -> bool {
        self.state().misdirect.is_some()
    }

    /// Whether power has failed.
    pub fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// The disk as it may be found after power fails now, by this disk's own seed.
    #[must_use]
    pub fn crash(&self) -> Self {
        let seed = self.state().rng.next();
        self.crash_with(seed)
    }

    /// The disk as it may be found after power fails now. This disk is left as it is.
    #[must_use]
    pub fn crash_with(&self, seed: u64) -> Self {
        self.moment().left(Left::Seeded(seed))
    }

    /// What power loss would meet now.
    #[must_use]
    pub fn moment(&self) -> Moment {
        let state = self.state();
        Moment::new(state.calls, state.medium.clone())
    }

    /// Keeps, from now on, what power loss would have met at every call: see [`moments`](Self::moments).
    pub fn keep_moments(&self) {
        self.state().moments = Some(Vec::new());
    }

    /// What power loss would have met at every call since [`keep_moments`](Self::keep_moments), one for
    /// calls in a row between which nothing changed; and what it would meet now. Ends the keeping.
    #[must_use]
    pub fn moments(&self) -> Vec<Moment> {
        let mut state = self.state();
        let next = state.calls;
        state.keep_moment_of(next);
        state.moments.take().unwrap_or_default()
    }

    /// The same for disks on which all files read the same.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.state().medium.digest()
    }

    /// A copy of this disk, unsynced writes included, that goes its own way. Faults that were
    /// set are not copied, nor are locks.
    #[must_use]
    pub fn clone_image(&self) -> Self {
        let mut state = self.state();
        let seed = state.rng.next();
        Self::from_medium(state.medium.clone(), seed)
    }

    /// Bounds the bytes of all files together; `None` lifts the bound.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().medium.capacity = bytes;
    }

    /// Bytes of all files together.
    pub fn used(&self) -> u64 {
        self.state().medium.used()
    }

    /// Flips the bits of `mask` in one byte of a file.
    ///
    /// # Panics
    /// When there is no such byte.
    pub fn flip(&self, name: &str, offset: u64, mask: u8) {
        self.state().medium.change(name, offset, |byte| byte ^ mask);
    }

    /// Replaces a range of a file by noise.
    ///
    /// # Panics
    /// When there is no such range.
    pub fn rot(&self, name: &str, range: Range<u64>, seed: u64) {
        let mut rng = Rng::new(seed);
        let mut state = self.state();
        for offset in range {
            let noise = rng.next().to_le_bytes()[0];
            state.medium.change(name, offset, |_| noise);
        }
    }

    /// A file's bytes as a reader sees them now.
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        self.state().medium.contents(name)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
