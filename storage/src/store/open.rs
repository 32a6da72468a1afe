//! Opening: the lock, the last checkpoint, and the threads, of which the committer's recovers.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use strongroom_wal::disk::{Disk, SysDisk, SysOptions};
use strongroom_wal::{Frame, Log};

use super::{Inner, Store};
use crate::budget::Budget;
use crate::checkpoint::Checkpointer;
use crate::commit::Desk;
use crate::commit::job::Submit;
use crate::error::OpenError;
use crate::folder;
use crate::master::{self, Master};
use crate::opening::Opening;
use crate::options::Options;
use crate::pages::{PageFiles, Pool};
use crate::recovering::Recovering;
use crate::recovery::{Loaded, Moved, Restart, Tail, TailMaker};
use crate::shared::Shared;
use crate::signal::Signal;
use crate::threads::{self, Threads};
use crate::txn::Access;
use crate::values::Values;

impl Store {
    /// Opens the store in a folder, or makes one there. It is whole when this returns: history is
    /// repeated and the promised roots were arrived at.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(dir: &Path, options: Options) -> Result<Self, OpenError> {
        Self::open_on(&disk_at(dir, &options)?, options)
    }

    /// As [`Store::open`], but returns as soon as values can be read with [`Store::get`]: the
    /// checkpoint's map and the end of the log were read, the rest goes on behind. [`Store::list`] and
    /// [`Store::scan`] wait for the names, everything else for all of it; see [`Store::wait_recovered`].
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_serving(dir: &Path, options: Options) -> Result<Self, OpenError> {
        let disk = disk_at(dir, &options)?;
        let lock = folder::take_lock(&disk)?;
        folder::check_restored(&disk)?;
        Self::begin_open(&disk, options, lock, true)
    }

    /// Waits until history is repeated and the promised roots were arrived at.
    ///
    /// # Errors
    /// See [`OpenError`]: the store is not to be used then, nothing more is answered.
    pub fn wait_recovered(&self) -> Result<(), OpenError> {
        self.inner.opening.result()
    }

    /// Opens the store on a disk, or makes one there.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_on(disk: &Arc<dyn Disk>, options: Options) -> Result<Self, OpenError> {
        let lock = folder::take_lock(disk)?;
        folder::check_restored(disk)?;
        Self::open_locked(disk, options, lock)
    }

    /// As [`Store::open_on`], with the lock held and though a restore may be under way.
    pub(crate) fn open_locked(
        disk: &Arc<dyn Disk>,
        options: Options,
        lock: Box<dyn Send + Sync>,
    ) -> Result<Self, OpenError> {
        let store = Self::begin_open(disk, options, lock, false)?;
        store.wait_recovered()?;
        Ok(store)
    }

    /// Takes on the last checkpoint and starts the threads, of which the committer's recovers.
    fn begin_open(
        disk: &Arc<dyn Disk>,
        options: Options,
        lock: Box<dyn Send + Sync>,
        serving: bool,
    ) -> Result<Self, OpenError> {
        let Begun { log, master, pool, loaded, tail } = begin(disk, options, serving)?;
        let reader = log.reader();
        let mut restart = Restart::begin(&pool, &reader, &master, loaded)?;
        let tail = tail.map(|tail| restart.serve(tail));
        let readable = tail.is_some();
        let (state, catalog) = restart.checkpointed();
        let shared =
            Shared::new(Arc::new(state), catalog, reader.clone(), Arc::clone(&pool), &options);
        let shared = Arc::new(shared);
        shared.counters.checkpoint_lsn.store(master.checkpoint.0, Ordering::Relaxed);
        let opening = Arc::new(Opening::default());
        shared.set_tail(tail);
        let submit: Submit = Desk::new();
        let signal = Arc::new(Signal::new(options.compact_after));
        let budget = Arc::new(Budget::new(Arc::clone(&signal)));
        let checkpointer = Arc::new(Mutex::new(Checkpointer::new(
            Arc::clone(disk),
            Arc::clone(&shared),
            Arc::clone(&submit),
            Arc::clone(&budget),
            master,
            restart.durable(),
            &options,
        )));
        let recovering = Recovering {
            restart,
            log,
            shared: Arc::clone(&shared),
            opening: Arc::clone(&opening),
            desk: Arc::clone(&submit),
            logged: threads::listener(&signal, options.checkpoint_every, &pool),
        };
        let threads = Threads::start(
            signal,
            Arc::clone(&submit),
            move || recovering.finish(),
            Arc::clone(&checkpointer),
            (Arc::clone(&shared), Arc::clone(&opening)),
            options.warm_pages,
        )
        .map_err(OpenError::io("start a thread"))?;
        let inner = Inner {
            access: Arc::new(Access { shared, values: Values::new(reader, pool), submit }),
            checkpointer,
            budget,
            threads,
            log_id: master.log_id,
            opening,
            lock: Mutex::new(Some(lock)),
        };
        let store = Self { inner: Arc::new(inner) };
        if serving && !readable {
            store.wait_recovered()?;
        }
        Ok(store)
    }
}

/// What is there before history is repeated.
struct Begun {
    log: Log,
    master: Master,
    pool: Arc<Pool>,
    loaded: Option<Loaded>,
    /// For readers; `None` too when the log cannot be read so.
    tail: Option<(Tail, Moved)>,
}

/// The log to its end, and beside that, where calls to the disk may come in any order, the last
/// checkpoint's map: each takes about as long as the other.
fn begin(disk: &Arc<dyn Disk>, options: Options, serving: bool) -> Result<Begun, OpenError> {
    let pool = || -> Result<_, OpenError> {
        let files = PageFiles::new(Arc::clone(disk)).map_err(OpenError::io("list the folder"))?;
        Ok(Arc::new(Pool::new(files, options.pool_pages)))
    };
    let Some(master) = master::read(disk)? else {
        let (log, master) = folder::create(disk, options)?;
        let pool = pool()?;
        pool.attach(log.reader());
        return Ok(Begun { log, master, pool, loaded: None, tail: None });
    };
    let open_log = || -> Result<_, OpenError> {
        if !serving {
            return Ok((folder::open_log(disk, &master, options.io_uring, &mut |_| {})?, None));
        }
        // While the end of the log is looked for, so that it is read once.
        let mut tail = TailMaker::new();
        let see = &mut |frame: &Frame| tail.see(frame);
        let log = folder::open_log(disk, &master, options.io_uring, see)?;
        Ok((log, tail.finish()?))
    };
    let load = || -> Result<_, OpenError> {
        let pool = pool()?;
        let loaded = Loaded::of(&pool, &master)?;
        Ok((pool, loaded))
    };
    let (opened, loaded) = if disk.in_background() {
        rayon::join(open_log, load)
    } else {
        let opened = open_log();
        // A log that does not open is no reason to look further.
        (Ok(opened?), load())
    };
    let ((log, tail), (pool, loaded)) = (opened?, loaded?);
    pool.attach(log.reader());
    Ok(Begun { log, master, pool, loaded, tail })
}

fn disk_at(dir: &Path, options: &Options) -> Result<Arc<dyn Disk>, OpenError> {
    let settings = SysOptions { io_uring: options.io_uring, method: None };
    let disk = SysDisk::open_with(dir, settings).map_err(OpenError::io("open the folder"))?;
    Ok(Arc::new(disk))
}
