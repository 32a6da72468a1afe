//! A disk in memory that fails on purpose, the same way for the same seed.
//!
//! # Fault model
//! - **Power loss** ([`SimDisk::crash_with`]): bytes made durable stay. Every 512-byte sector of
//!   every write that was not synced is, by itself, kept, lost, or torn (a part of the sector
//!   is new, the rest old). Of name changes that were not synced, either a prefix happened (a
//!   journalling file system) or any subset that makes sense (one without).
//! - **Power loss at a call** ([`SimDisk::crash_at_call`]): the call is under way when power fails: its
//!   writes are as above even when the call was a durable one. It and all later calls fail.
//! - **Writes in flight** ([`Disk::write_queue`]): submission and completion are calls of their own.
//!   Completions come in any order; until its own a write is one that was not synced.
//! - **A failing call** ([`SimDisk::fail_after`]): once or from then on, with any error kind. A failed
//!   write leaves each of its sectors kept, lost or torn on the medium while the cache shows all of
//!   it; a failed sync does the same to everything that was unsynced, and a later sync that succeeds
//!   does not repair it. [`DiskFile::drop_cache`] shows the medium again.
//! - **A full disk** ([`SimDisk::set_capacity`]): growth beyond it fails with `StorageFull` and changes nothing.
//! - **Rot** ([`SimDisk::flip`], [`SimDisk::rot`]): bytes change on the medium and in the cache.
//! - **Misdirection** ([`SimDisk::misdirect_after`]): a write lands elsewhere in its file and is said to
//!   have gone well.
//!
//! Not modelled: sectors that read differently each time.
//!
//! A clone is the same disk. [`SimDisk::clone_image`] is a copy that goes its own way.

mod medium;
mod queue;
mod rng;

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::medium::{Medium, NameChange};
use self::queue::SimQueue;
use self::rng::Rng;
use super::queue::WriteQueue;
use super::{Disk, DiskFile};

/// A simulated disk.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Clone)]
struct State {
    medium: Medium,
    rng: Rng,
    calls: u64,
    fault: Option<Fault>,
    crash_at: Option<u64>,
    misdirect: Option<(u64, u64)>,
    /// The file whose write went elsewhere.
    misdirected: Option<usize>,
    dead: bool,
    locks: BTreeSet<String>,
}

#[derive(Clone, Copy)]
struct Fault {
    at: u64,
    kind: io::ErrorKind,
    sticky: bool,
}

/// What a call does besides its work.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It works.
    Works,
    /// It does its work by chance, and fails with this.
    Fails(io::ErrorKind),
    /// Power fails while it is under way.
    Crashes,
}

impl SimDisk {
    /// An empty disk without limit.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::from_medium(Medium::default(), seed)
    }

    fn from_medium(medium: Medium, seed: u64) -> Self {
        let state = State {
            medium,
            rng: Rng::new(seed),
            calls: 0,
            fault: None,
            crash_at: None,
            misdirect: None,
            misdirected: None,
            dead: false,
            locks: BTreeSet::new(),
        };
        Self { state: Arc::new(Mutex::new(state)) }
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
        let state = self.state();
        let mut rng = Rng::new(seed);
        let medium = state.medium.after_power_loss(&mut rng);
        Self::from_medium(medium, rng.next())
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

    fn handle(&self, inode: usize, writable: bool) -> Arc<dyn DiskFile> {
        Arc::new(SimFile { disk: self.clone(), inode, writable })
    }
}

fn power_failed() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "power failed")
}

impl State {
    /// Counts a call and says what becomes of it.
    fn enter(&mut self) -> io::Result<Fate> {
        if self.dead {
            return Err(power_failed());
        }
        let call = self.calls;
        self.calls += 1;
        if self.crash_at == Some(call) {
            self.dead = true;
            return Ok(Fate::Crashes);
        }
        match self.fault {
            Some(fault) if call == fault.at || (fault.sticky && call > fault.at) => {
                Ok(Fate::Fails(fault.kind))
            }
            _ => Ok(Fate::Works),
        }
    }

    /// For calls that change nothing, or change nothing when they fail.
    fn enter_plain(&mut self) -> io::Result<()> {
        finish(self.enter()?)
    }

    /// For name changes: one under way when power fails may or may not have happened.
    fn change_name(&mut self, change: NameChange) -> io::Result<()> {
        let fate = self.enter()?;
        if !matches!(fate, Fate::Fails(_)) {
            self.medium.change_name(change)?;
        }
        finish(fate)
    }

