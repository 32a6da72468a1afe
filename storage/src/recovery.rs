//! Restart: pages of the last checkpoint, then analysis, redo and undo over the log.
//!
//! Redo repeats history and stops at every root that the log promises: a state that does not have
//! it is refused, not served. Undo logs a compensation for each step, so that a crash in any phase,
//! at any depth, leads to the same state.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use strongroom_aries::{
    Analysis, Before, Compensation, NO_LSN, Outcome, Record, Relocation, RootMark, TxnId, Undo,
    Update, redo,
};
use strongroom_merkle::{Digest, KeyHash, Trie};
use strongroom_wal::disk::Disk;
use strongroom_wal::{Frame, Log, LogReader, Lsn, framed_len};

use crate::directory::{Directory, sort_keys};
use crate::error::OpenError;
use crate::id::{Class, KeyspaceId, Version};
use crate::index::{Changes, IndexEntry, Keyspace, LiveBytes, Slot, State};
use crate::page::{Master, PageMap};
use crate::pages::{PageIndex, PageReadError, PageReader};
use crate::record::entry_of;
use crate::shared::Catalog;

/// What restart arrives at.
pub(crate) struct Recovered {
    pub(crate) state: State,
    pub(crate) catalog: Catalog,
    /// Pages and state of the last checkpoint, if there was one.
    pub(crate) checkpoint: Option<(PageIndex, Arc<State>)>,
    /// Transactions to undo, with what undo needs of their updates.
    pub(crate) losers: Losers,
    pub(crate) report: RecoveryReport,
}

/// What a restart did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Pages read.
    pub pages: u64,
    /// Frames of the log that were repeated.
    pub frames: u64,
    /// Updates applied again.
    pub redone: u64,
    /// Updates that the filters of redo found on disk already.
    pub skipped: u64,
    /// Roots that the log promised and the state had.
    pub roots_checked: u64,
    /// Losing transactions undone.
    pub undone: u64,
}

/// Losing transactions.
pub(crate) struct Losers {
    undo: Undo,
    updates: HashMap<u64, OwnedUpdate>,
    last: HashMap<TxnId, u64>,
}

struct OwnedUpdate {
    txn: (TxnId, u64),
    keyspace: u32,
    key: Vec<u8>,
    before: Before,
}

/// Repeats history from the last checkpoint to the end of the log.
pub(crate) fn recover(
    disk: &Arc<dyn Disk>,
    log: &LogReader,
    master: &Master,
) -> Result<Recovered, OpenError> {
    let mut rebuild = Rebuild::default();
    if master.checkpoint > Lsn::ZERO {
        rebuild.load(disk, master)?;
    }
    let checkpoint = (master.checkpoint > Lsn::ZERO)
        .then(|| (rebuild.pages.clone(), Arc::new(rebuild.state(Lsn::ZERO))));
    let start = if master.checkpoint > Lsn::ZERO { master.checkpoint } else { log.oldest() };
    let outcome = analyse(log, start, &rebuild.pages)?;
    let mut position = start;
    for frame in log.frames(start) {
        let frame = frame?;
        rebuild.repeat(&frame, master.checkpoint, &outcome)?;
        position = frame.end();
    }
    rebuild.position = Some(position);
    let losers = Losers {
        undo: Undo::new(&outcome.transactions),
        updates: std::mem::take(&mut rebuild.uncommitted),
        last: outcome.transactions.iter().map(|(txn, state)| (txn, state.last)).collect(),
    };
    let state = rebuild.state(position);
    Ok(Recovered { state, catalog: rebuild.catalog, checkpoint, losers, report: rebuild.report })
}

fn analyse(log: &LogReader, start: Lsn, pages: &PageIndex) -> Result<Outcome, OpenError> {
    let mut analysis = Analysis::new(start.0);
    for frame in log.frames(start) {
        for (lsn, record) in frame?.records() {
            let record = decode(lsn, record)?;
            analysis
                .see(lsn.0, &record, |keyspace, key| pages.page_of(keyspace, &KeyHash::of(key)));
        }
    }
    Ok(analysis.finish())
}

fn decode(at: Lsn, record: &[u8]) -> Result<Record<'_>, OpenError> {
    Record::decode(record).map_err(|cause| OpenError::Record { at, cause })
}

/// The state while history is repeated.
#[derive(Default)]
struct Rebuild {
    pages: PageIndex,
    keyspaces: BTreeMap<u32, (KeyspaceId, Keyspace)>,
    catalog: Catalog,
    /// Changes of the frame at hand.
    pending: BTreeMap<u32, Changes>,
    uncommitted: HashMap<u64, OwnedUpdate>,
    /// End of the last frame repeated.
    position: Option<Lsn>,
    report: RecoveryReport,
}

