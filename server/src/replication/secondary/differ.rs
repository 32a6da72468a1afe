//! Finds out what differs, by the Merkle index' messages.

use std::collections::BTreeMap;

use strongroom_merkle::reconcile::{Differences, Initiator};
use strongroom_storage::Snapshot;
use tokio::task::spawn_blocking;

use super::reconcile::{SyncError, replicated};
use crate::replication::wire::{Connection, Message};

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
    let mut initiator = Initiator::with_salt(tries, salt);
    loop {
        // Hashing many leaves takes a while: not on a thread that serves requests.
        let (back, request) = spawn_blocking(move || {
            let request = initiator.next_request();
            (initiator, request)
        })
        .await?;
        initiator = back;
        let Some(request) = request else { break };
        connection.writer.send(&Message::Differ(request)).await?;
        let response = match connection.reader.next().await? {
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
    Ok(initiator.finish()?)
}

/// Entries to fetch, as far as they are known.
pub(crate) fn total(differences: &Differences) -> u64 {
    differences.keyspaces.values().map(|d| d.fetch.len() as u64).sum()
}
