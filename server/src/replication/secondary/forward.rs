//! Hands calls to the primary over one connection, many at a time.
//!
//! A call that may have reached the primary is never sent again: if the connection breaks before its
//! answer, the caller is told that it cannot be known whether it was done. Only a call that is known
//! not to have left is sent over the next connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use strongroom_storage::{Digest, Lsn};
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};
use zeroize::Zeroizing;

use super::connect::{ConnectError, Link};
use crate::cluster::ops::{ForwardReply, ForwardRequest};
use crate::logical::ApiError;
use crate::replication::beat::Beat;
use crate::replication::beat::HEARTBEAT;
use crate::replication::wire::{Connection, FRAME_MAX, Forwarded, Message, Purpose};

/// Calls waiting to be sent, at most; more wait for room.
const QUEUE: usize = 256;
/// A call is given up after this; the primary may still do it.
const ANSWER_WAIT: Duration = Duration::from_secs(90);
/// After a failed attempt to connect, calls fail at once for this long.
const FAILED_KEEP: Duration = Duration::from_millis(200);
/// Longest call, bytes.
const CALL_MAX: usize = FRAME_MAX - 1024;

/// Why there is no answer of the primary.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ForwardError {
    /// Nothing was sent.
    #[error("the primary cannot be reached, nothing was changed: {0}")]
    Unreachable(String),
    /// Sent, and the connection broke.
    #[error(
        "the connection to the primary was lost before its answer; \
         the request may or may not have been done"
    )]
    Lost,
    /// Sent, and no answer in time.
    #[error(
        "the primary did not answer within {} s; the request may or may not have been done",
        ANSWER_WAIT.as_secs()
    )]
    Slow,
    /// Cannot cross.
    #[error("the request is too long to be forwarded")]
    TooLong,
    /// The answer is not understood: other versions on the two clusters.
    #[error("the primary's answer is not understood; the request may have been done")]
    Answer,
}

impl From<ForwardError> for ApiError {
    fn from(e: ForwardError) -> Self {
        let status = match e {
            ForwardError::Unreachable(_) => 503,
            ForwardError::TooLong => 413,
            ForwardError::Lost | ForwardError::Slow | ForwardError::Answer => 502,
        };
        Self::new(status, e.to_string())
    }
}

/// What comes of a call that was handed to a connection.
enum Fate {
    Answered(Forwarded),
    /// The connection ended before the call left.
    NotSent,
}

struct Outgoing {
    json: Zeroizing<Vec<u8>>,
    body: Zeroizing<Vec<u8>>,
    fate: oneshot::Sender<Fate>,
}

type Pending = Arc<Mutex<HashMap<u64, oneshot::Sender<Fate>>>>;

#[derive(Default)]
struct Line {
    calls: Option<mpsc::Sender<Outgoing>>,
    failed: Option<(Instant, String)>,
}

/// See the module's text.
pub(crate) struct Forwarder {
    link: Arc<Link>,
    line: AsyncMutex<Line>,
}

