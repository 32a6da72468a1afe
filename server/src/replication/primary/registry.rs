//! Who may connect, who is connected, and the switch that cuts them off.
//!
//! Admission and revocation happen under one lock, so a revoked secondary is either refused or its
//! connection is cut; there is no gap between the two.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::replication::state::KnownSecondary;
use crate::replication::wire::{Heartbeat, Hello, Purpose};

/// Connections of one secondary for one purpose, at most; a newer one replaces the oldest, which may
/// be half open after a network failure.
const CONNECTIONS_MAX: usize = 2;

/// What is known of a secondary beside its certificate; for the status.
#[derive(Debug, Clone, Default)]
pub(crate) struct Peer {
    pub(crate) api_addr: String,
    pub(crate) cluster_addr: String,
    pub(crate) node_id: [u8; 16],
    pub(crate) connected: bool,
    /// Milliseconds since the epoch; 0 before the first.
    pub(crate) last_heartbeat_ms: u64,
    /// Round trip, milliseconds.
    pub(crate) round_trip_ms: u64,
    /// Its clock minus ours, milliseconds.
    pub(crate) skew_ms: i64,
    /// What it has applied, in our log.
    pub(crate) applied: u64,
}

struct Live {
    number: u64,
    purpose: Purpose,
    cut: watch::Sender<bool>,
}

struct Secondary {
    fingerprint: String,
    peer: Peer,
    live: Vec<Live>,
}

#[derive(Default)]
struct Inner {
    secondaries: BTreeMap<String, Secondary>,
    next_number: u64,
}

/// See the module's text.
#[derive(Clone, Default)]
pub(crate) struct Registry {
    inner: Arc<Mutex<Inner>>,
}

impl Registry {
    /// Knows the secondaries of a stored state.
    pub(crate) fn new(known: &BTreeMap<String, KnownSecondary>) -> Self {
        let registry = Self::default();
        for (id, secondary) in known {
            registry.admit(id, &secondary.fingerprint);
        }
        registry
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a secondary connect with the certificate of this fingerprint. A certificate that it had
    /// before no longer counts, and its connections are cut.
    pub(crate) fn admit(&self, id: &str, fingerprint: &str) {
        let secondary = Secondary {
            fingerprint: fingerprint.to_owned(),
            peer: Peer::default(),
            live: Vec::new(),
        };
        if let Some(old) = self.lock().secondaries.insert(id.to_owned(), secondary) {
            old.cut();
        }
    }

    /// Forgets a secondary and cuts its connections now.
    pub(crate) fn revoke(&self, id: &str) {
        if let Some(old) = self.lock().secondaries.remove(id) {
            old.cut();
        }
    }

    /// Opens a session for the holder of a certificate, or `None` if it is not (or no longer) known
    /// or calls itself by another's id.
    pub(crate) fn connect(&self, fingerprint: &str, hello: &Hello) -> Option<Session> {
        let mut inner = self.lock();
        let number = inner.next_number;
        inner.next_number += 1;
        let secondary = inner.secondaries.get_mut(&hello.secondary_id)?;
        if secondary.fingerprint != fingerprint {
            return None;
        }
        let of_purpose = secondary.live.iter().filter(|l| l.purpose == hello.purpose).count();
        if of_purpose >= CONNECTIONS_MAX
            && let Some(at) = secondary.live.iter().position(|l| l.purpose == hello.purpose)
        {
            secondary.live.remove(at).cut.send_replace(true);
        }
        let (cut, was_cut) = watch::channel(false);
        secondary.live.push(Live { number, purpose: hello.purpose, cut });
        if hello.purpose == Purpose::Stream {
            let peer = &mut secondary.peer;
            peer.api_addr.clone_from(&hello.api_addr);
            peer.cluster_addr.clone_from(&hello.cluster_addr);
            peer.node_id = hello.node_id;
            peer.connected = true;
        }
        Some(Session { registry: self.clone(), id: hello.secondary_id.clone(), number, was_cut })
    }

    /// Secondaries with what is known of them, by id.
    pub(crate) fn peers(&self) -> Vec<(String, Peer)> {
        self.lock().secondaries.iter().map(|(id, s)| (id.clone(), s.peer.clone())).collect()
    }
}

impl Secondary {
    fn cut(self) {
        for live in self.live {
            live.cut.send_replace(true);
        }
    }
}

/// One admitted connection; leaves the registry when dropped.
pub(crate) struct Session {
    registry: Registry,
    id: String,
    number: u64,
    was_cut: watch::Receiver<bool>,
}

impl Session {
    /// The secondary, by its certificate.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Waits until the secondary is revoked or this connection replaced. Cancel safe.
    pub(crate) async fn cut(&self) {
        let mut was_cut = self.was_cut.clone();
        // An error means that the registry no longer has this session: cut as well.
        let _ = was_cut.wait_for(|cut| *cut).await;
    }

