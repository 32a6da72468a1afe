//! The secondary's side: keeps a live copy of the primary's data and hands writes to it.
//!
//! Stream from the stored cursor if the primary still has the log from there and the roots agree;
//! otherwise reconcile by the Merkle index, then stream. Whatever fails is tried again, with pauses.

mod ahead;
mod apply;
mod backoff;
mod batch;
pub(super) mod connect;
mod differ;
mod fetch;
mod forward;
mod guard;
mod reconcile;
pub(super) mod standing;
mod stream;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use strongroom_storage::Lsn;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::context::ReplicationContext;
use super::state::{CURSOR_KEY, Cursor, SecondaryState};
use super::wire::{Connection, Message, Purpose, Reconcile, Start, TransportError};
use crate::barrier::ViewError;
use apply::{Applier, ApplyError};
use backoff::Backoff;
use connect::{ConnectError, Link};
use forward::Forwarder;
use reconcile::SyncError;
use standing::{Phase, Reach, Standing};
use stream::StreamEnd;

/// Reconciliations in a row without a pause; more means that something is wrong.
const SYNCS_IN_A_ROW: u32 = 2;
/// A stream that lasted longer ends the row.
const IN_A_ROW: Duration = Duration::from_secs(10);

/// Why a secondary does not follow its primary right now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FollowError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Stream(#[from] StreamEnd),
    #[error(transparent)]
    Sync(#[from] SyncError),
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error("the replication cursor cannot be read: {0}")]
    Cursor(#[from] ViewError),
    /// The log went away while this secondary reconciled.
    #[error(
        "cannot keep up: the primary changed more during a reconciliation than its log keeps; \
         raise its log retention or lower its write rate"
    )]
    CannotKeepUp,
    /// Reconciled, and differs again at once.
    #[error("the roots differ again right after a reconciliation")]
    Unstable,
}

/// A running secondary.
pub(crate) struct Secondary {
    pub(crate) context: Arc<ReplicationContext>,
    pub(crate) state: SecondaryState,
    pub(crate) forwarder: Forwarder,
    link: Arc<Link>,
    /// Everything of the primary's log up to there is here.
    pub(crate) applied: watch::Sender<Lsn>,
    ready: AtomicBool,
    standing: Mutex<Standing>,
}

impl Secondary {
    /// Starts following. The task ends when `stop` becomes true.
    pub(crate) fn start(
        context: &Arc<ReplicationContext>,
        state: SecondaryState,
        stop: watch::Receiver<bool>,
    ) -> Result<(Arc<Self>, JoinHandle<()>), FollowError> {
        let link = Arc::new(Link::new(
            &state.bundle,
            context.api_addr.as_deref(),
            context.cluster_addr.as_deref(),
        )?);
        let cursor: Option<Cursor> = context.node_entry(CURSOR_KEY)?;
        let secondary = Arc::new(Self {
            context: Arc::clone(context),
            state,
            forwarder: Forwarder::new(Arc::clone(&link)),
            link,
            applied: watch::channel(cursor.map_or(Lsn(0), |c| c.lsn)).0,
            ready: AtomicBool::new(cursor.is_some()),
            standing: Mutex::default(),
        });
        let task = tokio::spawn(Arc::clone(&secondary).run(stop));
        Ok((secondary, task))
    }

    /// Was level with the primary at least once, so that what is here may be read.
    pub(crate) fn ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Waits at most `limit` until everything of the primary's log up to `lsn` is here.
    pub(crate) async fn reached(&self, lsn: Lsn, limit: Duration) -> bool {
        let mut applied = self.applied.subscribe();
        let waited = timeout(limit, applied.wait_for(|applied| *applied >= lsn)).await;
        matches!(waited, Ok(Ok(_)))
    }

    /// How it stands.
    pub(crate) fn standing(&self) -> Standing {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, change: impl FnOnce(&mut Standing)) {
        change(&mut self.standing.lock().unwrap_or_else(PoisonError::into_inner));
    }

