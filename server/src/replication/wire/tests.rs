//! The codec: every message survives its bytes, no bytes panic, and the golden frames stay the same.

use proptest::collection::vec;
use proptest::prelude::*;
use strongroom_merkle::KeyHash;
use strongroom_storage::{Digest, KeyspaceId, Lsn};
use zeroize::Zeroizing;

use super::*;

fn key_hash() -> impl Strategy<Value = KeyHash> {
    any::<[u8; KeyHash::BYTES]>().prop_map(KeyHash)
}

fn digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest)
}

fn keyspace() -> impl Strategy<Value = KeyspaceId> {
    any::<[u8; 16]>().prop_map(KeyspaceId)
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..40)
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        keyspace().prop_map(Op::CreateKeyspace),
        keyspace().prop_map(Op::DropKeyspace),
        (keyspace(), bytes(), bytes()).prop_map(|(keyspace, key, value)| Op::Put {
            keyspace,
            key,
            value
        }),
        (keyspace(), bytes()).prop_map(|(keyspace, key)| Op::Delete { keyspace, key }),
    ]
}

fn forwarded() -> impl Strategy<Value = Forwarded> {
    (any::<u64>(), bytes(), bytes()).prop_map(|(id, json, body)| Forwarded {
        id,
        json: Zeroizing::new(json),
        body: Zeroizing::new(body),
    })
}

fn bootstrap() -> impl Strategy<Value = Bootstrap> {
    let dev = proptest::option::of(("[a-z]{0,9}", vec("[a-z]{0,9}", 0..3)));
    (any::<[u8; 32]>(), bytes(), bytes(), "[a-z]{0,9}", dev).prop_map(
        |(root_key, seal, keyring, cluster_id, dev)| Bootstrap {
            root_key: Zeroizing::new(root_key),
            seal_entry: Zeroizing::new(seal),
            keyring,
            cluster_id,
            dev: dev.map(|(token, keys)| WireDev {
                root_token: Zeroizing::new(token),
                unseal_keys: keys.into_iter().map(Zeroizing::new).collect(),
            }),
        },
    )
}

fn hello() -> impl Strategy<Value = Hello> {
    let purpose = prop_oneof![
        Just(Purpose::Bootstrap),
        Just(Purpose::Stream),
        Just(Purpose::Reconcile),
        Just(Purpose::Forward)
    ];
    (purpose, ".{0,20}", any::<[u8; 16]>(), ".{0,9}", ".{0,9}", any::<u64>()).prop_map(
        |(purpose, secondary_id, node_id, api_addr, cluster_addr, clock_ms)| Hello {
            purpose,
            secondary_id,
            node_id,
            api_addr,
            cluster_addr,
            clock_ms,
        },
    )
}

fn change() -> impl Strategy<Value = Change> {
    let mark = proptest::option::of((any::<u64>().prop_map(Lsn), digest()));
    (any::<u32>(), any::<u32>(), mark, any::<bool>(), vec(op(), 0..5)).prop_map(
        |(start, len, mark, more, ops)| {
            let start = u64::from(start);
            Change { start: Lsn(start), end: Lsn(start + u64::from(len)), mark, more, ops }
        },
    )
}

fn fetched() -> impl Strategy<Value = Fetched> {
    (key_hash(), proptest::option::of((bytes(), bytes())))
        .prop_map(|(hash, entry)| Fetched { hash, entry })
}

fn message() -> impl Strategy<Value = Message> {
    let lsn = || any::<u64>().prop_map(Lsn);
    prop_oneof![
        hello().prop_map(Message::Hello),
        (".{0,20}", any::<[u8; 16]>(), any::<u64>()).prop_map(|(cluster_id, log_id, epoch)| {
            Message::Welcome { cluster_id, log_id, epoch }
        }),
        ".{0,40}".prop_map(|text| Message::Refused { code: RefusalCode::Busy, text }),
        bootstrap().prop_map(Message::Bootstrap),
        (any::<[u8; 16]>(), lsn(), digest())
            .prop_map(|(log_id, lsn, root)| Message::Start(Start { log_id, lsn, root })),
        Just(Message::Accepted),
        Just(Message::NeedReconcile(Reconcile::Ahead)),
        change().prop_map(Message::Change),
        (lsn(), digest()).prop_map(|(lsn, root)| Message::Level { lsn, root }),
        (lsn(), digest(), any::<[u64; 3]>()).prop_map(|(lsn, root, t)| {
            Message::Heartbeat(Heartbeat {
                lsn,
                root,
                clock_ms: t[0],
                echo_ms: t[1],
                held_ms: t[2],
            })
        }),
        (lsn(), digest()).prop_map(|(lsn, root)| Message::Snapshot { lsn, root }),
        bytes().prop_map(Message::Differ),
        bytes().prop_map(Message::DifferReply),
        (keyspace(), vec(key_hash(), 0..4))
            .prop_map(|(keyspace, hashes)| Message::Fetch { keyspace, hashes }),
        keyspace().prop_map(|keyspace| Message::FetchAll { keyspace }),
        (vec(fetched(), 0..4), any::<bool>())
            .prop_map(|(entries, last)| Message::Values { entries, last }),
        forwarded().prop_map(Message::Call),
        forwarded().prop_map(Message::Answer),
    ]
}

fn encoded(message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    message.encode(&mut out);
    out
}

