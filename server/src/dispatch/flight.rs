//! Requests in flight: who asks for what, and since when.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use uuid::Uuid;

use super::Request;
use crate::logical::Operation;

/// So that requests seldom wait for each other here.
const SHARDS: usize = 16;

/// All requests in flight of a cluster.
#[derive(Default)]
pub struct Flights([Mutex<HashMap<Uuid, Flight>>; SHARDS]);

/// One request in flight.
#[derive(Debug, Clone)]
pub struct Flight {
    /// Without `/v1/`.
    pub path: String,
    /// The verb.
    pub op: Operation,
    /// The peer.
    pub remote: Option<SocketAddr>,
    /// When it came.
    pub since: SystemTime,
}

/// Keeps a request in the list until it is dropped.
pub(super) struct InFlight<'f> {
    flights: &'f Flights,
    id: Uuid,
    /// When it was taken up.
    pub(super) began: Instant,
}

impl Flights {
    fn shard(&self, id: Uuid) -> MutexGuard<'_, HashMap<Uuid, Flight>> {
        let at = usize::from(id.as_bytes()[0]) % SHARDS;
        self.0[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a request on the list.
    pub(super) fn enter(&self, request: &Request) -> InFlight<'_> {
        let flight = Flight {
            path: request.path.clone(),
            op: request.op,
            remote: request.remote,
            since: request.now,
        };
        self.shard(request.id).insert(request.id, flight);
        InFlight { flights: self, id: request.id, began: Instant::now() }
    }

    /// The list now.
    pub fn all(&self) -> Vec<(Uuid, Flight)> {
        let shards = self.0.iter().map(|s| s.lock().unwrap_or_else(PoisonError::into_inner));
        shards.flat_map(|s| s.iter().map(|(id, f)| (*id, f.clone())).collect::<Vec<_>>()).collect()
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.flights.shard(self.id).remove(&self.id);
    }
}