    async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut backoff = Backoff::new();
        let mut stopped = stop.clone();
        loop {
            let ended = self.follow(&mut stop, &mut backoff).await;
            match ended {
                FollowError::Stream(StreamEnd::Stopped) => return,
                e => {
                    tracing::warn!("replication: {e}");
                    self.note(|s| s.fail(e.to_string()));
                }
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.pause()) => {}
                _ = stopped.wait_for(|stop| *stop) => return,
            }
            self.note(|s| s.reach = Reach::Connecting);
        }
    }

    /// Streams and reconciles until something goes wrong or this cluster stops.
    async fn follow(&self, stop: &mut watch::Receiver<bool>, backoff: &mut Backoff) -> FollowError {
        let mut syncs = 0;
        let mut trusted = true;
        loop {
            let (cursor, held) = match self.usable_cursor() {
                Err(e) => return e.into(),
                Ok(Some(cursor)) if trusted => (cursor, None),
                Ok(_) => match self.sync(stop).await {
                    Ok((cursor, held)) => (cursor, Some(held)),
                    Err(e) => return e,
                },
            };
            let began = Instant::now();
            match self.stream(cursor, held, stop).await {
                Ok(why) => {
                    tracing::info!("replication: reconciling: {why}");
                    trusted = false;
                    syncs = if began.elapsed() > IN_A_ROW { 1 } else { syncs + 1 };
                    if syncs > SYNCS_IN_A_ROW {
                        return FollowError::Unstable;
                    }
                }
                Err(e) => {
                    if matches!(e, FollowError::Stream(StreamEnd::Transport(_))) {
                        backoff.reset();
                    }
                    return e;
                }
            }
        }
    }

    /// The stored cursor, unless the data is known to differ from what it speaks of.
    fn usable_cursor(&self) -> Result<Option<Cursor>, ViewError> {
        let cursor: Option<Cursor> = self.context.node_entry(CURSOR_KEY)?;
        let root = self.context.root();
        Ok(cursor.filter(|c| c.root.is_none_or(|expected| expected == root)))
    }

    async fn sync(
        &self,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(Cursor, Connection), FollowError> {
        tokio::select! {
            synced = reconcile::run(self) => {
                let synced = synced?;
                self.ready.store(true, Ordering::Release);
                self.applied.send_replace(synced.0.lsn);
                self.note(|s| s.reconciliations += 1);
                Ok(synced)
            }
            _ = stop.wait_for(|stop| *stop) => Err(StreamEnd::Stopped.into()),
        }
    }

    /// Streams from `cursor`. `held` is the connection of the reconciliation just done: it pins the
    /// primary's log until the stream is accepted. Answers why a reconciliation is needed.
    async fn stream(
        &self,
        cursor: Cursor,
        held: Option<Connection>,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<String, FollowError> {
        let connected = tokio::select! {
            connected = self.link.connect(Purpose::Stream) => connected?,
            _ = stop.wait_for(|stop| *stop) => return Err(StreamEnd::Stopped.into()),
        };
        let (mut connection, welcome) = connected;
        if welcome.log_id != cursor.log_id {
            return Ok("the primary has another log".to_owned());
        }
        let applier = Applier::new(&self.context, cursor);
        let start = Start { log_id: cursor.log_id, lsn: cursor.lsn, root: self.context.root() };
        connection.writer.send(&Message::Start(start)).await?;
        match connection.reader.next().await? {
            Message::Accepted => {}
            Message::NeedReconcile(Reconcile::Behind) if held.is_some() => {
                return Err(FollowError::CannotKeepUp);
            }
            Message::NeedReconcile(why) => return Ok(format!("{why:?}")),
            Message::Refused { text, .. } => return Err(StreamEnd::Refused(text).into()),
            _ => return Err(StreamEnd::Protocol("no answer to a start").into()),
        }
        drop(held);
        self.note(|s| s.enter(Phase::Stream));
        let ended = stream::follow(self, &mut connection, applier, stop).await;
        match ended {
            StreamEnd::Reconcile(why) => Ok(format!("{why:?}")),
            StreamEnd::Apply(e @ (ApplyError::Diverged(_) | ApplyError::Misfit(_))) => {
                Ok(e.to_string())
            }
            other => Err(other.into()),
        }
    }
}
