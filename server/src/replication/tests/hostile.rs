//! Peers that send anything: the other sessions and the server go on.

use std::time::Duration;

use strongroom_merkle::KeyHash;
use strongroom_storage::{Digest, KeyspaceId, Lsn, Options};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::cluster::{Cluster, level};
use super::ops::DATA;
use crate::replication::secondary::connect::Link;
use crate::replication::wire::{Message, Purpose, Start};

#[tokio::test(flavor = "multi_thread")]
async fn garbage_from_strangers_and_from_known_secondaries_harms_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let primary = Cluster::primary(dir.path().join("p"), Options::default()).await;
    let bundle = primary.bundle("good").await;
    let mut secondary = primary.secondary(dir.path().join("s"), bundle, Options::default()).await;
    secondary.start().await;
    level(&primary, &secondary).await;

    // Not even TLS.
    for _ in 0..20 {
        let mut tcp = TcpStream::connect(primary.listen).await.unwrap();
        let mut noise = [0; 512];
        getrandom::fill(&mut noise).unwrap();
        let _ = tcp.write_all(&noise).await;
    }
    let evil = Link::new(&primary.bundle("evil").await, None, None).unwrap();
    let purposes = [Purpose::Stream, Purpose::Reconcile, Purpose::Forward, Purpose::Bootstrap];
    for purpose in purposes {
        for message in out_of_place() {
            let (mut connection, _) = evil.connect(purpose).await.unwrap();
            let _ = connection.writer.send(&message).await;
            // Whatever is answered, the connection comes to an end or waits for more.
            while let Ok(Ok(_)) = timeout(Duration::from_millis(30), connection.reader.next()).await
            {
            }
        }
    }
    primary.put(DATA, "after", b"v").await;
    level(&primary, &secondary).await;
    assert_eq!(secondary.get(DATA, "after").as_deref(), Some(&b"v"[..]));
}

fn out_of_place() -> Vec<Message> {
    let root = Digest([1; 32]);
    vec![
        Message::Accepted,
        Message::Start(Start { log_id: [9; 16], lsn: Lsn(u64::MAX), root }),
        Message::Level { lsn: Lsn(u64::MAX), root },
        Message::Differ(vec![0xff; 1000]),
        Message::Differ(Vec::new()),
        Message::Fetch {
            keyspace: KeyspaceId([9; 16]),
            hashes: vec![KeyHash([0; KeyHash::BYTES])],
        },
        Message::Fetch { keyspace: DATA, hashes: vec![KeyHash([0; KeyHash::BYTES]); 10] },
        Message::FetchAll { keyspace: crate::keyspace::NODE },
        Message::FetchAll { keyspace: crate::keyspace::LOCAL },
        Message::Call(crate::replication::wire::Forwarded {
            id: u64::MAX,
            json: zeroize::Zeroizing::new(b"{".to_vec()),
            body: zeroize::Zeroizing::new(Vec::new()),
        }),
    ]
}

/// The primary reads what it sends from its log: one who takes nothing costs neither time nor memory.
#[tokio::test(flavor = "multi_thread")]
async fn a_secondary_that_takes_nothing_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let primary = Cluster::primary(dir.path().join("p"), Options::default()).await;
    let stuck = Link::new(&primary.bundle("stuck").await, None, None).unwrap();
    let (mut connection, welcome) = stuck.connect(Purpose::Stream).await.unwrap();
    let start =
        Start { log_id: welcome.log_id, lsn: primary.store.position(), root: primary.root() };
    connection.writer.send(&Message::Start(start)).await.unwrap();
    let bundle = primary.bundle("good").await;
    let mut secondary = primary.secondary(dir.path().join("s"), bundle, Options::default()).await;
    secondary.start().await;
    level(&primary, &secondary).await;
    for i in 0..64 {
        primary.put(DATA, &format!("large/{i}"), &vec![7; 1 << 20]).await;
    }
    level(&primary, &secondary).await;
    // It may still go on where it is, if it wakes up in time.
    assert!(matches!(connection.reader.next().await, Ok(Message::Accepted)));
    assert!(connection.reader.next().await.is_ok());
}
