//! ARIES for Strongroom's store: log records, the tables of transactions and dirty pages, and the
//! three passes of restart (analysis, redo, undo).
//!
//! Source: C. Mohan et al., "ARIES: A Transaction Recovery Method Supporting Fine-Granularity
//! Locking and Partial Rollbacks Using Write-Ahead Logging", TODS 17(1), 1992.
//!
//! Everything here is pure: it is handed records and answers what to do, so every state can be
//! tested. Reading the log, pages and values is the store's business.
//!
//! - [`record`]: what the log says, in bytes and out of them.
//! - [`tables`]: who is active, and which pages may be older on disk than in memory.
//! - [`Analysis`]: rebuilds both tables from the last checkpoint.
//! - [`redo`]: repeats history, for winners and losers alike, where a page lacks it.
//! - [`Undo`]: takes the losers back in one backward sweep, logging a compensation for each step.

#![forbid(unsafe_code)]

mod analysis;
mod codec;
mod error;
pub mod record;
pub mod redo;
pub mod tables;
mod undo;

pub use analysis::{Analysis, Outcome};
pub use error::RecordError;
pub use record::{
    After, Before, CheckpointEnd, Compensation, MapLocation, PageId, Record, Relocation, RootMark,
    Update,
};
pub use tables::{DirtyPageTable, Transaction, TransactionTable};
pub use undo::{Undo, UndoError, UndoStep};

/// Position of a record in the log, in bytes; 0 stands for "none".
pub type Lsn = u64;

/// No record.
pub const NO_LSN: Lsn = 0;

/// A transaction that spans frames, named by the LSN of its first record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TxnId(pub u64);
