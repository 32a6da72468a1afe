//! Finds out what differs, by the Merkle index' messages.

use std::collections::BTreeMap;

use strongroom_merkle::reconcile::{Differences, Initiator};
use strongroom_storage::{IndexPages, Snapshot};
use tokio::io::AsyncRead;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::ahead;
use super::reconcile::{SyncError, replicated};
use crate::replication::wire::{Connection, FrameReader, Message, QUESTIONS_OUT};

/// Asks until everything is known.
pub(crate) async fn run(
    connection: &mut Connection,
    here: &Snapshot,
) -> Result<Differences, SyncError> {
    let tries: BTreeMap<_, _> = replicated(here)
        .into_iter()
        .filter_map(|id| here.trie(id).map(|trie| (id.0, trie)))
        .collect();
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|_| SyncError::Random)?;
    let initiator = Initiator::with_salt(tries, salt);
    let Connection { reader, writer } = connection;
    let (asking, questions) = mpsc::channel(QUESTIONS_OUT);
    ahead::ask(writer, questions, compare(initiator, asking, reader)).await
}

async fn compare(
    mut initiator: Initiator<IndexPages>,
    questions: mpsc::Sender<Message>,
    reader: &mut FrameReader<impl AsyncRead + Unpin>,
) -> Result<Differences, SyncError> {
    loop {
        // Hashing many leaves takes a while: not on a thread that serves requests.
        let (back, requests) = spawn_blocking(move || {
            let room = QUESTIONS_OUT - initiator.unanswered();
            let next = std::iter::from_fn(|| initiator.next_request());
            let requests: Vec<_> = next.take(room).collect();
            (initiator, requests)
        })
        .await?;
        initiator = back;
        for request in requests {
            // When it fails nobody writes any more, and reading says why.
            let _ = questions.send(Message::Differ(request)).await;
        }
        if initiator.unanswered() == 0 {
            return Ok(spawn_blocking(move || initiator.finish()).await??);
        }
        let response = match reader.next().await? {
            Message::DifferReply(response) => response,
            Message::Refused { text, .. } => return Err(SyncError::Refused(text)),
            _ => return Err(SyncError::Protocol("no comparison")),
        };
        let (back, taken) = spawn_blocking(move || {
            let taken = initiator.on_response(&response);
            (initiator, taken)
        })
        .await?;
        taken?;
        initiator = back;
    }
}

/// Entries to fetch, as far as they are known.
pub(crate) fn total(differences: &Differences) -> u64 {
    differences.keyspaces.values().map(|d| d.fetch.len() as u64).sum()
}
