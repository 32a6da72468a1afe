//! Heartbeats of one connection: each carries the other side's last clock back, and how long it lay
//! here, so that both sides know the round trip and how far apart their clocks are.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use strongroom_storage::{Digest, Lsn};

use super::context::clock_ms;
use super::wire::Heartbeat;

/// How often each side shows that it lives.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(1);

/// The last heartbeat that came: the sender's clock, and ours when it came; milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Beat {
    last: Mutex<(u64, u64)>,
}

impl Beat {
    /// Notes that a heartbeat came; answers our clock.
    pub(crate) fn came(&self, their_clock_ms: u64) -> u64 {
        let now = clock_ms();
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = (their_clock_ms, now);
        now
    }

    /// The next one to send.
    pub(crate) fn next(&self, lsn: Lsn, root: Digest) -> Heartbeat {
        let (echo_ms, came_ms) = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock_ms();
        let held_ms = if echo_ms == 0 { 0 } else { now.saturating_sub(came_ms) };
        Heartbeat { lsn, root, clock_ms: now, echo_ms, held_ms }
    }
}
