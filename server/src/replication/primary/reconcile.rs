//! Answers a secondary that reconciles, from one pinned snapshot.
//!
//! The snapshot pins the log and the values in it, so it is held for a bounded time only. The
//! secondary keeps this connection open until its stream from the snapshot's position was accepted.
//!
//! Questions are answered in their order, each in as many messages as it takes. Between those
//! messages further questions are taken in: a secondary that asks ahead is not kept from writing by
//! an answer that takes long.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::timeout;

use super::Primary;
use super::answer::{Answer, Source};
use super::error::SessionError;
use crate::replication::wire::{
    Connection, Message, QUESTIONS_OUT, SNAPSHOT_PATIENCE, TransportError,
};

/// A reconciliation takes at most this long.
const HELD_MAX: Duration = Duration::from_hours(1);
/// Reconciliations at a time; each pins a snapshot.
pub(super) const RUNNING_MAX: usize = 16;

/// Serves a reconciliation.
pub(crate) async fn serve(
    primary: &Primary,
    connection: &mut Connection,
) -> Result<(), SessionError> {
    let Ok(_running) = primary.reconciling.try_acquire() else {
        return Err(SessionError::Failed("too many reconciliations at a time".to_owned()));
    };
    connection.reader.be_patient(SNAPSHOT_PATIENCE);
    let snapshot = primary.context.store.snapshot();
    let pinned = Message::Snapshot { lsn: snapshot.lsn(), root: snapshot.replicated_root() };
    connection.writer.send(&pinned).await?;
    timeout(HELD_MAX, answer(&Source::new(snapshot), connection))
        .await
        .unwrap_or(Err(SessionError::Stalled(HELD_MAX.as_secs())))
}

async fn answer(source: &Source, connection: &mut Connection) -> Result<(), SessionError> {
    let Connection { reader, writer } = connection;
    let mut waiting = VecDeque::new();
    let mut current: Option<Answer> = None;
    loop {
        if current.is_none()
            && let Some(question) = waiting.pop_front()
        {
            current = Some(source.answer(question));
        }
        tokio::select! {
            question = reader.next(), if waiting.len() < QUESTIONS_OUT => match question {
                // It may be silent for as long as it waits for an answer.
                Err(TransportError::Silent(_)) if current.is_some() => {}
                question => {
                    let question = question?;
                    source.check(&question)?;
                    waiting.push_back(question);
                }
            },
            message = next(&mut current) => match message? {
                Some(message) => writer.send(&message).await?,
                None => current = None,
            },
        }
    }
}

/// The next message of the answer that is being given; pending while there is none. Cancel safe.
async fn next(current: &mut Option<Answer>) -> Result<Option<Message>, SessionError> {
    match current {
        Some(answer) => answer.next().await,
        None => std::future::pending().await,
    }
}
