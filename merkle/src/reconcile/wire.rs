//! Requests and responses as bytes. The tables are in `docs/merkle.md`.
//!
//! One content has one encoding; a decoder takes nothing else. What can be checked without the
//! request that an answer belongs to is checked here.

use super::bucket::Base;
use super::codec::{Reader, put_base, put_count, put_number, put_numbers};
use super::session::{DIGEST_BYTES, FINGERPRINT_BYTES};
use super::{
    KeyspaceId, MAX_ASKS, MAX_BUCKET_BITS, MAX_MESSAGE_BYTES, MAX_WIDTH_BITS, ReconcileError,
};
use crate::digest::KeyHash;

const VERSION: u8 = 1;
const REQUEST: u8 = b'Q';
const RESPONSE: u8 = b'R';

const ASK_CENSUS: u8 = 1;
const ASK_PROBE: u8 = 2;
const ASK_LIST: u8 = 3;
/// Set in the tag of a probe or list about the keyspace of the one before it.
const SAME_KEYSPACE: u8 = 0x80;

const TELL_MISSING: u8 = 1;
const TELL_REFINE: u8 = 2;
const TELL_EXACT: u8 = 3;
const TELL_UNKNOWN: u8 = 4;

/// What an initiator asks in one go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) salt: [u8; 16],
    pub(super) asks: Vec<Ask>,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// Which keyspaces are there after `after`, up to and including `upto`, besides `ids`?
    Census { after: Option<KeyspaceId>, upto: Option<KeyspaceId>, ids: Vec<KeyspaceId> },
    /// Which of these buckets differ: those from `first` on of the `2^width` under `base`.
    Probe { keyspace: KeyspaceId, base: Base, width: u8, first: u32, digests: Vec<u64> },
    /// Which keys after `after` in this bucket differ from those of these fingerprints?
    List { keyspace: KeyspaceId, base: Base, after: Option<KeyHash>, fingerprints: Vec<u64> },
}

/// What a responder answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Response {
    /// Number of questions, from the first on, that are answered in full.
    pub(super) answered: u32,
    /// How far the next question is answered; what is beyond has to be asked again.
    pub(super) resume: Option<Resume>,
    /// Parts of answers, each with the number of its question; ascending.
    pub(super) tells: Vec<(u32, Tell)>,
}

/// Up to where, inclusive but for buckets, a question was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resume {
    Census(KeyspaceId),
    /// The first bucket that was not compared.
    Probe(u32),
    List(KeyHash),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tell {
    /// Keyspaces that the initiator lacks.
    Missing(Vec<KeyspaceId>),
    /// This bucket differs; here are the digests of the `2^width` buckets it is cut into.
    Refine { bucket: u32, width: u8, digests: Vec<u64> },
    /// The keys that are here and under no fingerprint; the fingerprints that no key here has.
    Exact { keys: Vec<KeyHash>, absent: Vec<bool> },
    /// The keyspace is not here.
    Unknown,
}

fn check_header(reader: &mut Reader<'_>, bytes: &[u8], kind: u8) -> Result<(), ReconcileError> {
    if bytes.len() > MAX_MESSAGE_BYTES {
        return Err(ReconcileError::TooLong(bytes.len()));
    }
    let [version, found] = reader.array()?;
    if version != VERSION {
        return Err(ReconcileError::Version(version));
    }
    if found == kind { Ok(()) } else { Err(ReconcileError::Malformed) }
}

/// An optional field: a byte that says whether it is there, then the field.
fn optional<const N: usize>(reader: &mut Reader<'_>) -> Result<Option<[u8; N]>, ReconcileError> {
    match reader.byte()? {
        0 => Ok(None),
        1 => reader.array().map(Some),
        _ => Err(ReconcileError::Malformed),
    }
}

fn put_optional(out: &mut Vec<u8>, field: Option<&[u8]>) {
    out.push(u8::from(field.is_some()));
    out.extend_from_slice(field.unwrap_or_default());
}

/// `count` ids or hashes that ascend strictly.
fn ascending<const N: usize>(reader: &mut Reader<'_>) -> Result<Vec<[u8; N]>, ReconcileError> {
    let count = reader.count(N)?;
    let items = (0..count).map(|_| reader.array()).collect::<Result<Vec<[u8; N]>, _>>()?;
    if items.windows(2).all(|pair| pair[0] < pair[1]) {
        Ok(items)
    } else {
        Err(ReconcileError::Malformed)
    }
}

/// A request that is filled question by question, up to the longest message.
pub(super) struct RequestBuilder {
    asks: usize,
    last: Option<KeyspaceId>,
    body: Vec<u8>,
}

impl RequestBuilder {
    /// Version, kind, salt and the longest count.
    const HEAD_BYTES: usize = 2 + 16 + 5;

    pub(super) fn new() -> Self {
        Self { asks: 0, last: None, body: Vec::new() }
    }

    /// Bytes left for questions.
    pub(super) fn room(&self) -> usize {
        MAX_MESSAGE_BYTES - Self::HEAD_BYTES - self.body.len()
    }

    /// Adds a question; false, and nothing done, when it does not fit.
    #[must_use]
    pub(super) fn push(&mut self, ask: &Ask) -> bool {
        let (len, last) = (self.body.len(), self.last);
        ask.encode(&mut self.body, &mut self.last);
        let fits = self.asks < MAX_ASKS && self.body.len() <= MAX_MESSAGE_BYTES - Self::HEAD_BYTES;
        if fits {
            self.asks += 1;
        } else {
            self.body.truncate(len);
            self.last = last;
        }
        fits
    }