impl Rebuild {
    /// Loads the pages of the last checkpoint.
    fn load(&mut self, disk: &Arc<dyn Disk>, master: &Master) -> Result<(), OpenError> {
        let mut reader = PageReader::new(Arc::clone(disk));
        let map = reader.map(master.map).map_err(page_error)?;
        self.pages = PageIndex::from_map(&map);
        for k in &map.keyspaces {
            self.catalog.insert(k.handle, (k.id, k.class));
            if k.live {
                let keyspace = load_keyspace(&mut reader, &map, k.handle, k.class, master)?;
                self.keyspaces.insert(k.handle, (k.id, keyspace));
            }
        }
        self.report.pages = map.pages.len() as u64;
        Ok(())
    }

    /// Repeats one frame.
    fn repeat(
        &mut self,
        frame: &Frame,
        checkpoint: Lsn,
        outcome: &Outcome,
    ) -> Result<(), OpenError> {
        for (lsn, record) in frame.records() {
            match decode(lsn, record)? {
                Record::Update(update) => self.update(lsn, &update, outcome),
                Record::Compensation(c) => self.compensation(lsn, &c, outcome),
                Record::Relocation(r) => self.relocation(lsn, &r, outcome),
                Record::RootMark(mark) => self.check(&mark, outcome)?,
                Record::CreateKeyspace { keyspace, id, class } if lsn >= checkpoint => {
                    let class = Class::from_byte(class).ok_or(OpenError::Record {
                        at: lsn,
                        cause: strongroom_aries::RecordError::Malformed,
                    })?;
                    self.flush(lsn);
                    let id = KeyspaceId(id);
                    self.catalog.insert(keyspace, (id, class));
                    self.keyspaces.insert(keyspace, (id, Keyspace::new(keyspace, class, lsn)));
                }
                Record::DropKeyspace { keyspace } if lsn >= checkpoint => {
                    self.flush(lsn);
                    self.keyspaces.remove(&keyspace);
                }
                _ => {}
            }
        }
        self.flush(frame.end());
        self.position = Some(frame.end());
        self.report.frames += 1;
        Ok(())
    }

    fn update(&mut self, lsn: Lsn, update: &Update<'_>, outcome: &Outcome) {
        if let Some(txn) = update.txn
            && outcome.transactions.get(txn.0).is_some_and(|t| !t.committed)
        {
            let owned = OwnedUpdate {
                txn,
                keyspace: update.keyspace,
                key: update.key.to_vec(),
                before: update.before,
            };
            self.uncommitted.insert(lsn.0, owned);
        }
        let hash = KeyHash::of(update.key);
        if self.needed(lsn, update.keyspace, &hash, outcome) {
            let entry = entry_of(lsn, update);
            self.pending.entry(update.keyspace).or_default().insert(hash, entry);
        }
    }

    fn compensation(&mut self, lsn: Lsn, c: &Compensation<'_>, outcome: &Outcome) {
        let hash = KeyHash::of(c.key);
        if self.needed(lsn, c.keyspace, &hash, outcome) {
            let entry = restored(c.key, &c.restore);
            self.pending.entry(c.keyspace).or_default().insert(hash, entry);
        }
    }

    fn relocation(&mut self, lsn: Lsn, r: &Relocation<'_>, outcome: &Outcome) {
        let hash = KeyHash::of(r.key);
        if !self.needed(lsn, r.keyspace, &hash, outcome) {
            return;
        }
        let pending = self.pending.entry(r.keyspace).or_default();
        let now = match pending.get(&hash) {
            Some(change) => change.as_ref(),
            None => self.keyspaces.get(&r.keyspace).and_then(|(_, k)| k.trie.get(&hash)),
        };
        if let Some(entry) = now.filter(|entry| entry.version().0 == r.version) {
            let moved = entry.moved_to(Lsn(lsn.0 + r.value_offset() as u64));
            pending.insert(hash, Some(moved));
        }
    }

    fn needed(&mut self, lsn: Lsn, keyspace: u32, hash: &KeyHash, outcome: &Outcome) -> bool {
        let page = self.pages.page_of(keyspace, hash);
        let needed = redo::needed(lsn.0, page, &outcome.dirty, |page| self.pages.page_lsn(page));
        *(if needed { &mut self.report.redone } else { &mut self.report.skipped }) += 1;
        needed
    }

    /// Holds the state against a promise. Roots count committed entries only, so nothing can be
    /// said while an update of a transaction that spans frames is in.
    fn check(&mut self, mark: &RootMark, outcome: &Outcome) -> Result<(), OpenError> {
        let position = *self.position.get_or_insert(Lsn(mark.at));
        if position.0 != mark.at || !outcome.transactions.is_empty() {
            return Ok(());
        }
        let state = self.state(position);
        if state.replicated_root.0 != mark.replicated || state.all_root.0 != mark.all {
            return Err(OpenError::RootMismatch { at: position });
        }
        self.report.roots_checked += 1;
        Ok(())
    }

    /// Applies the gathered changes.
    fn flush(&mut self, at: Lsn) {
        // Live bytes are counted once, at the end.
        let mut uncounted = LiveBytes::uncounted();
        for (handle, changes) in std::mem::take(&mut self.pending) {
            if let Some((_, keyspace)) = self.keyspaces.get_mut(&handle) {
                keyspace.apply(changes, at, &mut uncounted);
            }
        }
    }

