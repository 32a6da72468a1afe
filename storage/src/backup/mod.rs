//! Online backup and restore.
//!
//! A backup is one stream: a header, chunks of entries with a CRC each, a trailer with counts and
//! roots, and a checksum over the whole (`docs/backup.md`). It is taken from a snapshot and blocks
//! nobody.
//!
//! # Promises
//! - A backup is one consistent state, all keyspaces of all classes, and its values have the roots
//!   that the store had.
//! - What is incomplete, damaged, longer than it should be or of another format is refused.
//! - A restore ends with the whole store or with none.

mod error;
mod file;
mod format;
mod read;
mod report;
mod restore;
mod tally;
#[cfg(test)]
mod tests;
mod write;

pub use error::{BackupError, RestoreError, VerifyError};
pub use file::{BackupFile, BackupFileError};
pub use read::verify_backup;
pub use report::{BackupReport, KeyspaceReport};
pub use restore::{restore, restore_on};
