//! The transactional key-value store of Strongroom.
//!
//! It puts together the write-ahead log (`strongroom-wal`), the Merkle index (`strongroom-merkle`)
//! and recovery (`strongroom-aries`):
//!
//! - the log is written once and is the store: index entries point to values in it;
//! - the Merkle trie is the index, in pages that may leave memory; an ordered directory beside it
//!   serves lists and scans;
//! - published states are persistent: readers, snapshots and checkpoints hold one and block nobody;
//! - one thread validates, logs and publishes transactions in batches;
//! - transactions of any size commit, with savepoints: large ones are logged before they commit;
//! - checkpoints write the pages that changed, beside the traffic;
//! - a restart repeats history from the last checkpoint and must arrive at the promised roots.
//!
//! # Promises
//! - A commit that was acknowledged survives any crash; one that was not is wholly there or wholly
//!   gone after it.
//! - Transactions over any keys and keyspaces are serializable, in the order of the log.
//! - A value is verified against its digest whenever it is read; what fails is refused.
//! - A failed durable write ends all acknowledgement until the store is opened again.

mod backup;
mod block_on;
mod budget;
mod changes;
mod checkpoint;
mod cleaner;
mod commit;
mod directory;
mod error;
mod folder;
#[cfg(fuzzing)]
pub mod fuzzing;
mod id;
mod index;
mod logged;
mod look;
mod master;
mod opening;
mod options;
mod pages;
mod published;
mod recovering;
mod recovery;
mod retention;
mod sealed;
mod shared;
mod signal;
mod snapshot;
mod stats;
mod store;
mod sync;
mod threads;
mod tree;
mod txn;
mod values;
mod worker;

pub use backup::{
    BackupError, BackupFile, BackupFileError, BackupReport, KeyspaceReport, RestoreError,
    VerifyError, restore, restore_on, verify_backup,
};
pub use changes::{Change, ChangeOp, ChangeReader};
pub use error::{ChangesError, CheckpointError, CommitError, OpenError, ReadError};
pub use id::{Class, Committed, Entry, KEY_MAX, KeyspaceId, Published, VALUE_MAX, Version};
pub use index::Slot;
pub use look::{Look, StoreLog, look, look_at, store_log};
pub use options::Options;
pub use pages::{Cell, PageError};
pub use recovery::RecoveryReport;
pub use retention::LogNeed;
pub use snapshot::{IndexEntry, KeyValue, Snapshot};
pub use stats::Stats;
pub use store::Store;
pub use strongroom_merkle::Digest;
pub use strongroom_wal::Lsn;
pub use strongroom_wal::disk::DurableReport;
pub use tree::{Index, IndexPages};
pub use txn::{ReadMark, Savepoint, Sighting, Txn};
