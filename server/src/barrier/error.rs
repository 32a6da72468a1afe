//! Why a value does not pass the barrier.

use strongroom_storage::ReadError;

use crate::logical::ApiError;

/// Why a value could not be sealed or opened.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BarrierError {
    /// The value was changed, moved, or sealed under another key.
    #[error("stored value failed authentication")]
    Authentication,
    /// Shorter than a header, or of an unknown version.
    #[error("stored value is malformed")]
    Malformed,
    /// Sealed under a term that this keyring does not have (yet).
    #[error("stored value is sealed under unknown key term {0}")]
    UnknownTerm(u32),
    /// The operating system gave no random bytes.
    #[error("no randomness from the operating system")]
    Random,
}

/// Why an entry could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The store could not read it.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It did not pass the barrier.
    #[error(transparent)]
    Barrier(#[from] BarrierError),
    /// Its plaintext is not what this version of the server writes.
    #[error("entry is not in the expected form")]
    Decode,
}

impl From<ViewError> for ApiError {
    fn from(e: ViewError) -> Self {
        Self::internal(e)
    }
}
