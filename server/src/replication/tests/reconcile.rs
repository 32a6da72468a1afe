//! Questions of a reconciliation: asked ahead, answered in many messages, and refused.

use std::collections::BTreeMap;

use strongroom_merkle::reconcile::Initiator;
use strongroom_merkle::{KeyHash, MemPages, Trie, View};
use strongroom_storage::{Class, KeyspaceId, Options};

use super::cluster::{Cluster, level, small};
use super::ops::DATA;
use crate::keyspace::CORE;
use crate::replication::secondary::connect::Link;
use crate::replication::wire::{Connection, HASHES_MAX, Message, Purpose, QUESTIONS_OUT};

/// Their hashes fill more than a message.
const KEYS: usize = 60_000;

/// Puts so many small entries.
async fn fill(cluster: &Cluster, keyspace: KeyspaceId, prefix: &str) {
    for part in 0..10 {
        let mut txn = cluster.store.begin();
        for key in (part..KEYS).step_by(10) {
            txn.put(keyspace, format!("{prefix}/{key}").as_bytes(), b"v".to_vec());
        }
        txn.commit().await.unwrap();
    }
}

async fn reconciling(primary: &Cluster) -> Connection {
    let link = Link::new(&primary.bundle("eu").await, None, None).unwrap();
    let (mut connection, _) = link.connect(Purpose::Reconcile).await.unwrap();
    assert!(matches!(connection.reader.next().await, Ok(Message::Snapshot { .. })));
    connection
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_that_are_asked_ahead_are_answered_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let primary = Cluster::primary(dir.path().join("p"), Options::default()).await;
    fill(&primary, DATA, "key").await;
    let mut connection = reconciling(&primary).await;
    let empty = View::new(Trie::new(), MemPages::<()>::new());
    let mut initiator = Initiator::new(BTreeMap::from([(DATA.0, empty)]));
    let first = initiator.next_request().unwrap();
    connection.writer.send(&Message::Differ(first)).await.unwrap();
    while initiator.unanswered() > 0 {
        let Ok(Message::DifferReply(reply)) = connection.reader.next().await else { panic!() };
        initiator.on_response(&reply).unwrap();
    }
    // Now a long answer, with short ones behind it.
    let lists = initiator.next_request().unwrap();
    connection.writer.send(&Message::Differ(lists)).await.unwrap();
    let hash = |key: usize| KeyHash::of(format!("key/{key}").as_bytes());
    for key in 1..QUESTIONS_OUT {
        let fetch = Message::Fetch { keyspace: DATA, hashes: vec![hash(key)] };
        connection.writer.send(&fetch).await.unwrap();
    }
    let mut replies = 0;
    while initiator.unanswered() > 0 {
        let Ok(Message::DifferReply(reply)) = connection.reader.next().await else { panic!() };
        initiator.on_response(&reply).unwrap();
        replies += 1;
    }
    assert_eq!(replies, 2);
    for key in 1..QUESTIONS_OUT {
        let Ok(Message::Values { entries, last: true }) = connection.reader.next().await else {
            panic!("values")
        };
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].hash, hash(key));
    }
    assert_eq!(initiator.trips(), 2);
    let found = initiator.finish().unwrap();
    assert_eq!((found.keyspaces[&DATA.0].fetch.len(), found.missing_here), (KEYS, vec![CORE.0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_message_of_differences_is_brought_level() {
    let dir = tempfile::tempdir().unwrap();
    let primary = Cluster::primary(dir.path().join("p"), small()).await;
    let keyspaces: Vec<KeyspaceId> = (1..30).map(|no| KeyspaceId([no; 16])).collect();
    for keyspace in &keyspaces {
        primary.create(*keyspace, Class::Replicated).await;
        primary.put(*keyspace, "k", b"old").await;
    }
    let bundle = primary.bundle("eu").await;
    let mut secondary = primary.secondary(dir.path().join("s"), bundle, small()).await;
    secondary.start().await;
    level(&primary, &secondary).await;
    secondary.crash().await;

    fill(&primary, DATA, "new").await;
    for keyspace in &keyspaces {
        primary.put(*keyspace, "k", b"new").await;
        let mut txn = primary.store.begin();
        txn.delete(*keyspace, b"k");
        txn.put(*keyspace, b"other", b"new".to_vec());
        txn.commit().await.unwrap();
    }
    let store = primary.store.clone();
    tokio::task::spawn_blocking(move || store.checkpoint().unwrap()).await.unwrap();

    secondary.start().await;
    level(&primary, &secondary).await;
    assert_eq!(secondary.status()["reconciliations"], 1);
    // Put as they are, past the barrier.
    let get = |keyspace, key: &str| {
        secondary.store.get(keyspace, key.as_bytes()).unwrap().map(|entry| entry.value)
    };
    assert_eq!(get(DATA, "new/59999").as_deref(), Some(&b"v"[..]));
    assert_eq!(get(keyspaces[7], "k"), None);
    assert_eq!(get(keyspaces[7], "other").as_deref(), Some(&b"new"[..]));
}

// Clusters of different versions say so on both sides, and wait for nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_question_is_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let primary = Cluster::primary(dir.path().join("p"), Options::default()).await;
    let hash = KeyHash([0; KeyHash::BYTES]);
    let mut earlier = Initiator::<MemPages<()>>::new(BTreeMap::new()).next_request().unwrap();
    earlier[0] = 2;
    let rows = [
        (Message::Differ(earlier), "message of version 2, this side speaks 3"),
        (Message::Differ(vec![3; (1 << 20) + 1]), "not a question"),
        (Message::Fetch { keyspace: DATA, hashes: vec![hash; HASHES_MAX + 1] }, "not a question"),
        (Message::FetchAll { keyspace: crate::keyspace::NODE }, "not a question"),
        (Message::Accepted, "not a question"),
    ];
    for (question, words) in rows {
        let mut connection = reconciling(&primary).await;
        connection.writer.send(&question).await.unwrap();
        match connection.reader.next().await {
            Ok(Message::Refused { text, .. }) => assert!(text.contains(words), "{text}"),
            other => panic!("{words}: {other:?}"),
        }
    }
    let mut connection = reconciling(&primary).await;
    let most = Message::Fetch { keyspace: DATA, hashes: vec![hash; HASHES_MAX] };
    connection.writer.send(&most).await.unwrap();
    assert!(matches!(connection.reader.next().await, Ok(Message::Values { .. })));
}
