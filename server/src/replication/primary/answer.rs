//! One answer of a reconciliation, made on a thread of its own a little ahead of the network.

use std::sync::Arc;

use strongroom_merkle::KeyHash;
use strongroom_merkle::reconcile::{MAX_MESSAGE_BYTES, ReconcileError, Responder};
use strongroom_storage::{Class, IndexPages, KeyValue, KeyspaceId, ReadError, Snapshot};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use super::error::SessionError;
use crate::replication::wire::{Fetched, HASHES_MAX, Message};

/// An entry by the hash of its key; without one where there is none.
type Found = Result<(KeyHash, Option<KeyValue>), ReadError>;

/// Values sent in one message, about, bytes.
const PART: usize = 1 << 20;
/// Messages that are made ahead of the network.
const AHEAD: usize = 2;

/// What answers are made from.
#[derive(Clone)]
pub(super) struct Source {
    snapshot: Snapshot,
    /// The replicated ones.
    keyspaces: Arc<[KeyspaceId]>,
    responder: Arc<Responder<IndexPages>>,
}

/// The messages of an answer.
pub(super) struct Answer {
    messages: mpsc::Receiver<Message>,
    making: JoinHandle<Result<(), SessionError>>,
}

impl Source {
    pub(super) fn new(snapshot: Snapshot) -> Self {
        let keyspaces: Arc<[KeyspaceId]> = snapshot
            .keyspaces()
            .into_iter()
            .filter(|(_, class)| *class == Class::Replicated)
            .map(|(id, _)| id)
            .collect();
        let tries =
            keyspaces.iter().filter_map(|id| snapshot.trie(*id).map(|t| (id.0, t))).collect();
        Self { snapshot, keyspaces, responder: Arc::new(Responder::new(tries)) }
    }

    /// Whether it is a question that may be asked here, and short enough to wait its turn.
    pub(super) fn check(&self, question: &Message) -> Result<(), SessionError> {
        let fits = match question {
            Message::Differ(request) => request.len() <= MAX_MESSAGE_BYTES,
            Message::Fetch { keyspace, hashes } => {
                hashes.len() <= HASHES_MAX && self.keyspaces.contains(keyspace)
            }
            Message::FetchAll { keyspace } => self.keyspaces.contains(keyspace),
            _ => false,
        };
        if fits {
            Ok(())
        } else {
            Err(SessionError::Protocol("not a question of a reconciliation"))
        }
    }

    /// Begins to answer a question.
    pub(super) fn answer(&self, question: Message) -> Answer {
        let source = self.clone();
        let (ready, messages) = mpsc::channel(AHEAD);
        Answer { messages, making: spawn_blocking(move || source.make(question, &ready)) }
    }

    /// Makes messages; ends early when nobody takes them any more.
    fn make(&self, question: Message, ready: &mpsc::Sender<Message>) -> Result<(), SessionError> {
        match question {
            Message::Differ(request) => self.compare(&request, ready).map_err(failed),
            Message::Fetch { keyspace, hashes } => {
                let found = |hash| Ok((hash, self.snapshot.get_by_hash(keyspace, &hash)?));
                send(hashes.into_iter().map(found), ready).map_err(failed)
            }
            Message::FetchAll { keyspace } => {
                let whole = |entry: KeyValue| (KeyHash::of(&entry.0), Some(entry));
                let entries = self.snapshot.entries(keyspace);
                send(entries.map(|entry| entry.map(whole)), ready).map_err(failed)
            }
            _ => Err(SessionError::Protocol("not a question of a reconciliation")),
        }
    }

    fn compare(&self, request: &[u8], ready: &mpsc::Sender<Message>) -> Result<(), ReconcileError> {
        for response in self.responder.answer(request)? {
            if ready.blocking_send(Message::DifferReply(response?)).is_err() {
                break;
            }
        }
        Ok(())
    }
}

impl Answer {
    /// The next message; `None` after the last. Cancel safe.
    pub(super) async fn next(&mut self) -> Result<Option<Message>, SessionError> {
        match self.messages.recv().await {
            Some(message) => Ok(Some(message)),
            None => (&mut self.making).await.map_err(failed)?.map(|()| None),
        }
    }
}

/// Puts entries into messages.
fn send(
    found: impl Iterator<Item = Found>,
    ready: &mpsc::Sender<Message>,
) -> Result<(), ReadError> {
    let mut entries = Vec::new();
    let mut weight = 0;
    for found in found {
        let (hash, entry) = found?;
        weight += entry.as_ref().map_or(0, |(key, value)| key.len() + value.len()) + 41;
        entries.push(Fetched { hash, entry });
        if weight >= PART {
            weight = 0;
            let part = Message::Values { entries: std::mem::take(&mut entries), last: false };
            if ready.blocking_send(part).is_err() {
                return Ok(());
            }
        }
    }
    let _ = ready.blocking_send(Message::Values { entries, last: true });
    Ok(())
}

fn failed(error: impl std::fmt::Display) -> SessionError {
    SessionError::Failed(error.to_string())
}
