//! Keeping keys and secrets out of swap.

use rustix::io::Errno;
use rustix::mm::{MlockAllFlags, mlockall};

/// Why the memory is not locked.
#[derive(Debug, thiserror::Error)]
#[error(
    "failed to lock memory: {0}; without it keys and secrets may go to swap. Give the server the right \
     (CAP_IPC_LOCK, or LimitMEMLOCK=infinity in systemd), or switch swap off or encrypt it and say so \
     with disable_mlock = true"
)]
pub(super) struct LockError(#[from] Errno);

/// Locks all memory that the process has and will have, page by page as it is touched. Files that the store
/// maps are not kept by it: what is in them is encrypted.
///
/// # Errors
/// The process may not, or may not so much.
pub(super) fn lock() -> Result<(), LockError> {
    Ok(mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT)?)
}
