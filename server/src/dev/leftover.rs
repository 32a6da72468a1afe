//! Temporary folders whose servers were killed: the next server that makes one removes them.
//!
//! Each holds a lock for as long as its owner lives; the kernel releases it, however the owner ends.
//! Only folders of the same user go, only those with such a lock file, and none in which a server
//! still holds a data folder.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// In every temporary folder.
const FILE: &str = "owner.lock";
/// In a data folder.
const DATA_LOCK: &str = "LOCK";

/// Says that a temporary folder is in use, until it is dropped.
#[derive(Debug)]
pub(super) struct Owned {
    _lock: File,
}

impl Owned {
    /// Takes a new folder; `None` when somebody took it for a leftover in the meantime.
    pub(super) fn take(folder: &Path) -> std::io::Result<Option<Self>> {
        let lock = OpenOptions::new().create_new(true).write(true).open(folder.join(FILE))?;
        let free = lock.try_lock().is_ok() && lock.metadata()?.nlink() > 0;
        Ok(free.then_some(Self { _lock: lock }))
    }
}

/// Removes what is left in `parent` of folders whose names begin so. What cannot be removed stays.
pub(super) fn sweep(parent: &Path, prefix: &str) {
    let Ok(own) = fs::metadata("/proc/self") else { return };
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let named = entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix));
        // Not followed: a link to a folder is none.
        let ours = |m: fs::Metadata| m.is_dir() && m.uid() == own.uid();
        if named && entry.metadata().is_ok_and(ours) {
            remove_if_left(&entry.path());
        }
    }
}

fn remove_if_left(folder: &Path) {
    let Some(_owner) = locked(&folder.join(FILE)) else { return };
    let inner = fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path());
    let held = inner.chain([folder.to_owned()]).map(|path| path.join(DATA_LOCK));
    if held.filter(|lock| lock.exists()).any(|lock| locked(&lock).is_none()) {
        return;
    }
    match fs::remove_dir_all(folder) {
        Ok(()) => tracing::info!("removed {}, whose server was killed", folder.display()),
        Err(e) => tracing::warn!("{} is left of a server that was killed: {e}", folder.display()),
    }
}

/// The file, if nobody else holds its lock.
fn locked(path: &Path) -> Option<File> {
    let file = OpenOptions::new().write(true).open(path).ok()?;
    file.try_lock().is_ok().then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `storage "inmem"` once left its folder behind when the server was killed.
    #[test]
    fn only_folders_that_nobody_holds_go() {
        let parent = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let path = parent.path().join(name);
            fs::create_dir_all(path.join("inner")).unwrap();
            path
        };
        let (live, left, strange, other) =
            (folder("x-live"), folder("x-left"), folder("x-strange"), folder("y-left"));
        let busy = folder("x-busy");
        let _live = Owned::take(&live).unwrap().unwrap();
        for gone in [&left, &other, &busy] {
            drop(Owned::take(gone).unwrap().unwrap());
        }
        let server = File::create(busy.join("inner").join(DATA_LOCK)).unwrap();
        server.try_lock().unwrap();
        let link = parent.path().join("x-link");
        std::os::unix::fs::symlink(&other, &link).unwrap();
        sweep(parent.path(), "x-");
        assert!(live.exists() && strange.exists() && other.exists() && busy.exists());
        assert!(link.exists() && !left.exists());
        drop(server);
        sweep(parent.path(), "x-");
        assert!(live.exists() && !busy.exists());
    }
}
