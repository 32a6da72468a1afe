//! Removes what has expired: tokens, wrapped answers, and the rest of large revoked trees.
//!
//! Expiry itself does not wait for the sweep: what has expired is refused when it is used.

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use strongroom_storage::CommitError;
use tokio::task::AbortHandle;

use crate::barrier::{Session, ViewError};
use crate::cluster::Unsealed;
use crate::engine::stamp::Stamp;
use crate::keyspace::LOCAL;
use crate::wrapping;

/// Pause between rounds.
const PERIOD: Duration = Duration::from_secs(5);
/// Entries that one transaction removes at most.
const BATCH: usize = 256;
const EXPIRY: &str = "expiry/";
const REVOKE: &str = "revoke/";

/// Where the expiry index holds what ends at `at`.
pub fn expiry_prefix(at: Stamp) -> String {
    format!("{EXPIRY}{:016x}", at.unix().max(0))
}

/// Runs until the last user of `unsealed` is gone.
pub fn spawn(unsealed: &Arc<Unsealed>) -> AbortHandle {
    let weak = Arc::downgrade(unsealed);
    tokio::spawn(run(weak)).abort_handle()
}

async fn run(cluster: Weak<Unsealed>) {
    loop {
        tokio::time::sleep(PERIOD).await;
        loop {
            let Some(unsealed) = cluster.upgrade() else { return };
            match round(&unsealed).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(e) => {
                    tracing::warn!("expired entries could not be removed: {e}");
                    break;
                }
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum SweepError {
    #[error(transparent)]
    View(#[from] ViewError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// One transaction; whether there may be more to do at once.
async fn round(unsealed: &Unsealed) -> Result<bool, SweepError> {
    let mut session = unsealed.session();
    let done = sweep(&mut session, SystemTime::now())?;
    if done == 0 {
        return Ok(false);
    }
    match session.into_txn().commit().await {
        // Someone renewed or revoked one of them meanwhile: look again.
        Ok(_) | Err(CommitError::Conflict) => Ok(done == BATCH),
        Err(e) => Err(e.into()),
    }
}

/// Removes at most [`BATCH`] entries that ended before `now`; answers how many.
pub(super) fn sweep(session: &mut Session, now: SystemTime) -> Result<usize, ViewError> {
    let now = Stamp::from(now);
    let mut done = 0;
    for key in session.view(LOCAL).scan_unvalidated(REVOKE, None, BATCH) {
        let id = key.strip_prefix(REVOKE).unwrap_or_default().to_owned();
        session.view(LOCAL).delete(&key);
        super::lifetime::revoke(session, &id)?;
        done += 1;
    }
    let end = expiry_prefix(now);
    for key in session.view(LOCAL).scan_unvalidated(EXPIRY, None, BATCH - done.min(BATCH)) {
        if key.as_str() >= end.as_str() {
            break;
        }
        session.view(LOCAL).delete(&key);
        let mut parts = key.rsplitn(3, '/');
        match (parts.next(), parts.next()) {
            (Some(id), Some("token")) => super::lifetime::revoke(session, id)?,
            (Some(id), Some("wrap")) => wrapping::forget(session, id),
            _ => {}
        }
        done += 1;
    }
    Ok(done)
}
