//! Responses: parts of answers, cut to the longest message.

use super::{VERSION, ascending, check_header};
use crate::digest::KeyHash;
use crate::reconcile::codec::{Reader, put_count, put_number, put_numbers};
use crate::reconcile::session::DIGEST_BYTES;
use crate::reconcile::{KeyspaceId, MAX_MESSAGE_BYTES, MAX_WIDTH_BITS, ReconcileError};

const RESPONSE: u8 = b'R';

const TELL_MISSING: u8 = 1;
const TELL_REFINE: u8 = 2;
const TELL_EXACT: u8 = 3;
const TELL_UNKNOWN: u8 = 4;

/// What a responder answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::reconcile) struct Response {
    /// Number of questions, from the first on, that are answered in full.
    pub(in crate::reconcile) answered: u32,
    /// How far the next question is answered; what is beyond has to be asked again.
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
    /// The keys that are here and under no fingerprint; the fingerprints that no key here has.
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
            Self::Exact { keys, absent } => {
                put_count(out, keys.len());
                out.extend(keys.iter().flat_map(|key| key.0));
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
            TELL_EXACT => {
                let keys = ascending(reader)?.into_iter().map(KeyHash).collect();
                Self::Exact { keys, absent: bits(reader)? }
            }
            TELL_UNKNOWN => Self::Unknown,
            _ => return Err(ReconcileError::Malformed),
        };
        Ok((ask, tell))
    }
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
