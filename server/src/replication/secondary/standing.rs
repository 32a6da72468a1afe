//! How a secondary stands, for the status and for people.

use crate::replication::primary::registry::skew;
use crate::replication::wire::Heartbeat;

/// What a secondary is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Phase {
    /// Not connected.
    #[default]
    Idle,
    /// Applies changes as they come.
    Stream,
    /// Finds out what differs from the primary.
    Diff,
    /// Fetches what differs.
    Sync,
}

impl Phase {
    /// As the status shows it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Stream => "stream-wals",
            Self::Diff => "merkle-diff",
            Self::Sync => "merkle-sync",
        }
    }
}

/// The connection to the primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Reach {
    #[default]
    Connecting,
    Ready,
    Failed,
}

impl Reach {
    /// As the status shows it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Ready => "ready",
            Self::Failed => "transient_failure",
        }
    }
}

/// See the module's text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing {
    pub(crate) phase: Phase,
    pub(crate) reach: Reach,
    /// Why it is not streaming, if something is wrong.
    pub(crate) error: Option<String>,
    /// The primary's position when it last said so.
    pub(crate) primary_lsn: u64,
    /// Milliseconds since the epoch; 0 before the first.
    pub(crate) last_heartbeat_ms: u64,
    /// Milliseconds.
    pub(crate) round_trip_ms: u64,
    /// The primary's clock minus ours, milliseconds.
    pub(crate) skew_ms: i64,
    /// Entries fetched, of how many, while syncing.
    pub(crate) sync: Option<(u64, u64)>,
    /// Reconciliations since the start.
    pub(crate) reconciliations: u64,
}

impl Standing {
    /// Notes a heartbeat of the primary that came at `now_ms`.
    pub(crate) fn heartbeat(&mut self, beat: &Heartbeat, now_ms: u64) {
        self.primary_lsn = self.primary_lsn.max(beat.lsn.0);
        self.last_heartbeat_ms = now_ms;
        if beat.echo_ms != 0 {
            self.round_trip_ms = now_ms.saturating_sub(beat.echo_ms).saturating_sub(beat.held_ms);
        }
        self.skew_ms = skew(beat.clock_ms, now_ms, self.round_trip_ms);
    }

    /// A phase begun in good order.
    pub(crate) fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.reach = Reach::Ready;
        self.sync = None;
        if phase == Phase::Stream {
            self.error = None;
        }
    }

    /// Something went wrong.
    pub(crate) fn fail(&mut self, error: String) {
        self.phase = Phase::Idle;
        self.reach = Reach::Failed;
        self.sync = None;
        self.error = Some(error);
    }
}
