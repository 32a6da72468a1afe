//! Where clusters stand in their replication.

use serde_json::Value;

use super::{Server, eventually, http};

/// The paths of replication.
pub(crate) const BASE: &str = "sys/replication/performance";

/// `data` of a cluster's replication status; null while it does not answer.
pub(crate) fn status(server: &Server) -> Value {
    http("GET", server.url(), &format!("{BASE}/status"), None, None)
        .map(|(_, mut reply)| reply["data"].take())
        .unwrap_or_default()
}

/// Waits until all secondaries stream and all roots are the primary's.
pub(crate) fn wait_until_level(primary: &Server, secondaries: &[Server]) {
    eventually("equal roots everywhere", || {
        let primary = status(primary);
        let root = primary["merkle_root"].as_str()?;
        let level = secondaries.iter().map(status).all(|secondary| {
            secondary["state"] == "stream-wals" && secondary["merkle_root"] == root
        });
        level.then_some(())
    });
}