impl Forwarder {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self { link, line: AsyncMutex::default() }
    }

    /// Has the primary run a call. Dropping the future does not take a sent call back.
    pub(crate) async fn call(
        &self,
        mut request: ForwardRequest,
    ) -> Result<ForwardReply, ForwardError> {
        // The token stays in this cluster, even its hash.
        request.caller.token_id.clear();
        let body = std::mem::take(&mut request.body);
        let json = serde_json::to_vec(&request).map_err(|_| ForwardError::Answer)?;
        let json = Zeroizing::new(json);
        let body = Zeroizing::new(body.to_vec());
        if json.len() + body.len() > CALL_MAX {
            return Err(ForwardError::TooLong);
        }
        match self.attempt(json.clone(), body.clone()).await? {
            Fate::Answered(answer) => decode(&answer),
            Fate::NotSent => match self.attempt(json, body).await? {
                Fate::Answered(answer) => decode(&answer),
                Fate::NotSent => {
                    Err(ForwardError::Unreachable("the connection was lost".to_owned()))
                }
            },
        }
    }

    async fn attempt(
        &self,
        json: Zeroizing<Vec<u8>>,
        body: Zeroizing<Vec<u8>>,
    ) -> Result<Fate, ForwardError> {
        let calls = self.line().await?;
        let (fate, answer) = oneshot::channel();
        if calls.send(Outgoing { json, body, fate }).await.is_err() {
            return Ok(Fate::NotSent);
        }
        match timeout(ANSWER_WAIT, answer).await {
            Ok(Ok(fate)) => Ok(fate),
            Ok(Err(_)) => Err(ForwardError::Lost),
            Err(_) => Err(ForwardError::Slow),
        }
    }

    /// The open connection, or a new one.
    async fn line(&self) -> Result<mpsc::Sender<Outgoing>, ForwardError> {
        let mut line = self.line.lock().await;
        if let Some(calls) = line.calls.as_ref().filter(|calls| !calls.is_closed()) {
            return Ok(calls.clone());
        }
        if let Some((at, why)) = &line.failed
            && at.elapsed() < FAILED_KEEP
        {
            return Err(ForwardError::Unreachable(why.clone()));
        }
        match self.link.connect(Purpose::Forward).await {
            Ok((connection, _)) => {
                let (calls, outgoing) = mpsc::channel(QUEUE);
                tokio::spawn(carry(connection, outgoing));
                *line = Line { calls: Some(calls.clone()), failed: None };
                Ok(calls)
            }
            Err(e) => {
                let why = unreachable_reason(&e);
                *line = Line { calls: None, failed: Some((Instant::now(), why.clone())) };
                Err(ForwardError::Unreachable(why))
            }
        }
    }
}

fn unreachable_reason(e: &ConnectError) -> String {
    e.to_string()
}

fn decode(answer: &Forwarded) -> Result<ForwardReply, ForwardError> {
    serde_json::from_slice(&answer.json).map_err(|_| ForwardError::Answer)
}

/// Carries calls until the connection ends or nobody wants it any more.
async fn carry(connection: Connection, mut outgoing: mpsc::Receiver<Outgoing>) {
    let Connection { mut reader, mut writer } = connection;
    let pending = Pending::default();
    let beat = Beat::default();
    let read = async {
        loop {
            match reader.next().await {
                Ok(Message::Answer(answer)) => {
                    let waiting = lock(&pending).remove(&answer.id);
                    // A caller that gave up is no longer there.
                    if let Some(fate) = waiting {
                        let _ = fate.send(Fate::Answered(answer));
                    }
                }
                Ok(Message::Heartbeat(heartbeat)) => {
                    beat.came(heartbeat.clock_ms);
                }
                Ok(Message::Refused { text, .. }) => return text,
                Ok(_) => return "unexpected message".to_owned(),
                Err(e) => return e.to_string(),
            }
        }
    };
    let write = async {
        let mut next_id = 0_u64;
        let mut tick = interval(HEARTBEAT);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                call = outgoing.recv() => {
                    let Some(Outgoing { json, body, fate }) = call else {
                        return "no longer needed".to_owned();
                    };
                    // Known as pending before the first byte leaves: from here on it may be done.
                    lock(&pending).insert(next_id, fate);
                    writer.queue(&Message::Call(Forwarded { id: next_id, json, body }));
                    next_id += 1;
                }
                _ = tick.tick() => {
                    lock(&pending).retain(|_, fate| !fate.is_closed());
                    writer.queue(&Message::Heartbeat(beat.next(Lsn(0), Digest([0; 32]))));
                }
            }
            if let Err(e) = writer.flush().await {
                return e.to_string();
            }
        }
    };
    let why = tokio::select! {
        why = read => why,
        why = write => why,
    };
    tracing::debug!("forwarding connection ended: {why}");
    outgoing.close();
    while let Ok(call) = outgoing.try_recv() {
        let _ = call.fate.send(Fate::NotSent);
    }
    // Those pending are dropped with the map: their callers learn that they are lost.
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
