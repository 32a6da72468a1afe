//! Redo: repeats history on the trees of the last checkpoint.

use std::collections::BTreeMap;
use std::sync::Arc;

use strongroom_aries::{Compensation, Record, Relocation, RootMark, TxnId, Update};
use strongroom_merkle::KeyHash;
use strongroom_wal::{Frame, Lsn};

use super::ahead::{Filters, ReadFrame, Ready};
use super::load::Loaded;
use super::names::{self, Directories, Moved};
use super::{RecoveryReport, decode};
use crate::error::OpenError;
use crate::id::{Catalog, KeyspaceId};
use crate::index::{Changes, Indexed, LiveBytes, Slot, State, Touch};
use crate::logged::restored;
use crate::pages::{PageError, Pool};
use crate::worker::Worker;

/// Changes that are gathered before they are applied, and a promised root is looked at.
const GATHER: usize = 4096;

/// What history leads to.
pub(super) struct Redone {
    pub(super) state: State,
    pub(super) catalog: Catalog,
    pub(super) live: LiveBytes,
    pub(super) report: RecoveryReport,
}

/// See the module's text.
pub(super) struct Redo<'f> {
    pool: Arc<Pool>,
    loaded: Loaded,
    filters: &'f Filters,
    /// Where the last root mark of the log stands: that root is always looked at.
    last_mark: Lsn,
    committed: BTreeMap<u32, Changes>,
    pending: BTreeMap<u32, Changes>,
    gathered: usize,
    /// Names that came and went; `None` when the directories have them already.
    names: Option<Moved>,
    /// End of the last frame repeated.
    position: Option<Lsn>,
    report: RecoveryReport,
}

