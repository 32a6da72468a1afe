//! What goes on by itself: transit and identity rotate the keys whose time has come.
//!
//! Every cluster looks after its own: the primary after what is replicated, each after what is local.

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use strongroom_storage::CommitError;
use tokio::task::AbortHandle;

use super::stamp::Stamp;
use super::transit::rotate_due;
use crate::cluster::Unsealed;
use crate::identity::oidc;
use crate::logical::ApiResult;
use crate::mount::{LOCAL_KEY, MOUNTS_KEY, Mount, router};
use crate::replication::Role;

/// Pause between rounds: the shortest time that a key of identity may sign.
const PERIOD: Duration = Duration::from_mins(1);
/// Keys of transit rotate hourly at the most: they are looked at in every so many rounds.
const TRANSIT_EVERY: u32 = 5;

/// Runs until the last user of `unsealed` is gone.
pub fn spawn(unsealed: &Arc<Unsealed>) -> AbortHandle {
    tokio::spawn(run(Arc::downgrade(unsealed))).abort_handle()
}

async fn run(cluster: Weak<Unsealed>) {
    let mut rounds = 0_u32;
    loop {
        tokio::time::sleep(PERIOD).await;
        let Some(unsealed) = cluster.upgrade() else { return };
        let now = SystemTime::now();
        rounds = rounds.wrapping_add(1);
        if rounds.is_multiple_of(TRANSIT_EVERY) {
            round(&unsealed, now).await;
        }
        if let Err(e) = rotate_signers(&unsealed, now).await {
            tracing::warn!("keys of identity could not be rotated: {}", e.errors.join("; "));
        }
    }
}

/// Keys that sign tokens of identity.
async fn rotate_signers(unsealed: &Unsealed, now: SystemTime) -> ApiResult<()> {
    if matches!(unsealed.role(), Role::Secondary { .. }) {
        return Ok(());
    }
    let now = Stamp::from(now);
    for name in oidc::due(&mut unsealed.session(), now)? {
        let mut session = unsealed.session();
        if !oidc::rotate_due(&mut session, &name, now)? {
            continue;
        }
        match session.into_txn().commit().await {
            Ok(_) => tracing::info!("the key {name:?} of identity was rotated"),
            // Someone changed it meanwhile; the next round looks again.
            Err(CommitError::Conflict) => {}
            Err(e) => return Err(crate::dispatch::commit_error(&e)),
        }
    }
    Ok(())
}

/// Looks at every mount of this cluster once.
async fn round(unsealed: &Unsealed, now: SystemTime) {
    let tables: &[&str] = match unsealed.role() {
        Role::Secondary { .. } => &[LOCAL_KEY],
        _ => &[MOUNTS_KEY, LOCAL_KEY],
    };
    for table in tables {
        let Ok(mounts) = router(&mut unsealed.session(), table) else { return };
        for mount in mounts.all().filter(|mount| mount.entry.kind == "transit") {
            if let Err(e) = rotate(unsealed, mount, now).await {
                let path = &mount.info.path;
                tracing::warn!("keys of {path} could not be rotated: {}", e.errors.join("; "));
            }
        }
    }
}

async fn rotate(unsealed: &Unsealed, mount: &Mount, now: SystemTime) -> ApiResult<()> {
    let mut after: Option<String> = None;
    loop {
        let mut session = unsealed.session();
        let part = rotate_due(&mut session.view(mount.keyspace), after.as_deref(), now)?;
        if part.rotated > 0 {
            match session.into_txn().commit().await {
                Ok(_) => {
                    tracing::info!("{} keys of {} were rotated", part.rotated, mount.info.path);
                }
                // Someone changed one of them meanwhile; the next round looks again.
                Err(CommitError::Conflict) => {}
                Err(e) => return Err(crate::dispatch::commit_error(&e)),
            }
        }
        match part.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Cluster;
    use crate::config::Config;
    use crate::dispatch::Request;
    use crate::logical::Operation;

    async fn call(cluster: &Arc<Cluster>, op: Operation, path: &str, body: &str) -> String {
        let request = Request {
            id: uuid::Uuid::new_v4(),
            headers: hyper::HeaderMap::new(),
            op,
            path: path.to_owned(),
            query: Vec::new(),
            body: bytes::Bytes::copy_from_slice(body.as_bytes()),
            token: Some(zeroize::Zeroizing::new("root".to_owned())),
            wrap_ttl: None,
            remote: None,
            certificates: None,
            open: false,
            now: SystemTime::now(),
            standing: std::sync::OnceLock::new(),
        };
        let answer = crate::dispatch::handle(cluster, &request).await.unwrap();
        answer.data.map(|data| data.get().to_owned()).unwrap_or_default()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn keys_rotate_when_their_time_has_come() {
        let folder = tempfile::tempdir().unwrap();
        let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let config = Config::for_dev(any, folder.path().to_owned(), Some("root".to_owned()));
        let cluster = Cluster::open(config).unwrap();
        cluster.dev_start().await.unwrap();
        call(&cluster, Operation::Write, "sys/mounts/transit", r#"{"type":"transit"}"#).await;
        for (name, period) in [("hourly", "1h"), ("daily", "24h"), ("never", "0")] {
            let body = format!(r#"{{"auto_rotate_period":"{period}"}}"#);
            call(&cluster, Operation::Write, &format!("transit/keys/{name}"), &body).await;
        }
        let unsealed = cluster.unsealed().unwrap();
        let now = SystemTime::now();
        round(&unsealed, now + Duration::from_mins(50)).await;
        round(&unsealed, now + Duration::from_mins(90)).await;
        round(&unsealed, now + Duration::from_mins(100)).await;
        for (name, latest) in [("hourly", 2), ("daily", 1), ("never", 1)] {
            let info = call(&cluster, Operation::Read, &format!("transit/keys/{name}"), "").await;
            assert!(info.contains(&format!("\"latest_version\":{latest}")), "{name}: {info}");
        }
        drop(unsealed);
        cluster.shutdown().await.unwrap();
    }
}
