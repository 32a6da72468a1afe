//! The simulated disk as the engine sees it: a directory and its files.

use std::io;
use std::sync::Arc;

use super::SimDisk;
use super::medium::NameChange;
use super::queue::SimQueue;
use super::rng::Rng;
use super::state::{Fate, finish, power_failed};
use crate::disk::queue::WriteQueue;
use crate::disk::{Disk, DiskFile};

impl SimDisk {
    fn handle(&self, inode: usize, writable: bool) -> Arc<dyn DiskFile> {
        Arc::new(SimFile { disk: self.clone(), inode, writable })
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
        let fate = state.enter_sync()?;
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
        let fate = state.enter_sync()?;
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
        let fate = state.enter_sync()?;
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