impl<'f> Redo<'f> {
    /// `names`: whether what comes and goes is still to be done to the directories.
    pub(super) fn new(
        pool: &Arc<Pool>,
        loaded: Loaded,
        (filters, last_mark): (&'f Filters, Lsn),
        names: bool,
    ) -> Self {
        let pages = loaded.pages as u64;
        Self {
            pool: Arc::clone(pool),
            loaded,
            filters,
            last_mark,
            committed: BTreeMap::new(),
            pending: BTreeMap::new(),
            gathered: 0,
            names: names.then(Moved::default),
            position: None,
            report: RecoveryReport { pages, ..RecoveryReport::default() },
        }
    }

    /// Whether calls to the disk may come in any order.
    pub(super) fn in_background(&self) -> bool {
        self.pool.files.in_background()
    }

    fn state(&mut self) -> &mut State {
        &mut self.loaded.state
    }

    /// Repeats frames. Records of keyspaces count from the checkpoint's begin record on.
    pub(super) fn repeat(
        &mut self,
        frames: Vec<ReadFrame>,
        checkpoint: Lsn,
    ) -> Result<(), OpenError> {
        frames.into_iter().try_for_each(|(frame, updates)| {
            self.repeat_one(&frame, &mut updates.into_iter(), checkpoint)
        })
    }

    fn repeat_one(
        &mut self,
        frame: &Frame,
        updates: &mut impl Iterator<Item = Ready>,
        checkpoint: Lsn,
    ) -> Result<(), OpenError> {
        for (lsn, bytes) in frame.records() {
            match decode(lsn, bytes)? {
                Record::Update(update) => {
                    let Some(ready) = updates.next() else {
                        unreachable!("each update of a frame was read ahead")
                    };
                    self.update(&update, &ready);
                }
                Record::Compensation(c) => self.compensation(lsn, &c)?,
                Record::Relocation(r) => self.relocation(lsn, &r)?,
                Record::Commit(txn) => self.commit(txn)?,
                Record::End(txn) => self.end(txn)?,
                Record::RootMark(mark) => self.check(lsn, &mark)?,
                Record::CreateKeyspace { keyspace, id, class } if lsn >= checkpoint => {
                    self.apply()?;
                    self.loaded.create(lsn, keyspace, KeyspaceId(id), class)?;
                }
                Record::DropKeyspace { keyspace } if lsn >= checkpoint => {
                    self.apply()?;
                    self.loaded.drop_keyspace(&self.pool, keyspace)?;
                }
                _ => {}
            }
        }
        self.position = Some(frame.end());
        self.report.frames += 1;
        if self.gathered >= 2 * GATHER {
            self.apply()?;
        }
        Ok(())
    }

    /// History is repeated: the state that it leads to, given its directories as far as they are known.
    pub(super) fn finish(mut self, mut directories: Directories) -> Result<Redone, OpenError> {
        self.apply()?;
        if let Some(position) = self.position {
            self.state().lsn = position;
        }
        self.state().seal_roots();
        let Loaded { mut state, catalog, live, .. } = self.loaded;
        if let Some(moved) = self.names {
            moved.apply(&mut directories);
        }
        names::complete(&mut state, directories)?;
        Ok(Redone { state, catalog, live, report: self.report })
    }

    fn update(&mut self, update: &Update<'_>, ready: &Ready) {
        let Ready { hash, needed, written } = *ready;
        if !self.counted(needed) {
            return;
        }
        match update.txn {
            None => self.put(update.keyspace, update.key, hash, written),
            Some((txn, _)) => {
                let deleted = Indexed::deleted(txn, update.key.len());
                let own = |e: Indexed| Indexed { slot: e.slot.uncommitted(txn), ..e };
                let entry = written.map_or(deleted, own);
                self.put_pending(update.keyspace, update.key, hash, Some(entry));
            }
        }
    }

    fn compensation(&mut self, lsn: Lsn, c: &Compensation<'_>) -> Result<(), OpenError> {
        let hash = KeyHash::of(c.key);
        if self.needed(lsn, c.keyspace, true, &hash) {
            let committed = self.committed(c.keyspace, &hash)?;
            let entry = restored(c, committed);
            self.put_pending(c.keyspace, c.key, hash, entry);
        }
        Ok(())
    }

    fn relocation(&mut self, lsn: Lsn, r: &Relocation<'_>) -> Result<(), OpenError> {
        let hash = KeyHash::of(r.key);
        if !self.needed(lsn, r.keyspace, false, &hash) {
            return Ok(());
        }
        let now = self.committed(r.keyspace, &hash)?;
        if let Some(entry) = now.filter(|entry| entry.slot.version == r.version) {
            let at = Lsn(lsn.0 + r.value_offset() as u64);
            let moved = Indexed { slot: Slot { at, ..entry.slot }, ..entry };
            self.put(r.keyspace, r.key, hash, Some(moved));
        }
        Ok(())
    }

    /// What a transaction had written becomes committed.
    fn commit(&mut self, txn: TxnId) -> Result<(), OpenError> {
        self.apply()?;
        let pool = Arc::clone(&self.pool);
        let written = self.state().pending_of(&pool, txn.0).map_err(unreadable)?;
        for (handle, changes) in written {
            for (hash, touch) in changes {
                self.put_pending(handle, &touch.key, hash, None);
                self.put(handle, &touch.key, hash, touch.put);
            }
        }
        Ok(())
    }

    /// What a transaction has left of keyspaces that went goes with it.
    fn end(&mut self, txn: TxnId) -> Result<(), OpenError> {
        let Self { pool, loaded, pending, .. } = self;
        loaded.state.forget_gone(pool, txn, pending).map_err(unreadable)
    }

    /// The committed entry as it stands, with what is gathered.
    fn committed(&mut self, handle: u32, hash: &KeyHash) -> Result<Option<Indexed>, OpenError> {
        match self.committed.get(&handle).and_then(|changes| changes.get(hash)) {
            Some(touch) => Ok(touch.put),
            None => self.loaded.state.get_committed(&self.pool, handle, hash).map_err(unreadable),
        }
    }

    fn put(&mut self, handle: u32, key: &[u8], hash: KeyHash, put: Option<Indexed>) {
        self.gathered += 1;
        self.committed.entry(handle).or_default().insert(hash, Touch { key: key.into(), put });
    }

    fn put_pending(&mut self, handle: u32, key: &[u8], hash: KeyHash, put: Option<Indexed>) {
        self.gathered += 1;
        self.pending.entry(handle).or_default().insert(hash, Touch { key: key.into(), put });
    }

    /// Whether a record has to be applied again.
    fn needed(&mut self, lsn: Lsn, keyspace: u32, pending: bool, hash: &KeyHash) -> bool {
        let needed = self.filters.pass(lsn, keyspace, pending, hash);
        self.counted(needed)
    }

    fn counted(&mut self, needed: bool) -> bool {
        *(if needed { &mut self.report.redone } else { &mut self.report.skipped }) += 1;
        needed
    }

    /// Holds the state against a promise: every one that a batch of changes leads to, and the last.
    fn check(&mut self, lsn: Lsn, mark: &RootMark) -> Result<(), OpenError> {
        let position = *self.position.get_or_insert(Lsn(mark.at));
        if position.0 != mark.at || self.gathered < GATHER && lsn != self.last_mark {
            return Ok(());
        }
        self.apply()?;
        let state = self.state();
        state.seal_roots();
        if state.replicated_root.0 != mark.replicated || state.all_root.0 != mark.all {
            return Err(OpenError::RootMismatch { at: position });
        }
        self.report.roots_checked += 1;
        Ok(())
    }

    /// Applies what is gathered.
    fn apply(&mut self) -> Result<(), OpenError> {
        self.gathered = 0;
        let at = self.position.unwrap_or(self.loaded.state.lsn);
        let pool = &self.pool;
        let Loaded { state, live, .. } = &mut self.loaded;
        for (handle, changes) in std::mem::take(&mut self.committed) {
            if let Some(keyspace) = state.keyspaces.values_mut().find(|k| k.handle == handle) {
                let keyspace = Arc::make_mut(keyspace);
                let names = keyspace.apply_but_names(pool, &Worker, &changes, at, live);
                let names = names.map_err(unreadable)?;
                if let Some(moved) = &mut self.names {
                    moved.add(handle, &names);
                }
            }
        }
        for (handle, changes) in std::mem::take(&mut self.pending) {
            state.apply_pending(pool, &Worker, handle, &changes, at).map_err(unreadable)?;
        }
        Ok(())
    }
}

pub(super) fn unreadable(e: PageError) -> OpenError {
    match e {
        PageError::Io { cause, .. } => {
            OpenError::Io { what: "read a page", cause: std::io::Error::other(cause) }
        }
        PageError::Damaged { file, why } => OpenError::Damaged { file, why },
    }
}
