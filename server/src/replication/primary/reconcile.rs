//! Answers a secondary that reconciles, from one pinned snapshot.
//!
//! The snapshot pins the log and the values in it, so it is held for a bounded time only. The
//! secondary keeps this connection open until its stream from the snapshot's position was accepted.

use std::time::Duration;

use strongroom_merkle::KeyHash;
use strongroom_merkle::reconcile::Responder;
use strongroom_storage::{Class, KeyValue, KeyspaceId, ReadError, Snapshot};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::Primary;
use super::error::SessionError;
use crate::replication::wire::{Connection, Fetched, Message, SNAPSHOT_PATIENCE};

/// An entry by the hash of its key; without one where there is none.
type Found = Result<(KeyHash, Option<KeyValue>), ReadError>;

/// A reconciliation takes at most this long.
const HELD_MAX: Duration = Duration::from_hours(1);
/// Reconciliations at a time; each pins a snapshot.
pub(super) const RUNNING_MAX: usize = 16;
/// Values sent in one message, about, bytes.
const PART: usize = 1 << 20;
/// Messages of values that are read ahead of the network.
const AHEAD: usize = 2;

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
    timeout(HELD_MAX, answer(&snapshot, connection))
        .await
        .unwrap_or(Err(SessionError::Stalled(HELD_MAX.as_secs())))
}

async fn answer(snapshot: &Snapshot, connection: &mut Connection) -> Result<(), SessionError> {
    let keyspaces: Vec<KeyspaceId> = snapshot
        .keyspaces()
        .into_iter()
        .filter(|(_, class)| *class == Class::Replicated)
        .map(|(id, _)| id)
        .collect();
    let tries = keyspaces.iter().filter_map(|id| snapshot.trie(*id).map(|t| (id.0, t))).collect();
    let mut responder = Responder::new(tries);
    let pinned = Message::Snapshot { lsn: snapshot.lsn(), root: snapshot.replicated_root() };
    connection.writer.send(&pinned).await?;
    loop {
        match connection.reader.next().await? {
            Message::Differ(request) => {
                let (back, response) = blocking(move || {
                    let response = responder.answer(&request);
                    (responder, response)
                })
                .await?;
                responder = back;
                let response = response.map_err(|e| SessionError::Failed(e.to_string()))?;
                connection.writer.send(&Message::DifferReply(response)).await?;
            }
            Message::Fetch { keyspace, hashes } if keyspaces.contains(&keyspace) => {
                send(snapshot, keyspace, Some(hashes), connection).await?;
            }
            Message::FetchAll { keyspace } if keyspaces.contains(&keyspace) => {
                send(snapshot, keyspace, None, connection).await?;
            }
            _ => return Err(SessionError::Protocol("not a question of a reconciliation")),
        }
    }
}

/// Sends entries by hash, or all of a keyspace.
async fn send(
    snapshot: &Snapshot,
    keyspace: KeyspaceId,
    hashes: Option<Vec<KeyHash>>,
    connection: &mut Connection,
) -> Result<(), SessionError> {
    let (parts, mut ready) = mpsc::channel(AHEAD);
    let snapshot = snapshot.clone();
    let reading = spawn_blocking(move || read(&snapshot, keyspace, hashes, &parts));
    while let Some(part) = ready.recv().await {
        connection.writer.send(&part).await?;
    }
    reading
        .await
        .map_err(|e| SessionError::Failed(e.to_string()))?
        .map_err(|e| SessionError::Failed(e.to_string()))
}

/// Reads entries into messages; ends early when nobody takes them any more.
fn read(
    snapshot: &Snapshot,
    keyspace: KeyspaceId,
    hashes: Option<Vec<KeyHash>>,
    parts: &mpsc::Sender<Message>,
) -> Result<(), ReadError> {
    let asked = |hash: KeyHash| Ok((hash, snapshot.get_by_hash(keyspace, &hash)?));
    let whole = |entry: Result<KeyValue, ReadError>| {
        entry.map(|entry| (KeyHash::of(&entry.0), Some(entry)))
    };
    let found: Box<dyn Iterator<Item = Found>> = match hashes {
        Some(hashes) => Box::new(hashes.into_iter().map(asked)),
        None => Box::new(snapshot.entries(keyspace).map(whole)),
    };
    let mut entries = Vec::new();
    let mut weight = 0;
    for found in found {
        let (hash, entry) = found?;
        weight += entry.as_ref().map_or(0, |(key, value)| key.len() + value.len()) + 41;
        entries.push(Fetched { hash, entry });
        if weight >= PART {
            weight = 0;
            let part = Message::Values { entries: std::mem::take(&mut entries), last: false };
            if parts.blocking_send(part).is_err() {
                return Ok(());
            }
        }
    }
    let _ = parts.blocking_send(Message::Values { entries, last: true });
    Ok(())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, SessionError> {
    spawn_blocking(work).await.map_err(|e| SessionError::Failed(e.to_string()))
}