    /// Notes a heartbeat that came at `now_ms`.
    pub(crate) fn heartbeat(&self, beat: &Heartbeat, now_ms: u64) {
        let mut inner = self.registry.lock();
        let Some(secondary) = inner.secondaries.get_mut(&self.id) else { return };
        let peer = &mut secondary.peer;
        peer.last_heartbeat_ms = now_ms;
        peer.applied = beat.lsn.0;
        if beat.echo_ms != 0 {
            peer.round_trip_ms = now_ms.saturating_sub(beat.echo_ms).saturating_sub(beat.held_ms);
        }
        peer.skew_ms = skew(beat.clock_ms, now_ms, peer.round_trip_ms);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut inner = self.registry.lock();
        let Some(secondary) = inner.secondaries.get_mut(&self.id) else { return };
        secondary.live.retain(|l| l.number != self.number);
        secondary.peer.connected = secondary.live.iter().any(|l| l.purpose == Purpose::Stream);
    }
}

/// The peer's clock minus ours, milliseconds, given its reading that came `now_ms`.
pub(crate) fn skew(theirs_ms: u64, now_ms: u64, round_trip_ms: u64) -> i64 {
    let theirs = i64::try_from(theirs_ms).unwrap_or(i64::MAX);
    let now = i64::try_from(now_ms).unwrap_or(i64::MAX);
    let half = i64::try_from(round_trip_ms / 2).unwrap_or(0);
    theirs.saturating_add(half).saturating_sub(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(id: &str, purpose: Purpose) -> Hello {
        Hello {
            purpose,
            secondary_id: id.into(),
            node_id: [1; 16],
            api_addr: "https://s:8200".into(),
            cluster_addr: String::new(),
            clock_ms: 0,
        }
    }

    #[tokio::test]
    async fn only_the_current_certificate_connects_and_revocation_cuts_at_once() {
        let registry = Registry::default();
        registry.admit("eu", "old");
        registry.admit("eu", "new");
        assert!(registry.connect("old", &hello("eu", Purpose::Stream)).is_none());
        assert!(registry.connect("new", &hello("us", Purpose::Stream)).is_none());
        let session = registry.connect("new", &hello("eu", Purpose::Stream)).unwrap();
        assert!(registry.peers()[0].1.connected);
        registry.revoke("eu");
        session.cut().await;
        drop(session);
        assert!(registry.connect("new", &hello("eu", Purpose::Stream)).is_none());
        assert!(registry.peers().is_empty());
    }

    #[tokio::test]
    async fn a_new_certificate_and_a_third_connection_cut_the_old_ones() {
        let registry = Registry::default();
        registry.admit("eu", "a");
        let first = registry.connect("a", &hello("eu", Purpose::Stream)).unwrap();
        let second = registry.connect("a", &hello("eu", Purpose::Stream)).unwrap();
        let third = registry.connect("a", &hello("eu", Purpose::Stream)).unwrap();
        first.cut().await;
        drop(first);
        assert!(registry.peers()[0].1.connected);
        registry.admit("eu", "b");
        second.cut().await;
        third.cut().await;
    }
}
