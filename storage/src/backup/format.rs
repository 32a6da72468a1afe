//! Bytes of a backup; `docs/backup.md` has the tables.

use strongroom_merkle::Digest;

use super::error::VerifyError;
use crate::id::{Class, KeyspaceId};
use crate::id::{KEY_MAX, VALUE_MAX};
use crate::snapshot::KeyValue;

/// What a backup begins with: magic and version.
pub(super) const PREAMBLE: [u8; 8] = *b"SRBK\x01\0\0\0";
/// Bytes of entries after which a chunk is closed.
pub(super) const CHUNK_TARGET: usize = 1 << 20;
/// Longest payload of a block, bytes: a chunk that a largest entry was added to.
pub(super) const PAYLOAD_MAX: usize = CHUNK_TARGET + KEY_MAX + VALUE_MAX + 64;
/// Kind, length and CRC of a block.
pub(super) const BLOCK_HEADER: usize = 9;
/// Most keyspaces in one backup.
const KEYSPACES_MAX: usize = 1 << 20;

/// Kinds of blocks.
pub(super) const HEADER: u8 = b'H';
pub(super) const CHUNK: u8 = b'C';
pub(super) const TRAILER: u8 = b'T';

/// Which store at which position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) log_id: [u8; 16],
    pub(super) position: u64,
    /// In order of their ids.
    pub(super) keyspaces: Vec<(KeyspaceId, Class)>,
}

/// What was counted in a keyspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) entries: u64,
    pub(super) key_bytes: u64,
    pub(super) value_bytes: u64,
    pub(super) root: Digest,
}

/// Sums by keyspace, as in the header, and the root over all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trailer {
    pub(super) sums: Vec<Sum>,
    pub(super) root: Digest,
}

/// Entries of one keyspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Place of the keyspace in the header.
    pub(super) keyspace: u32,
    pub(super) entries: Vec<KeyValue>,
}

/// CRC of a block: over its kind, length and payload.
pub(super) fn crc(kind: u8, len: [u8; 4], payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&[kind]);
    crc.update(&len);
    crc.update(payload);
    crc.finalize()
}

/// Header of a block. Payloads are at most `PAYLOAD_MAX` long.
pub(super) fn block_header(kind: u8, payload: &[u8]) -> [u8; BLOCK_HEADER] {
    let len = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes();
    let mut header = [kind; BLOCK_HEADER];
    header[1..5].copy_from_slice(&len);
    header[5..].copy_from_slice(&crc(kind, len, payload).to_le_bytes());
    header
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = self.log_id.to_vec();
        out.extend_from_slice(&self.position.to_le_bytes());
        out.extend_from_slice(&len32(self.keyspaces.len()));
        for (id, class) in &self.keyspaces {
            out.extend_from_slice(&id.0);
            out.push(class.to_byte());
        }
        out
    }

    pub(super) fn decode(payload: &[u8]) -> Result<Self, &'static str> {
        let mut input = Input(payload);
        let log_id = input.array()?;
        let position = u64::from_le_bytes(input.array()?);
        let count = input.len(KEYSPACES_MAX)?;
        let mut keyspaces: Vec<(KeyspaceId, Class)> = Vec::new();
        for _ in 0..count {
            let id = KeyspaceId(input.array()?);
            let class = Class::from_byte(input.array::<1>()?[0]).ok_or("unknown class")?;
            if keyspaces.last().is_some_and(|(last, _)| *last >= id) {
                return Err("keyspaces out of order");
            }
            keyspaces.push((id, class));
        }
        input.end()?;
        Ok(Self { log_id, position, keyspaces })
    }
}

impl Trailer {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for sum in &self.sums {
            for number in [sum.entries, sum.key_bytes, sum.value_bytes] {
                out.extend_from_slice(&number.to_le_bytes());
            }
            out.extend_from_slice(&sum.root.0);
        }
        out.extend_from_slice(&self.root.0);
        out
    }

    /// `keyspaces`: how many the header names.
    pub(super) fn decode(payload: &[u8], keyspaces: usize) -> Result<Self, &'static str> {
        let mut input = Input(payload);
        let mut sums = Vec::new();
        for _ in 0..keyspaces {
            let mut number = || input.array().map(u64::from_le_bytes);
            let (entries, key_bytes, value_bytes) = (number()?, number()?, number()?);
            sums.push(Sum { entries, key_bytes, value_bytes, root: Digest(input.array()?) });
        }
        let root = Digest(input.array()?);
        input.end()?;
        Ok(Self { sums, root })
    }
}

/// Begins the payload of a chunk; entries are appended to it with [`push_entry`].
pub(super) fn begin_chunk(keyspace: u32) -> Vec<u8> {
    keyspace.to_le_bytes().to_vec()
}

/// Appends an entry to the payload of a chunk.
pub(super) fn push_entry(payload: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    payload.extend_from_slice(&len32(key.len()));
    payload.extend_from_slice(&len32(value.len()));
    payload.extend_from_slice(key);
    payload.extend_from_slice(value);
}

impl Chunk {
    pub(super) fn decode(payload: &[u8]) -> Result<Self, &'static str> {
        let mut input = Input(payload);
        let keyspace = u32::from_le_bytes(input.array()?);
        let mut entries = Vec::new();
        while !input.0.is_empty() {
            let (key, value) = (input.len(KEY_MAX)?, input.len(VALUE_MAX)?);
            entries.push((input.take(key)?.to_vec(), input.take(value)?.to_vec()));
        }
        if entries.is_empty() {
            Err("a chunk without an entry")
        } else {
            Ok(Self { keyspace, entries })
        }
    }
}

/// Reads the first eight bytes: what is this?
pub(super) fn check_preamble(bytes: [u8; 8]) -> Result<(), VerifyError> {
    if bytes[..4] != PREAMBLE[..4] {
        return Err(VerifyError::NotABackup);
    }
    if bytes != PREAMBLE {
        let version = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        return Err(VerifyError::Version(version));
    }
    Ok(())
}

fn len32(len: usize) -> [u8; 4] {
    u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes()
}

/// What is left of a payload.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or("a block is cut short")?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let (taken, rest) = self.0.split_first_chunk().ok_or("a block is cut short")?;
        self.0 = rest;
        Ok(*taken)
    }

    fn len(&mut self, max: usize) -> Result<usize, &'static str> {
        let len = u32::from_le_bytes(self.array()?) as usize;
        if len > max { Err("a length out of bounds") } else { Ok(len) }
    }

    fn end(&self) -> Result<(), &'static str> {
        if self.0.is_empty() { Ok(()) } else { Err("bytes left over in a block") }
    }
}
