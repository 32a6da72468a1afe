//! What can go wrong with backups.

use std::io;

use super::file::BackupFileError;
use crate::error::{CheckpointError, CommitError, OpenError, ReadError};

/// A backup could not be made. What was written of it is refused by every reader.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// A value of the store could not be read.
    #[error(transparent)]
    Value(#[from] ReadError),
    /// The values do not have the store's root: check the folder with `merkle-verify`.
    #[error("the values do not have the root of the store; verify its folder")]
    Root,
    /// The stream could not be written.
    #[error("cannot {what}: {cause}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// What the device said.
        cause: io::Error,
    },
    /// The file could not be made.
    #[error(transparent)]
    File(#[from] BackupFileError),
}

/// A backup is not whole. Nothing of it should be trusted; take another.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The file or stream could not be read.
    #[error("cannot read the backup at byte {at}: {cause}")]
    Io {
        /// Where.
        at: u64,
        /// What the device said.
        cause: io::Error,
    },
    /// It does not begin like a backup.
    #[error("this is not a backup of a store")]
    NotABackup,
    /// It was made by another version; restore it with that one.
    #[error("the backup has format version {0}, which is not known here")]
    Version(u32),
    /// It ends early: the backup was not finished, or the copy was not.
    #[error("the backup is incomplete: it ends at byte {at}")]
    Truncated {
        /// Where.
        at: u64,
    },
    /// Its bytes are not those that were written.
    #[error("the backup is damaged at byte {at}: {why}")]
    Damaged {
        /// Where the block begins that shows it.
        at: u64,
        /// How.
        why: &'static str,
    },
    /// Something follows its end.
    #[error("the backup ends at byte {at}, but bytes follow")]
    Trailing {
        /// Where.
        at: u64,
    },
}

/// A backup was not restored. The folder holds no store that opens.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The backup is not whole.
    #[error(transparent)]
    Backup(#[from] VerifyError),
    /// There is something in the folder; choose an empty one.
    #[error("the folder is not empty: it holds {0}")]
    NotEmpty(String),
    /// The folder is in use, or the new store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Entries could not be written.
    #[error("cannot write the entries: {0}")]
    Commit(#[from] CommitError),
    /// The new store could not be completed.
    #[error(transparent)]
    Close(#[from] CheckpointError),
    /// The new store does not have the backup's roots: a fault of the machine or of the program.
    #[error("the restored store does not have the root of the backup")]
    Root,
    /// The folder could not be read or written.
    #[error("cannot {what}: {cause}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// What the device said.
        cause: io::Error,
    },
}

impl BackupError {
    pub(super) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |cause| BackupError::Io { what, cause }
    }
}

impl RestoreError {
    pub(super) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |cause| RestoreError::Io { what, cause }
    }
}
