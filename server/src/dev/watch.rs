//! Tells, line by line, how each cluster's replication changes.

use serde_json::Value;

use super::api::{Api, CallError};
use super::plan::Planned;
use super::wiring;

/// The last thing that was said about each cluster.
pub(super) struct Watch {
    said: Vec<String>,
}

impl Watch {
    /// Nothing was said about `members` clusters yet.
    pub(super) fn new(members: usize) -> Self {
        Self { said: vec![String::new(); members] }
    }

    /// A line when cluster `number` is in another state than the last time.
    pub(super) fn change(&mut self, number: usize, api: &Api, member: &Planned) -> Option<String> {
        let now = match wiring::status(api, member) {
            Ok(status) => describe(&status),
            Err(CallError::NoAnswer(_)) => "does not answer".to_owned(),
            Err(CallError::Refused(503, _)) => "sealed or starting".to_owned(),
            Err(error) => error.to_string(),
        };
        if now == self.said[number] {
            return None;
        }
        self.said[number].clone_from(&now);
        Some(format!("{:<12} {now}", member.name))
    }
}

/// One line about a cluster's replication status.
fn describe(status: &Value) -> String {
    let text = |name: &str| status[name].as_str().unwrap_or("?").to_owned();
    match status["mode"].as_str() {
        Some("primary") => {
            let connected = status["secondaries"].as_array().map_or(0, |secondaries| {
                let live = |s: &&Value| s["connection_status"] == "connected";
                secondaries.iter().filter(live).count()
            });
            let known = status["known_secondaries"].as_array().map_or(0, Vec::len);
            format!("primary, {}, {connected} of {known} secondaries connected", text("state"))
        }
        Some("secondary") => {
            let live = if status["state"] == "stream-wals" { " (live)" } else { "" };
            format!("secondary, {}, connection {}{live}", text("state"), text("connection_state"))
        }
        Some(mode) => format!("replication {mode}"),
        None => "replication state unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::describe;

    #[test]
    fn states_read_as_lines() {
        let primary = json!({"mode": "primary", "state": "running",
            "known_secondaries": ["secondary-1", "secondary-2"],
            "secondaries": [{"connection_status": "connected"}, {"connection_status": "disconnected"}]});
        assert_eq!(describe(&primary), "primary, running, 1 of 2 secondaries connected");
        let live =
            json!({"mode": "secondary", "state": "stream-wals", "connection_state": "ready"});
        assert_eq!(describe(&live), "secondary, stream-wals, connection ready (live)");
        assert_eq!(describe(&json!({"mode": "disabled"})), "replication disabled");
    }
}
