//! `sys/replication/status` and `…/performance/status`: how replication stands, without secrets.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::primary::Primary;
use super::primary::registry::Peer;
use super::secondary::Secondary;
use super::{Replication, Running};
use crate::engine::stamp::Stamp;
use strongroom_storage::Digest;

/// Seconds of the zero time, which stands for "never" in these fields.
const NEVER: &str = "-62135596800";

/// The `performance` object.
pub(crate) fn performance(replication: &Replication) -> Value {
    match &**replication.inner.running.load() {
        Running::Disabled => json!({ "mode": "disabled" }),
        Running::Primary(primary) => of_primary(primary),
        Running::Secondary(secondary) => of_secondary(secondary),
    }
}

/// The `dr` object: disaster recovery replication is not part of this server yet.
pub(crate) fn disaster_recovery() -> Value {
    json!({ "mode": "disabled" })
}

fn of_primary(primary: &Primary) -> Value {
    let context = &primary.context;
    let peers = primary.registry.peers();
    let known: Vec<&str> = peers.iter().map(|(id, _)| id.as_str()).collect();
    let secondaries: Vec<Value> = peers
        .iter()
        .filter(|(_, peer)| peer.last_heartbeat_ms != 0 || peer.connected)
        .map(|(id, peer)| of_peer(id, peer))
        .collect();
    let published = *context.store.watch().borrow();
    json!({
        "mode": "primary",
        "state": "running",
        "cluster_id": primary.cluster_id,
        "primary_cluster_addr": primary.given_addr,
        "known_secondaries": known,
        "secondaries": secondaries,
        "last_wal": published.lsn.0,
        "last_performance_wal": published.lsn.0,
        "merkle_root": root_text(&published.replicated_root),
        "corrupted_merkle_tree": false,
        "last_corruption_check_epoch": NEVER,
        "last_reindex_epoch": "0",
        "ssct_generation_counter": 0,
    })
}

fn of_peer(id: &str, peer: &Peer) -> Value {
    json!({
        "node_id": id,
        "api_address": peer.api_addr,
        "cluster_address": peer.cluster_addr,
        "connection_status": if peer.connected { "connected" } else { "disconnected" },
        "last_heartbeat": time_text(peer.last_heartbeat_ms),
        "last_heartbeat_duration_ms": peer.round_trip_ms.to_string(),
        "clock_skew_ms": peer.skew_ms.to_string(),
        "replication_primary_canary_age_ms": "0",
        "last_remote_wal": peer.applied,
    })
}

fn of_secondary(secondary: &Secondary) -> Value {
    let standing = secondary.standing();
    let bundle = &secondary.state.bundle;
    let connected = standing.reach == super::secondary::standing::Reach::Ready;
    let joined = secondary.state.joined.saturating_mul(1000);
    let mut status = json!({
        "mode": "secondary",
        "state": standing.phase.name(),
        "connection_state": standing.reach.name(),
        "cluster_id": bundle.cluster_id,
        "secondary_id": bundle.secondary_id,
        "primary_cluster_addr": bundle.primary_cluster_addr,
        "known_primary_cluster_addrs": [bundle.primary_cluster_addr],
        "primaries": [{
            "api_address": "",
            "cluster_address": bundle.primary_cluster_addr,
            "connection_status": if connected { "connected" } else { "disconnected" },
            "last_heartbeat": time_text(standing.last_heartbeat_ms),
            "last_heartbeat_duration_ms": standing.round_trip_ms.to_string(),
            "clock_skew_ms": standing.skew_ms.to_string(),
            "replication_primary_canary_age_ms": "0",
        }],
        "last_remote_wal": secondary.applied.borrow().0,
        "last_wal": secondary.context.store.position().0,
        "last_start": time_text(joined),
        "merkle_root": root_text(&secondary.context.root()),
        "ready": secondary.ready(),
        "reconciliations": standing.reconciliations,
        "corrupted_merkle_tree": false,
        "last_corruption_check_epoch": NEVER,
        "last_reindex_epoch": "0",
        "ssct_generation_counter": 0,
    });
    if let Some((done, total)) = standing.sync {
        status["sync_progress"] = json!(done);
        status["sync_total_keys"] = json!(total);
    }
    if let Some(error) = standing.error {
        status["last_error"] = json!(error);
    }
    status
}

/// The first 20 bytes, 40 hex digits, as clients of this field expect.
fn root_text(root: &Digest) -> String {
    use std::fmt::Write as _;
    root.0[..20].iter().fold(String::with_capacity(40), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn time_text(ms: u64) -> String {
    if ms == 0 {
        return "0001-01-01T00:00:00Z".to_owned();
    }
    let at: SystemTime = UNIX_EPOCH + Duration::from_millis(ms);
    Stamp::from(at).rfc3339()
}
