//! The format by itself: golden bytes, and what a reader refuses.

use proptest::prelude::*;
use strongroom_merkle::Digest;

use super::format::{self, CHUNK, HEADER, Header, PREAMBLE, TRAILER};
use super::tally::{Tally, trailer};
use super::{VerifyError, verify_backup};
use crate::id::{Class, KeyspaceId};

type Entries = &'static [(&'static [u8], &'static [u8])];

/// A backup of three keyspaces, the second of them empty; one chunk an entry.
const KEYSPACES: [(u8, Class, Entries); 3] = [
    (1, Class::Replicated, &[(b"app/a", b"one"), (b"app/b", b"")]),
    (2, Class::Local, &[]),
    (3, Class::Ignored, &[(b"", b"the empty key")]),
];

fn block(out: &mut Vec<u8>, kind: u8, payload: &[u8]) {
    out.extend_from_slice(&format::block_header(kind, payload));
    out.extend_from_slice(payload);
}

fn header() -> Header {
    let keyspaces = KEYSPACES.map(|(n, class, _)| (KeyspaceId([n; 16]), class)).to_vec();
    Header { log_id: *b"0123456789abcdef", position: 0x1234, keyspaces }
}

/// A whole backup of these chunks, with the sums that the entries of `KEYSPACES` have.
fn backup_of(chunks: &[Vec<u8>]) -> Vec<u8> {
    let mut out = PREAMBLE.to_vec();
    block(&mut out, HEADER, &header().encode());
    for chunk in chunks {
        block(&mut out, CHUNK, chunk);
    }
    let sums = KEYSPACES.map(|(_, _, entries)| {
        let mut tally = Tally::default();
        for (key, value) in entries {
            tally.add(key, value);
        }
        tally.finish().unwrap()
    });
    block(&mut out, TRAILER, &trailer(&header().keyspaces, sums.to_vec()).encode());
    let checksum = blake3::hash(&out);
    out.extend_from_slice(checksum.as_bytes());
    out
}

fn chunk(keyspace: u32, entries: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut payload = format::begin_chunk(keyspace);
    for (key, value) in entries {
        format::push_entry(&mut payload, key, value);
    }
    payload
}

fn chunks() -> Vec<Vec<u8>> {
    let of = |(i, (_, _, entries)): (u32, &(u8, Class, Entries))| {
        entries.iter().map(|entry| chunk(i, &[*entry])).collect::<Vec<_>>()
    };
    (0..).zip(&KEYSPACES).flat_map(of).collect()
}

fn verify(bytes: &[u8]) -> Result<super::BackupReport, VerifyError> {
    verify_backup(&mut &*bytes)
}

#[test]
fn the_bytes_are_those_of_version_1() {
    let golden = include_str!("../../tests/golden/backup-v1.hex").trim();
    let bytes = backup_of(&chunks());
    let hex = bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    assert_eq!(hex, golden);
    let report = verify(&bytes).unwrap();
    assert_eq!((report.position, report.bytes), (0x1234, bytes.len() as u64));
    assert_eq!(report.log_id, *b"0123456789abcdef");
    assert_eq!(report.keyspaces.iter().map(|k| k.entries).collect::<Vec<_>>(), [2, 0, 1]);
    assert_eq!(report.keyspaces.iter().map(|k| k.key_bytes).collect::<Vec<_>>(), [10, 0, 0]);
    assert_eq!(report.keyspaces.iter().map(|k| k.value_bytes).collect::<Vec<_>>(), [3, 0, 13]);
    assert_eq!(report.keyspaces[1].root, strongroom_merkle::Trie::<()>::new().root());
    assert_ne!(report.root, Digest([0; 32]));
    assert_eq!(report.checksum, bytes[bytes.len() - 32..]);
}

#[test]
fn every_truncation_is_refused() {
    let bytes = backup_of(&chunks());
    for len in 0..bytes.len() {
        match verify(&bytes[..len]) {
            Err(VerifyError::Truncated { at }) => assert_eq!(at, len as u64),
            other => panic!("{len}: {other:?}"),
        }
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let bytes = backup_of(&chunks());
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            let error = verify(&damaged).unwrap_err();
            match at {
                0..4 => assert!(matches!(error, VerifyError::NotABackup), "{at}: {error}"),
                4..8 => assert!(matches!(error, VerifyError::Version(_)), "{at}: {error}"),
                _ => assert!(
                    matches!(error, VerifyError::Damaged { .. } | VerifyError::Truncated { .. }),
                    "{at}: {error}"
                ),
            }
        }
    }
}

#[test]
fn bytes_after_the_end_are_refused() {
    let mut bytes = backup_of(&chunks());
    let end = bytes.len() as u64;
    bytes.push(0);
    assert!(matches!(verify(&bytes), Err(VerifyError::Trailing { at }) if at == end));
}

/// Checksums that hold do not make a backup: what is well sealed is still held to the roots.
#[test]
fn sealed_lies_are_refused() {
    let good = chunks();
    let refused = |what: &str, chunks: &[Vec<u8>]| {
        let answer = verify(&backup_of(chunks));
        assert!(matches!(answer, Err(VerifyError::Damaged { .. })), "{what}: {answer:?}");
    };
    refused("an entry missing", &good[1..]);
    refused("an entry twice", &[&good[..1], &good[..]].concat());
    refused("a keyspace out of turn", &[&good[2..], &good[..2]].concat());
    refused("an unknown keyspace", &[&good[..], &[chunk(3, &[(b"k", b"v")])]].concat());
    refused("another value", &[&[chunk(0, &[(b"app/a", b"two")])], &good[1..]].concat());
    refused("an empty chunk", &[&good[..], &[chunk(2, &[])]].concat());
    let mut cut = good.clone();
    cut[0].pop();
    refused("an entry cut short", &cut);
    let swapped = chunk(0, &[(b"app/b", b""), (b"app/a", b"one")]);
    verify(&backup_of(&[swapped, good[2].clone()])).unwrap();
}

proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        keyspaces in 0usize..5,
    ) {
        let _ = verify(&bytes);
        let _ = verify(&[&PREAMBLE, bytes.as_slice()].concat());
        let _ = Header::decode(&bytes);
        let _ = format::Chunk::decode(&bytes);
        let _ = format::Trailer::decode(&bytes, keyspaces);
    }

    #[test]
    fn sealed_noise_is_refused(payload in proptest::collection::vec(any::<u8>(), 0..100)) {
        let noise = [chunks(), vec![payload]].concat();
        prop_assert!(verify(&backup_of(&noise)).is_err());
    }
}
