//! Runs calls that a secondary forwards.
//!
//! A call runs in a task of its own that a lost connection does not cancel: what was begun is done
//! once and wholly, and the secondary is told or learns that it cannot know.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{MissedTickBehavior, interval};
use zeroize::Zeroizing;

use super::Primary;
use super::error::SessionError;
use super::registry::Session;
use crate::cluster::ops::{ForwardReply, ForwardRequest};
use crate::logical::ApiError;
use crate::replication::beat::Beat;
use crate::replication::beat::HEARTBEAT;
use crate::replication::wire::{Connection, FRAME_MAX, Forwarded, Message};

/// Calls of one connection that run at the same time, at most; further ones wait on the wire.
const RUNNING_MAX: usize = 256;
/// Answers are sent together up to this, bytes.
const TOGETHER_MAX: u64 = 1 << 20;
/// Longest answer, bytes.
const ANSWER_MAX: usize = FRAME_MAX - 1024;

/// Serves a forwarding connection.
pub(crate) async fn serve(
    primary: &Arc<Primary>,
    connection: &mut Connection,
    session: &Session,
) -> Result<(), SessionError> {
    let running = Arc::new(Semaphore::new(RUNNING_MAX));
    let (answers, mut answered) = mpsc::channel(RUNNING_MAX);
    let beat = Beat::default();
    let Connection { reader, writer } = connection;
    let read = async {
        loop {
            match reader.next().await? {
                Message::Heartbeat(heartbeat) => {
                    beat.came(heartbeat.clock_ms);
                }
                Message::Call(call) => {
                    let permit = Arc::clone(&running).acquire_owned().await;
                    let (id, request) = open(&call, session.id())?;
                    let primary = Arc::clone(primary);
                    let answers = answers.clone();
                    tokio::spawn(async move {
                        let reply = execute(&primary, request).await;
                        // Nobody there any more: the secondary answers its client that it lost us.
                        let _ = answers.send(close(id, &reply)).await;
                        drop(permit);
                    });
                }
                _ => return Err(SessionError::Protocol("only calls come this way")),
            }
        }
    };
    let write = async {
        let mut tick = interval(HEARTBEAT);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some(answer) = answered.recv() => {
                    let mut queued = writer.queue(&Message::Answer(answer));
                    while queued < TOGETHER_MAX
                        && let Ok(more) = answered.try_recv()
                    {
                        queued += writer.queue(&Message::Answer(more));
                    }
                }
                _ = tick.tick() => {
                    let published = *primary.context.store.watch().borrow();
                    let beat = beat.next(published.lsn, published.replicated_root);
                    writer.queue(&Message::Heartbeat(beat));
                }
            }
            writer.flush().await?;
        }
    };
    tokio::select! {
        ended = read => ended,
        ended = write => ended,
    }
}

async fn execute(primary: &Primary, request: ForwardRequest) -> ForwardReply {
    match primary.context.ops.upgrade() {
        Some(ops) => ops.execute(request).await,
        None => ForwardReply {
            result: Err(ApiError::unavailable("the primary is shutting down")),
            lsn: 0,
        },
    }
}

fn open(call: &Forwarded, secondary: &str) -> Result<(u64, ForwardRequest), SessionError> {
    let mut request: ForwardRequest = serde_json::from_slice(&call.json)
        .map_err(|_| SessionError::Protocol("a forwarded call is not understood"))?;
    request.body = Bytes::copy_from_slice(&call.body);
    // Whoever holds the certificate forwards, whatever the call says.
    secondary.clone_into(&mut request.secondary_id);
    Ok((call.id, request))
}

fn close(id: u64, reply: &ForwardReply) -> Forwarded {
    let fail = |text: &str| ForwardReply { result: Err(ApiError::internal(text)), lsn: reply.lsn };
    let json = match serde_json::to_vec(reply) {
        Ok(json) if json.len() <= ANSWER_MAX => json,
        Ok(_) => {
            serde_json::to_vec(&fail("the answer is too long to be forwarded")).unwrap_or_default()
        }
        Err(_) => serde_json::to_vec(&fail("the answer cannot be forwarded")).unwrap_or_default(),
    };
    Forwarded { id, json: Zeroizing::new(json), body: Zeroizing::new(Vec::new()) }
}
