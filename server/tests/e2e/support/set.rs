//! A primary and its secondaries, each a process of its own.

use serde_json::{Value, json};

use super::level::{self, BASE};
use super::{ROOT, Server, eventually};

/// A replication set; the first server is the primary.
pub(crate) struct Set {
    /// The clusters.
    pub(crate) servers: Vec<Server>,
}

impl Set {
    /// A primary and that many secondaries, all streaming.
    pub(crate) fn new(secondaries: usize) -> Self {
        Self::of((0..=secondaries).map(|_| Server::dev()).collect())
    }

    /// Makes a set out of development servers that run.
    pub(crate) fn of(servers: Vec<Server>) -> Self {
        let set = Self { servers };
        set.expect_ok(0, "primary/enable", &json!({}));
        for i in 1..set.servers.len() {
            let token = set.activation_token(&format!("secondary-{i}"));
            set.expect_ok(i, "secondary/enable", &json!({ "token": token }));
        }
        set.wait_until_level();
        set
    }

    /// A fresh activation token from the primary.
    pub(crate) fn activation_token(&self, id: &str) -> String {
        let reply = self.expect_ok(0, "primary/secondary-token", &json!({ "id": id }));
        reply["wrap_info"]["token"].as_str().unwrap().to_owned()
    }

    /// Posts below `sys/replication/performance`.
    pub(crate) fn expect_ok(&self, server: usize, path: &str, body: &Value) -> Value {
        let (status, reply) =
            self.servers[server].call("POST", &format!("{BASE}/{path}"), ROOT, Some(body));
        assert!(status < 300, "{path} on {server}: {status} {reply}");
        reply
    }

    /// `data` of a cluster's replication status; null while it does not answer.
    pub(crate) fn status(&self, server: usize) -> Value {
        level::status(&self.servers[server])
    }

    /// Waits until all secondaries stream and all roots are the primary's.
    pub(crate) fn wait_until_level(&self) {
        level::wait_until_level(&self.servers[0], &self.servers[1..]);
    }

    /// Reads a path until it is there.
    pub(crate) fn read_eventually(&self, server: usize, path: &str) -> Value {
        eventually(&format!("{path} on {server}"), || {
            let (status, reply) = self.servers[server].call("GET", path, ROOT, None);
            (status == 200).then_some(reply)
        })
    }
}