proptest! {
    #[test]
    fn every_message_survives_its_bytes(m in message()) {
        let frame = encoded(&m);
        prop_assert_eq!(Message::decode(&frame[4..]), Ok(m));
    }

    #[test]
    fn no_prefix_of_a_message_is_one(m in message(), cut in any::<prop::sample::Index>()) {
        let frame = encoded(&m);
        let body = &frame[4..];
        prop_assert!(Message::decode(&body[..cut.index(body.len())]).is_err());
    }

    #[test]
    fn changed_bytes_never_panic(
        m in message(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut frame = encoded(&m);
        for (at, byte) in changes {
            let at = at.index(frame.len());
            frame[at] = byte;
        }
        let _ = Message::decode(&frame[4..]);
    }

    #[test]
    fn random_bytes_never_panic(kind in any::<u8>(), body in vec(any::<u8>(), 0..200)) {
        let _ = Message::decode(&[&[WIRE_VERSION, kind][..], &body].concat());
        let _ = Message::decode(&body);
    }
}

#[test]
fn a_count_that_the_bytes_cannot_hold_is_refused_before_memory_is_set_aside() {
    let mut frame = vec![WIRE_VERSION, 35];
    frame.extend_from_slice(&[0; 16]);
    frame.extend_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(Message::decode(&frame), Err(WireError::Truncated));
}

#[test]
fn foreign_versions_and_left_over_bytes_are_named() {
    assert_eq!(Message::decode(&[1, 17]), Err(WireError::Version(1)));
    assert_eq!(Message::decode(&[WIRE_VERSION, 17, 0, 0]), Err(WireError::Trailing(2)));
    assert_eq!(Message::decode(&[WIRE_VERSION, 200]), Err(WireError::Kind(200)));
}

#[test]
fn golden_frames_of_version_2() {
    let mut text = String::new();
    for message in golden_messages() {
        for byte in encoded(&message) {
            use std::fmt::Write as _;
            write!(text, "{byte:02x}").unwrap();
        }
        text.push('\n');
    }
    assert_eq!(text, include_str!("golden-v2.hex"), "the wire changed: raise WIRE_VERSION");
}

fn golden_messages() -> Vec<Message> {
    let root = Digest([7; 32]);
    let keyspace = KeyspaceId([1; 16]);
    vec![
        Message::Hello(Hello {
            purpose: Purpose::Stream,
            secondary_id: "eu".into(),
            node_id: [9; 16],
            api_addr: "https://a:8200".into(),
            cluster_addr: "https://a:8201".into(),
            clock_ms: 1_000,
        }),
        Message::Welcome { cluster_id: "c".into(), log_id: [3; 16], epoch: 1 },
        Message::Refused { code: RefusalCode::Revoked, text: "revoked".into() },
        Message::Start(Start { log_id: [3; 16], lsn: Lsn(4096), root }),
        Message::Accepted,
        Message::NeedReconcile(Reconcile::Behind),
        Message::Change(Change {
            start: Lsn(4096),
            end: Lsn(8192),
            mark: Some((Lsn(4096), root)),
            more: false,
            ops: vec![
                Op::CreateKeyspace(keyspace),
                Op::Put { keyspace, key: b"k".to_vec(), value: b"v".to_vec() },
                Op::Delete { keyspace, key: b"d".to_vec() },
                Op::DropKeyspace(keyspace),
            ],
        }),
        Message::Level { lsn: Lsn(8192), root },
        Message::Heartbeat(Heartbeat {
            lsn: Lsn(8192),
            root,
            clock_ms: 2_000,
            echo_ms: 1_000,
            held_ms: 5,
        }),
        Message::Snapshot { lsn: Lsn(8192), root },
        Message::Differ(vec![1, 2]),
        Message::DifferReply(vec![3]),
        Message::Fetch { keyspace, hashes: vec![KeyHash([5; KeyHash::BYTES])] },
        Message::FetchAll { keyspace },
        Message::Values {
            entries: vec![
                Fetched {
                    hash: KeyHash([5; KeyHash::BYTES]),
                    entry: Some((b"k".to_vec(), b"v".to_vec())),
                },
                Fetched { hash: KeyHash([6; KeyHash::BYTES]), entry: None },
            ],
            last: true,
        },
        Message::Call(Forwarded {
            id: 1,
            json: Zeroizing::new(b"{}".to_vec()),
            body: Zeroizing::new(b"{}".to_vec()),
        }),
        Message::Answer(Forwarded {
            id: 1,
            json: Zeroizing::new(b"{}".to_vec()),
            body: Zeroizing::new(Vec::new()),
        }),
    ]
}

#[tokio::test]
async fn frames_split_anywhere_arrive_whole_and_long_ones_of_strangers_are_refused() {
    let (a, b) = tokio::io::duplex(7);
    let sent = golden_messages();
    let to_send = sent.clone();
    let sender = tokio::spawn(async move {
        let mut writer = FrameWriter::new(a);
        for message in &to_send {
            writer.queue(message);
        }
        writer.flush().await.unwrap();
        // A stranger's frame of 1 MiB: refused by its length alone.
        let mut raw = Vec::new();
        Message::Differ(vec![0; 1 << 20]).encode(&mut raw);
        let (mut c, d) = tokio::io::duplex(64);
        tokio::io::AsyncWriteExt::write_all(&mut c, &raw[..10]).await.unwrap();
        let mut stranger = FrameReader::new(d);
        assert!(matches!(
            stranger.next().await,
            Err(TransportError::Wire(WireError::TooLong { .. }))
        ));
    });
    let mut reader = FrameReader::new(b);
    for message in sent {
        assert_eq!(reader.next().await.unwrap(), message);
    }
    assert!(matches!(reader.next().await, Err(TransportError::Closed)));
    sender.await.unwrap();
}
