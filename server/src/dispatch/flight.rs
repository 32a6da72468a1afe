//! Requests in flight: who asks for what, and since when.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use uuid::Uuid;

use super::Request;
use crate::logical::Operation;
use crate::telemetry::Lanes;

/// All requests in flight of a cluster, each on the list of the thread that took it up.
#[derive(Default)]
pub struct Flights(Lanes<Mutex<List>>);

/// Requests by seats, which are taken again once they are free.
#[derive(Default)]
struct List {
    seats: Vec<Option<(Uuid, Flight)>>,
    free: Vec<usize>,
}

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
    place: usize,
    seat: usize,
    /// When it was taken up.
    pub(super) began: Instant,
}

impl Flights {
    /// Puts a request on the list.
    pub(super) fn enter(&self, request: &Request) -> InFlight<'_> {
        let flight = Flight {
            path: request.path.clone(),
            op: request.op,
            remote: request.remote,
            since: request.now,
        };
        let (place, mine) = self.0.mine();
        let seat = lock(mine).sit((request.id, flight));
        InFlight { flights: self, place, seat, began: Instant::now() }
    }

    /// The list now.
    pub fn all(&self) -> Vec<(Uuid, Flight)> {
        self.0.iter().flat_map(|list| lock(list).seats.clone()).flatten().collect()
    }
}

impl List {
    fn sit(&mut self, flight: (Uuid, Flight)) -> usize {
        if let Some(seat) = self.free.pop() {
            self.seats[seat] = Some(flight);
            return seat;
        }
        self.seats.push(Some(flight));
        self.seats.len() - 1
    }

    fn rise(&mut self, seat: usize) -> Option<(Uuid, Flight)> {
        let flight = self.seats.get_mut(seat)?.take();
        self.free.push(seat);
        flight
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let ended = lock(self.flights.0.at(self.place)).rise(self.seat);
        drop(ended);
    }
}

fn lock(of: &Mutex<List>) -> MutexGuard<'_, List> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
