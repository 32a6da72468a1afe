//! Which frames and records are shown.

use std::ops::Range;

use clap::Args;
use strongroom_aries::Record;
use strongroom_wal::{Frame, Lsn};

use crate::records::{Shown, describe};

/// What is shown of a log: all frames, unless something is asked for.
#[derive(Args)]
pub(crate) struct Selection {
    /// Show the records of each frame too.
    #[arg(long)]
    records: bool,
    /// Show only frames at or after this LSN.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Show only frames before this LSN.
    #[arg(long, default_value_t = u64::MAX)]
    to: u64,
    /// Show only records of keys that begin with this, and their frames.
    #[arg(long, value_name = "PREFIX")]
    key: Option<String>,
    /// Show only records of the keyspace with this number in the log, and their frames.
    #[arg(long, value_name = "NUMBER")]
    keyspace: Option<u32>,
    /// Show only the chain of this transaction: updates, compensations, commit and end.
    #[arg(long, value_name = "NUMBER")]
    transaction: Option<u64>,
    /// Show only promised roots.
    #[arg(long)]
    roots: bool,
}

impl Selection {
    /// Refuses what nothing can be chosen by.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Self { from, to, .. } = self;
        if from < to { Ok(()) } else { Err(format!("nothing is from {from} on and before {to}")) }
    }

    /// What is shown of a frame.
    pub(crate) fn pick(&self, frame: &Frame) -> Picked {
        let range: Range<Lsn> = Lsn(self.from)..Lsn(self.to);
        if !range.contains(&frame.start()) {
            return Picked::Nothing;
        }
        let choosy = self.key.is_some()
            || self.keyspace.is_some()
            || self.transaction.is_some()
            || self.roots;
        if !choosy && !self.records {
            return Picked::Frame;
        }
        let records = frame.records().filter(|(_, bytes)| !choosy || self.takes(bytes));
        let records: Vec<Shown> = records.map(|(lsn, bytes)| describe(lsn.0, bytes)).collect();
        if choosy && records.is_empty() { Picked::Nothing } else { Picked::Records(records) }
    }

    /// A record that cannot be decoded is not what was asked for.
    fn takes(&self, bytes: &[u8]) -> bool {
        let Ok(record) = Record::decode(bytes) else { return false };
        let subject = Subject::of(&record);
        let key = |wanted: &String| subject.key.is_some_and(|k| k.starts_with(wanted.as_bytes()));
        self.key.as_ref().is_none_or(key)
            && self.keyspace.is_none_or(|wanted| subject.keyspace == Some(wanted))
            && self.transaction.is_none_or(|wanted| subject.transaction == Some(wanted))
            && (!self.roots || matches!(record, Record::RootMark(_)))
    }
}

/// What is shown of a frame.
pub(crate) enum Picked {
    /// Nothing.
    Nothing,
    /// The frame.
    Frame,
    /// The frame with these records.
    Records(Vec<Shown>),
}

/// What a record speaks of.
#[derive(Default)]
struct Subject<'a> {
    key: Option<&'a [u8]>,
    keyspace: Option<u32>,
    transaction: Option<u64>,
}

impl<'a> Subject<'a> {
    fn of(record: &Record<'a>) -> Self {
        match record {
            Record::Update(update) => Self {
                key: Some(update.key),
                keyspace: Some(update.keyspace),
                transaction: update.txn.map(|(txn, _)| txn.0),
            },
            Record::Compensation(undone) => Self {
                key: Some(undone.key),
                keyspace: Some(undone.keyspace),
                transaction: Some(undone.txn.0),
            },
            Record::Relocation(moved) => {
                Self { key: Some(moved.key), keyspace: Some(moved.keyspace), transaction: None }
            }
            Record::Commit(txn) | Record::End(txn) => {
                Self { transaction: Some(txn.0), ..Self::default() }
            }
            Record::CreateKeyspace { keyspace, .. } | Record::DropKeyspace { keyspace } => {
                Self { keyspace: Some(*keyspace), ..Self::default() }
            }
            _ => Self::default(),
        }
    }
}
