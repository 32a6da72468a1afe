//! Responses: the answer to a request, in as many messages as it takes.

use super::{VERSION, ascending, check_header};
use crate::digest::KeyHash;
use crate::reconcile::codec::{Reader, put_count, put_number, put_numbers};
use crate::reconcile::session::DIGEST_BYTES;
use crate::reconcile::{KeyspaceId, MAX_MESSAGE_BYTES, MAX_WIDTH_BITS, ReconcileError};

const RESPONSE: u8 = b'R';

const TELL_MISSING: u8 = 1;
const TELL_REFINE: u8 = 2;
const TELL_KEYS: u8 = 3;
const TELL_EXACT: u8 = 4;
const TELL_UNKNOWN: u8 = 5;

/// One message of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::reconcile) struct Response {
    /// Number of questions, from the first of the request on, that are answered in full with this
    /// message. It is the last one when that is all of them.
    pub(in crate::reconcile) answered: u32,
    /// How far the next question is answered; the next message goes on there.
    pub(in crate::reconcile) resume: Option<Resume>,
    /// Parts of answers, each with the number of its question; ascending.
    pub(in crate::reconcile) tells: Vec<(u32, Tell)>,
}

/// Up to where, inclusive but for buckets, a question was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::reconcile) enum Resume {
    Census(KeyspaceId),
    /// The first bucket that was not compared.
    Probe(u32),
    List(KeyHash),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::reconcile) enum Tell {
    /// Keyspaces that the initiator lacks.
    Missing(Vec<KeyspaceId>),
    /// This bucket differs; here are the digests of the `2^width` buckets it is cut into.
    Refine { bucket: u32, width: u8, digests: Vec<u64> },
    /// Keys that are here and under no fingerprint; more of the list follows.
    Keys(Vec<KeyHash>),
    /// The rest of those keys; which fingerprints of the whole list no key here has.
    Exact { keys: Vec<KeyHash>, absent: Vec<bool> },
    /// The keyspace is not here.
    Unknown,
}

impl Response {
    /// Bytes taken by what comes before the parts of answers, at most.
    pub(in crate::reconcile) const MAX_FIXED_BYTES: usize = 64;

    pub(in crate::reconcile) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION, RESPONSE];
        put_number(&mut out, self.answered);
        match &self.resume {
            None => out.push(0),
            Some(Resume::Census(id)) => {
                out.push(1);
                out.extend_from_slice(id);
            }
            Some(Resume::Probe(bucket)) => {
                out.push(2);
                put_number(&mut out, *bucket);
            }
            Some(Resume::List(hash)) => {
                out.push(3);
                out.extend_from_slice(&hash.0);
            }
        }
        put_count(&mut out, self.tells.len());
        for (ask, tell) in &self.tells {
            tell.encode(*ask, &mut out);
        }
        assert!(out.len() <= MAX_MESSAGE_BYTES, "responses are cut to size");
        out
    }

    pub(in crate::reconcile) fn decode(bytes: &[u8]) -> Result<Self, ReconcileError> {
        let mut reader = Reader::new(bytes);
        check_header(&mut reader, bytes, RESPONSE)?;
        let answered = reader.number()?;
        let resume = match reader.byte()? {
            0 => None,
            1 => Some(Resume::Census(reader.array()?)),
            2 => Some(Resume::Probe(reader.number()?)),
            3 => Some(Resume::List(KeyHash(reader.array()?))),
            _ => return Err(ReconcileError::Malformed),
        };
        let count = reader.count(2)?;
        let tells = (0..count).map(|_| Tell::decode(&mut reader)).collect::<Result<Vec<_>, _>>()?;
        reader.end()?;
        if !tells.is_sorted_by_key(|(ask, _)| *ask) {
            return Err(ReconcileError::Malformed);
        }
        Ok(Self { answered, resume, tells })
    }
}

impl Tell {
    /// The most bytes that a part of an answer takes besides its items.
    pub(in crate::reconcile) const MAX_FIXED_BYTES: usize = 16;

    fn encode(&self, ask: u32, out: &mut Vec<u8>) {
        let tag = match self {
            Self::Missing(_) => TELL_MISSING,
            Self::Refine { .. } => TELL_REFINE,
            Self::Keys(_) => TELL_KEYS,
            Self::Exact { .. } => TELL_EXACT,
            Self::Unknown => TELL_UNKNOWN,
        };
        out.push(tag);
        put_number(out, ask);
        match self {
            Self::Missing(ids) => {
                put_count(out, ids.len());
                out.extend_from_slice(ids.as_flattened());
            }
            Self::Refine { bucket, width, digests } => {
                put_number(out, *bucket);
                out.push(*width);
                put_numbers::<DIGEST_BYTES>(out, digests);
            }
            Self::Keys(keys) => put_keys(out, keys),
            Self::Exact { keys, absent } => {
                put_keys(out, keys);
                put_count(out, absent.len());
                out.extend(
                    absent.chunks(8).map(|bits| {
                        bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit))
                    }),
                );
            }
            Self::Unknown => {}
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<(u32, Self), ReconcileError> {
        let tag = reader.byte()?;
        let ask = reader.number()?;
        let tell = match tag {
            TELL_MISSING => Self::Missing(ascending(reader)?),
            TELL_REFINE => {
                let bucket = reader.number()?;
                let width = reader.byte()?;
                if width > MAX_WIDTH_BITS {
                    return Err(ReconcileError::Malformed);
                }
                Self::Refine { bucket, width, digests: reader.numbers::<DIGEST_BYTES>(1 << width)? }
            }
            TELL_KEYS => Self::Keys(keys(reader)?),
            TELL_EXACT => Self::Exact { keys: keys(reader)?, absent: bits(reader)? },
            TELL_UNKNOWN => Self::Unknown,
            _ => return Err(ReconcileError::Malformed),
        };
        Ok((ask, tell))
    }
}

fn put_keys(out: &mut Vec<u8>, keys: &[KeyHash]) {
    put_count(out, keys.len());
    out.extend(keys.iter().flat_map(|key| key.0));
}

fn keys(reader: &mut Reader<'_>) -> Result<Vec<KeyHash>, ReconcileError> {
    Ok(ascending(reader)?.into_iter().map(KeyHash).collect())
}

/// A count and so many bits, eight a byte, low first; the last byte is filled up with zeros.
fn bits(reader: &mut Reader<'_>) -> Result<Vec<bool>, ReconcileError> {
    let count = usize::try_from(reader.number()?).map_err(|_| ReconcileError::Malformed)?;
    let bytes = reader.bytes(count.div_ceil(8))?;
    if count % 8 != 0 && bytes.last().is_some_and(|last| last >> (count % 8) != 0) {
        return Err(ReconcileError::Malformed);
    }
    Ok((0..count).map(|at| bytes[at / 8] & (1 << (at % 8)) != 0).collect())
}