    pub(super) fn finish(self, salt: &[u8; 16]) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::HEAD_BYTES + self.body.len());
        out.extend_from_slice(&[VERSION, REQUEST]);
        out.extend_from_slice(salt);
        put_count(&mut out, self.asks);
        out.extend_from_slice(&self.body);
        out
    }
}

impl Request {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, ReconcileError> {
        let mut reader = Reader::new(bytes);
        check_header(&mut reader, bytes, REQUEST)?;
        let salt = reader.array()?;
        let count = reader.count(1)?;
        if count > MAX_ASKS {
            return Err(ReconcileError::Malformed);
        }
        let mut last = None;
        let asks =
            (0..count).map(|_| Ask::decode(&mut reader, &mut last)).collect::<Result<_, _>>()?;
        reader.end()?;
        Ok(Self { salt, asks })
    }
}

impl Ask {
    /// The most bytes that a question takes besides its digests, fingerprints or ids.
    pub(super) const MAX_FIXED_BYTES: usize = 64;

    fn encode(&self, out: &mut Vec<u8>, last: &mut Option<KeyspaceId>) {
        match self {
            Self::Census { after, upto, ids } => {
                out.push(ASK_CENSUS);
                put_optional(out, after.as_ref().map(<[u8; 16]>::as_slice));
                put_optional(out, upto.as_ref().map(<[u8; 16]>::as_slice));
                put_count(out, ids.len());
                out.extend_from_slice(ids.as_flattened());
            }
            Self::Probe { keyspace, base, width, first, digests } => {
                put_keyspace(out, ASK_PROBE, *keyspace, last);
                put_base(out, *base);
                out.push(*width);
                put_number(out, *first);
                put_count(out, digests.len());
                put_numbers::<DIGEST_BYTES>(out, digests);
            }
            Self::List { keyspace, base, after, fingerprints } => {
                put_keyspace(out, ASK_LIST, *keyspace, last);
                put_base(out, *base);
                put_optional(out, after.as_ref().map(|after| after.0.as_slice()));
                put_count(out, fingerprints.len());
                put_numbers::<FINGERPRINT_BYTES>(out, fingerprints);
            }
        }
    }

    fn decode(
        reader: &mut Reader<'_>,
        last: &mut Option<KeyspaceId>,
    ) -> Result<Self, ReconcileError> {
        let tag = reader.byte()?;
        match tag & !SAME_KEYSPACE {
            ASK_CENSUS if tag & SAME_KEYSPACE == 0 => Self::decode_census(reader),
            ASK_PROBE => {
                let keyspace = keyspace(reader, tag, last)?;
                Self::decode_probe(reader, keyspace)
            }
            ASK_LIST => {
                let keyspace = keyspace(reader, tag, last)?;
                let base = reader.base()?;
                let after = optional(reader)?.map(KeyHash);
                if after.is_some_and(|after| !base.contains(&after)) {
                    return Err(ReconcileError::Malformed);
                }
                let count = reader.count(FINGERPRINT_BYTES)?;
                let fingerprints = reader.numbers::<FINGERPRINT_BYTES>(count)?;
                Ok(Self::List { keyspace, base, after, fingerprints })
            }
            _ => Err(ReconcileError::Malformed),
        }
    }

    fn decode_census(reader: &mut Reader<'_>) -> Result<Self, ReconcileError> {
        let (after, upto) = (optional(reader)?, optional(reader)?);
        let ids = ascending(reader)?;
        let low = ids.first().or(upto.as_ref());
        let high = ids.last();
        let ordered = after.is_none_or(|after| low.is_none_or(|low| after < *low))
            && upto.is_none_or(|upto| high.is_none_or(|high| *high <= upto));
        if ordered { Ok(Self::Census { after, upto, ids }) } else { Err(ReconcileError::Malformed) }
    }

    fn decode_probe(reader: &mut Reader<'_>, keyspace: KeyspaceId) -> Result<Self, ReconcileError> {
        let base = reader.base()?;
        let width = reader.byte()?;
        let first = reader.number()?;
        let count = reader.count(DIGEST_BYTES)?;
        let digests = reader.numbers::<DIGEST_BYTES>(count)?;
        let end = u32::try_from(count).ok().and_then(|count| first.checked_add(count));
        let fits = width <= MAX_WIDTH_BITS
            && base.len() + width <= MAX_BUCKET_BITS
            && end.is_some_and(|end| first < end && end <= 1 << width);
        if fits {
            Ok(Self::Probe { keyspace, base, width, first, digests })
        } else {
            Err(ReconcileError::Malformed)
        }
    }
}

fn put_keyspace(out: &mut Vec<u8>, tag: u8, id: KeyspaceId, last: &mut Option<KeyspaceId>) {
    if last.replace(id) == Some(id) {
        out.push(tag | SAME_KEYSPACE);
    } else {
        out.push(tag);
        out.extend_from_slice(&id);
    }
}

fn keyspace(
    reader: &mut Reader<'_>,
    tag: u8,
    last: &mut Option<KeyspaceId>,
) -> Result<KeyspaceId, ReconcileError> {
    if tag & SAME_KEYSPACE != 0 {
        return last.ok_or(ReconcileError::Malformed);
    }
    let id = reader.array()?;
    if last.replace(id) == Some(id) { Err(ReconcileError::Malformed) } else { Ok(id) }
}

impl Response {
    /// Bytes taken by what comes before the parts of answers, at most.
    pub(super) const MAX_FIXED_BYTES: usize = 64;

    pub(super) fn encode(&self) -> Vec<u8> {
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

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, ReconcileError> {
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
    pub(super) const MAX_FIXED_BYTES: usize = 16;

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