    /// Where a write really goes, and how much of it.
    fn aim<'a>(&mut self, inode: usize, at: u64, data: &'a [u8]) -> (u64, &'a [u8]) {
        match self.misdirect.take() {
            Some((0, elsewhere)) => {
                self.misdirected = Some(inode);
                let room = self.medium.len(inode).saturating_sub(elsewhere);
                let len = usize::try_from(room).unwrap_or(usize::MAX).min(data.len());
                (elsewhere, &data[..len])
            }
            later => {
                self.misdirect = later.map(|(n, elsewhere)| (n - 1, elsewhere));
                (at, data)
            }
        }
    }

    /// For writes, durable or not.
    fn write(&mut self, inode: usize, at: u64, data: &[u8], durable: bool) -> io::Result<()> {
        let fate = self.enter()?;
        match fate {
            Fate::Fails(kind) if super::is_no_space(&kind.into()) => return Err(kind.into()),
            _ => {}
        }
        let (at, data) = self.aim(inode, at, data);
        self.medium.write(inode, at, data)?;
        match fate {
            Fate::Works if durable => self.medium.settle_range(inode, at, data.len()),
            Fate::Fails(_) => self.medium.lose_range(inode, at, data.len(), &mut self.rng),
            Fate::Works | Fate::Crashes => {}
        }
        finish(fate)
    }
}

fn finish(fate: Fate) -> io::Result<()> {
    match fate {
        Fate::Works => Ok(()),
        Fate::Fails(kind) => Err(io::Error::new(kind, "injected fault")),
        Fate::Crashes => Err(power_failed()),
    }
}

impl Disk for SimDisk {
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        state.change_name(NameChange::Create(name.to_owned()))?;
        let inode = state.medium.find(name)?;
        drop(state);
        Ok(self.handle(inode, true))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        state.enter_plain()?;
        let inode = state.medium.find(name)?;
        drop(state);
        Ok(self.handle(inode, true))
    }

    fn open_read(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        state.enter_plain()?;
        let inode = state.medium.find(name)?;
        drop(state);
        Ok(self.handle(inode, false))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.state().change_name(NameChange::Remove(name.to_owned()))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.state().change_name(NameChange::Rename(from.to_owned(), to.to_owned()))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.enter_plain()?;
        Ok(state.medium.names())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut state = self.state();
        let fate = state.enter()?;
        if fate == Fate::Works {
            state.medium.settle_names();
        }
        finish(fate)
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn Send + Sync>> {
        let mut state = self.state();
        if state.dead {
            return Err(power_failed());
        }
        if !state.locks.insert(name.to_owned()) {
            return Err(io::Error::from(io::ErrorKind::WouldBlock));
        }
        Ok(Box::new(SimLock { disk: self.clone(), name: name.to_owned() }))
    }

    fn write_queue(&self, depth: usize) -> Box<dyn WriteQueue> {
        let rng = Rng::new(self.state().rng.next());
        Box::new(SimQueue::new(depth, rng))
    }
}

struct SimLock {
    disk: SimDisk,
    name: String,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.state().locks.remove(&self.name);
    }
}

struct SimFile {
    disk: SimDisk,
    inode: usize,
    writable: bool,
}

impl SimFile {
    fn check_writable(&self) -> io::Result<()> {
        if self.writable { Ok(()) } else { Err(io::Error::from(io::ErrorKind::PermissionDenied)) }
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        state.enter_plain()?;
        state.medium.read(self.inode, offset, buf)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check_writable()?;
        self.disk.state().write(self.inode, offset, data, false)
    }

    fn write_durable_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check_writable()?;
        self.disk.state().write(self.inode, offset, data, true)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let state = &mut *state;
        let fate = state.enter()?;
        match fate {
            Fate::Works => state.medium.settle(self.inode),
            Fate::Fails(_) => state.medium.lose_by_chance(self.inode, &mut state.rng),
            Fate::Crashes => {}
        }
        finish(fate)
    }

    fn sync_range(&self, offset: u64, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(io::Error::other)?;
        let mut state = self.disk.state();
        let state = &mut *state;
        let fate = state.enter()?;
        match fate {
            Fate::Works => state.medium.settle_range(self.inode, offset, len),
            Fate::Fails(_) => state.medium.lose_range(self.inode, offset, len, &mut state.rng),
            Fate::Crashes => {}
        }
        finish(fate)
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut state = self.disk.state();
        let from = state.medium.len(self.inode);
        if from >= len {
            return state.enter_plain();
        }
        let zeros = vec![0; usize::try_from(len - from).map_err(io::Error::other)?];
        state.write(self.inode, from, &zeros, true)
    }

    fn len(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        state.enter_plain()?;
        Ok(state.medium.len(self.inode))
    }

    fn drop_cache(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.enter_plain()?;
        state.medium.drop_cache(self.inode);
        Ok(())
    }
}
