//! Removes what has expired: tokens, wrapped answers, and the rest of large revoked trees.
//!
//! The index `expiry/<second>/...` is a wheel with one slot a second, kept in the store and so there again
//! after a restart. Its hand moves with every whole second of the wall clock and empties the slots that lie
//! behind it, whatever was missed while the server was down or sealed included. So a lease is removed within a second of
//! its end, and a second in which nothing ends costs a look at one key, however many leases there are.
//!
//! Expiry itself does not wait for the hand: what has expired is refused when it is used.

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use strongroom_storage::CommitError;
use tokio::task::AbortHandle;

use super::store::{EXPIRY, expiry_prefix};
use crate::barrier::{Session, ViewError};
use crate::cluster::Unsealed;
use crate::keyspace::LOCAL;
use crate::wrapping;

/// What a slot of the wheel spans.
const SLOT: Duration = Duration::from_secs(1);
/// Entries that one transaction removes at most.
const BATCH: usize = 256;
const REVOKE: &str = "revoke/";

/// Runs until the last user of `unsealed` is gone.
pub fn spawn(unsealed: &Arc<Unsealed>) -> AbortHandle {
    let weak = Arc::downgrade(unsealed);
    tokio::spawn(run(weak)).abort_handle()
}

async fn run(cluster: Weak<Unsealed>) {
    loop {
        tokio::time::sleep(until_next_slot(SystemTime::now())).await;
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

/// How long until the hand moves: to the next whole second, never longer than a slot.
fn until_next_slot(now: SystemTime) -> Duration {
    let into = now.duration_since(UNIX_EPOCH).map_or(0, |d| d.subsec_nanos());
    SLOT.saturating_sub(Duration::from_nanos(into.into()))
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
    let more = super::revocation::revoke_noted_prefix(&mut session)?;
    let done = if more { BATCH } else { sweep(&mut session, SystemTime::now())? };
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
    let end = expiry_prefix(now.into());
    let mut local = session.view(LOCAL);
    let mut done = local.scan_unvalidated(REVOKE, None, BATCH);
    let due = local.scan_unvalidated(EXPIRY, None, 1).first().is_some_and(|key| *key < end);
    if due {
        let expired = local.scan_unvalidated(EXPIRY, None, BATCH - done.len());
        done.extend(expired.into_iter().take_while(|key| *key < end));
    }

    let (mut tokens, mut wrapped) = (Vec::new(), Vec::new());
    for key in &done {
        let mut parts = key.rsplitn(3, '/');
        match (parts.next(), parts.next()) {
            (Some(id), Some("token" | "revoke")) => tokens.push(id.to_owned()),
            (Some(id), Some("wrap")) => wrapped.push(id.to_owned()),
            _ => {}
        }
    }
    super::revocation::revoke_all(session, tokens, &done)?;
    for id in wrapped {
        wrapping::forget(session, &id)?;
    }
    Ok(done.len())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::cluster::Cluster;
    use crate::config::Config;
    use crate::engine::stamp::Stamp;
    use crate::token::entry::TokenEntry;
    use crate::token::store;

    async fn cluster(folder: &std::path::Path) -> Arc<Cluster> {
        let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let config = Config::for_dev(any, folder.to_owned(), Some("root".to_owned()));
        let cluster = Cluster::open(config).unwrap();
        cluster.dev_start().await.unwrap();
        cluster
    }

    fn token(n: usize, parent: Option<String>, expires: Option<Stamp>) -> TokenEntry {
        TokenEntry {
            accessor: format!("accessor-{n}"),
            parent,
            policies: vec!["x".to_owned()],
            path: String::new(),
            meta: Some(BTreeMap::new()),
            display_name: String::new(),
            num_uses: 0,
            created: SystemTime::now().into(),
            creation_ttl: 60,
            explicit_max_ttl: 0,
            period: 0,
            renewable: true,
            entity_id: String::new(),
            expires,
            renewed: None,
            max_ttl: 0,
            role: String::new(),
            bound_cidrs: Vec::new(),
            mount_accessor: String::new(),
            origin: crate::auth::Origin::default(),
            batch: false,
        }
    }

    fn keys(session: &mut Session) -> Vec<String> {
        let kept =
            ["token/", "accessor/", "lease/", "child/", "children/", "expiry/", "revoke/", "wrap/"];
        let all = session.view(LOCAL).scan("", None, 100_000);
        all.into_iter().filter(|k| kept.iter().any(|p| k.starts_with(p))).collect()
    }

    #[test]
    fn the_hand_moves_with_every_whole_second() {
        for millis in [0, 1, 400, 999] {
            let now = UNIX_EPOCH + Duration::from_hours(500_000) + Duration::from_millis(millis);
            let next = now + until_next_slot(now);
            let since = next.duration_since(UNIX_EPOCH).unwrap();
            assert_eq!(since.subsec_nanos(), 0);
            assert_eq!(until_next_slot(now), Duration::from_millis(1_000 - millis));
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_slot_is_emptied_when_its_second_is_over_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let cluster = cluster(folder.path()).await;
        let unsealed = cluster.unsealed().unwrap();
        let start = UNIX_EPOCH + Duration::from_hours(1_000_000);
        let mut session = unsealed.session();
        for (n, millis) in [1_000, 1_999, 2_000].into_iter().enumerate() {
            let end = Stamp::from(start + Duration::from_millis(millis));
            store::put(&mut session, &format!("id-{n}"), &token(n, None, Some(end)), None).unwrap();
        }
        session.into_txn().commit().await.unwrap();
        for (seconds, gone) in [(1, 0), (2, 2), (3, 3)] {
            let mut session = unsealed.session();
            let at = start + Duration::from_secs(seconds);
            assert_eq!(sweep(&mut session, at).unwrap(), gone, "after {seconds} s");
        }
        cluster.shutdown().await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_has_expired_goes_with_all_its_indexes() {
        let folder = tempfile::tempdir().unwrap();
        let cluster = cluster(folder.path()).await;
        let unsealed = cluster.unsealed().unwrap();
        let mut session = unsealed.session();
        let before = keys(&mut session);
        let now = SystemTime::now();
        let soon = Stamp::from(now).plus_seconds(60);
        let parent = token(1, None, Some(soon));
        store::put(&mut session, "parent", &parent, None).unwrap();
        let child = token(2, Some("parent".to_owned()), None);
        store::put(&mut session, "child", &child, None).unwrap();
        let payload = zeroize::Zeroizing::new("{}".to_owned());
        wrapping::wrap(&mut session, payload, 60, "x", now).unwrap();
        session.into_txn().commit().await.unwrap();

        let mut session = unsealed.session();
        assert_eq!(sweep(&mut session, now).unwrap(), 0, "nothing has expired yet");
        let later = now + Duration::from_mins(2);
        assert_eq!(sweep(&mut session, later).unwrap(), 2);
        session.into_txn().commit().await.unwrap();
        assert_eq!(keys(&mut unsealed.session()), before);
        cluster.shutdown().await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_tree_too_large_for_one_transaction_is_finished_by_the_sweep() {
        let folder = tempfile::tempdir().unwrap();
        let cluster = cluster(folder.path()).await;
        let unsealed = cluster.unsealed().unwrap();
        let mut session = unsealed.session();
        let before = keys(&mut session);
        store::put(&mut session, "top", &token(0, None, None), None).unwrap();
        for n in 1..=5_000 {
            let child = token(n, Some("top".to_owned()), None);
            store::put(&mut session, &format!("id-{n}"), &child, None).unwrap();
        }
        session.into_txn().commit().await.unwrap();
        let mut session = unsealed.session();
        crate::token::revoke(&mut session, "top").unwrap();
        session.into_txn().commit().await.unwrap();
        for _ in 0..100 {
            let mut session = unsealed.session();
            if sweep(&mut session, SystemTime::now()).unwrap() == 0 {
                break;
            }
            // The cluster's own sweep may have been first.
            let _ = session.into_txn().commit().await;
        }
        assert_eq!(keys(&mut unsealed.session()), before);
        cluster.shutdown().await.unwrap();
    }
}