    fn state(&self, lsn: Lsn) -> State {
        let mut state = State::empty(lsn);
        state.keyspaces =
            self.keyspaces.values().map(|(id, k)| (*id, Arc::new(k.clone()))).collect();
        state.seal_roots();
        state
    }
}

fn load_keyspace(
    reader: &mut PageReader,
    map: &PageMap,
    handle: u32,
    class: Class,
    master: &Master,
) -> Result<Keyspace, OpenError> {
    let mut entries = Vec::new();
    for (page, at) in map.pages.iter().filter(|(page, _)| page.keyspace == handle) {
        entries.append(&mut reader.page(*page, *at).map_err(page_error)?);
    }
    let mut keys: Vec<&[u8]> = entries.iter().map(|e| &*e.slot().key).collect();
    sort_keys(&mut keys);
    let directory = Directory::from_sorted(keys);
    Ok(Keyspace {
        trie: Trie::from_sorted(entries),
        directory,
        ..Keyspace::new(handle, class, master.checkpoint)
    })
}

fn page_error(e: PageReadError) -> OpenError {
    match e {
        PageReadError::Io(cause) => OpenError::Io { what: "read a page", cause },
        PageReadError::Damaged { file, why } => OpenError::Damaged { file, why },
    }
}

/// The entry that a before-image stands for.
fn restored(key: &[u8], before: &Before) -> Option<IndexEntry> {
    match before {
        Before::Omitted | Before::Absent => None,
        Before::Present { at, len, version, digest } => Some(IndexEntry::new(Slot {
            key: Arc::from(key),
            digest: Digest(*digest),
            at: Lsn(*at),
            len: *len,
            version: Version(*version),
        })),
    }
}

impl Losers {
    /// Nothing to undo and nothing to end.
    pub(crate) fn is_empty(&self) -> bool {
        self.undo.next().is_none() && self.undo.only_to_end().is_empty()
    }

    /// How many transactions lost.
    pub(crate) fn count(&self) -> u64 {
        self.last.len() as u64
    }

    /// Takes the losers back, in the log and in the state.
    pub(crate) fn undo(mut self, log: &mut Log, state: &mut State) -> Result<(), OpenError> {
        let handles: HashMap<u32, KeyspaceId> =
            state.keyspaces.iter().map(|(id, k)| (k.handle, *id)).collect();
        let mut tail = Tail { log, frame: None };
        for txn in self.undo.only_to_end() {
            tail.push(&Record::End(*txn))?;
        }
        let mut uncounted = LiveBytes::uncounted();
        while let Some(lsn) = self.undo.next() {
            let update =
                self.updates.get(&lsn).ok_or(strongroom_aries::UndoError::BrokenChain(lsn))?;
            let step = self.undo.step(&update.as_record())?;
            let clr = tail.push(&Record::Compensation(step.compensation))?;
            self.last.insert(step.compensation.txn, clr.0);
            let change = restored(step.compensation.key, &step.compensation.restore);
            if let Some(keyspace) =
                handles.get(&update.keyspace).and_then(|id| state.keyspaces.get_mut(id))
            {
                let changes = Changes::from([(KeyHash::of(&update.key), change)]);
                Arc::make_mut(keyspace).apply(changes, clr, &mut uncounted);
            }
            if step.ends {
                tail.push(&Record::End(step.compensation.txn))?;
            }
        }
        state.lsn = tail.finish()?.unwrap_or(state.lsn);
        state.seal_roots();
        Ok(())
    }
}

impl OwnedUpdate {
    fn as_record(&self) -> Record<'_> {
        Record::Update(Update {
            txn: Some(self.txn),
            keyspace: self.keyspace,
            key: &self.key,
            after: strongroom_aries::After::Deleted,
            before: self.before,
        })
    }
}

/// The end of the log while undo writes to it.
struct Tail<'a> {
    log: &'a mut Log,
    frame: Option<strongroom_wal::FrameBuilder>,
}

impl Tail<'_> {
    fn push(&mut self, record: &Record<'_>) -> Result<Lsn, OpenError> {
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        if self.frame.as_ref().is_some_and(|f| !f.fits(bytes.len())) {
            self.finish()?;
        }
        if self.frame.is_none() {
            self.frame = Some(self.log.begin_frame(framed_len(bytes.len()))?);
        }
        let Some(frame) = &mut self.frame else { return Ok(Lsn(NO_LSN)) };
        frame.push(&bytes).map_err(|_| OpenError::Damaged {
            file: "log".to_owned(),
            why: "a compensation record does not fit a frame",
        })
    }

    fn finish(&mut self) -> Result<Option<Lsn>, OpenError> {
        let Some(frame) = self.frame.take() else { return Ok(None) };
        Ok(Some(self.log.append(frame)?.end))
    }
}
