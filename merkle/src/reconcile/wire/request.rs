//! Requests: questions that go out together.

use super::{VERSION, ascending, check_header, optional, put_optional};
use crate::reconcile::bucket::Base;
use crate::reconcile::codec::{Reader, put_base, put_count, put_number, put_numbers};
use crate::reconcile::session::{DIGEST_BYTES, FINGERPRINT_BYTES};
use crate::reconcile::{KeyspaceId, MAX_ASKS, MAX_WIDTH_BITS, ReconcileError};

const REQUEST: u8 = b'Q';

const ASK_CENSUS: u8 = 1;
const ASK_PROBE: u8 = 2;
const ASK_LIST: u8 = 3;
/// Set in the tag of a probe or list about the keyspace of the one before it.
const SAME_KEYSPACE: u8 = 0x80;

/// What an initiator asks in one go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::reconcile) struct Request {
    pub(in crate::reconcile) salt: [u8; 16],
    pub(in crate::reconcile) asks: Vec<Ask>,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::reconcile) enum Ask {
    /// Which keyspaces are there after `after`, up to and including `upto`, besides `ids`?
    Census { after: Option<KeyspaceId>, upto: Option<KeyspaceId>, ids: Vec<KeyspaceId> },
    /// Which of these buckets differ: those from `first` on of the `2^width` of the keyspace.
    Probe { keyspace: KeyspaceId, width: u8, first: u32, digests: Vec<u64> },
    /// Which keys in this bucket differ from those of these fingerprints?
    List { keyspace: KeyspaceId, base: Base, fingerprints: Vec<u64> },
}

/// A request that is filled question by question, up to the longest message.
pub(in crate::reconcile) struct RequestBuilder {
    most_bytes: usize,
    asks: usize,
    last: Option<KeyspaceId>,
    body: Vec<u8>,
}

impl RequestBuilder {
    /// Version, kind, salt and the longest count.
    pub(in crate::reconcile) const HEAD_BYTES: usize = 2 + 16 + 5;

    pub(in crate::reconcile) fn new(most_bytes: usize) -> Self {
        Self { most_bytes, asks: 0, last: None, body: Vec::new() }
    }

    pub(in crate::reconcile) fn is_empty(&self) -> bool {
        self.asks == 0
    }

    /// Bytes left for questions.
    pub(in crate::reconcile) fn room(&self) -> usize {
        self.most_bytes - Self::HEAD_BYTES - self.body.len()
    }

    /// Adds a question; false, and nothing done, when it does not fit.
    #[must_use]
    pub(in crate::reconcile) fn push(&mut self, ask: &Ask) -> bool {
        let (len, last) = (self.body.len(), self.last);
        ask.encode(&mut self.body, &mut self.last);
        let fits = self.asks < MAX_ASKS && self.body.len() <= self.most_bytes - Self::HEAD_BYTES;
        if fits {
            self.asks += 1;
        } else {
            self.body.truncate(len);
            self.last = last;
        }
        fits
    }

    pub(in crate::reconcile) fn finish(self, salt: &[u8; 16]) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::HEAD_BYTES + self.body.len());
        out.extend_from_slice(&[VERSION, REQUEST]);
        out.extend_from_slice(salt);
        put_count(&mut out, self.asks);
        out.extend_from_slice(&self.body);
        out
    }
}

impl Request {
    pub(in crate::reconcile) fn decode(bytes: &[u8]) -> Result<Self, ReconcileError> {
        let mut reader = Reader::new(bytes);
        check_header(&mut reader, bytes, REQUEST)?;
        let salt = reader.array()?;
        let count = reader.count(1)?;
        if count > MAX_ASKS {
            return Err(ReconcileError::Malformed);
        }
        let mut last = None;
        let asks = (0..count)
            .map(|_| Ask::decode(&mut reader, &mut last))
            .collect::<Result<Vec<_>, _>>()?;
        reader.end()?;
        let mut order = Order::default();
        if asks.iter().all(|ask| order.admits(ask)) {
            Ok(Self { salt, asks })
        } else {
            Err(ReconcileError::Malformed)
        }
    }
}

/// Questions ascend, and no two are about the same: a short request cannot have the same long
/// answer given many times over.
#[derive(Default)]
struct Order {
    /// Whether there was a census, and where the last one ended.
    counted: bool,
    upto: Option<KeyspaceId>,
    /// Keyspace and last head of the last probe or list.
    bucket: Option<(KeyspaceId, u64)>,
}

impl Order {
    fn admits(&mut self, ask: &Ask) -> bool {
        match ask {
            Ask::Census { after, upto, .. } => {
                let admitted = !self.counted || (self.upto.is_some() && self.upto <= *after);
                (self.counted, self.upto) = (true, *upto);
                admitted
            }
            Ask::Probe { keyspace, width, first, digests } => {
                let last = u32::try_from(digests.len()).unwrap_or(u32::MAX) - 1 + first;
                let (first, last) =
                    (Base::ALL.child(*width, *first), Base::ALL.child(*width, last));
                self.admits_bucket(*keyspace, first.head(), last.last())
            }
            Ask::List { keyspace, base, .. } => {
                self.admits_bucket(*keyspace, base.head(), base.last())
            }
        }
    }

    fn admits_bucket(&mut self, keyspace: KeyspaceId, first: u64, last: u64) -> bool {
        self.bucket.replace((keyspace, last)).is_none_or(|before| before < (keyspace, first))
    }
}

impl Ask {
    /// The most bytes that a question takes besides its digests, fingerprints or ids.
    pub(in crate::reconcile) const MAX_FIXED_BYTES: usize = 64;

    fn encode(&self, out: &mut Vec<u8>, last: &mut Option<KeyspaceId>) {
        match self {
            Self::Census { after, upto, ids } => {
                out.push(ASK_CENSUS);
                put_optional(out, after.as_ref().map(<[u8; 16]>::as_slice));
                put_optional(out, upto.as_ref().map(<[u8; 16]>::as_slice));
                put_count(out, ids.len());
                out.extend_from_slice(ids.as_flattened());
            }
            Self::Probe { keyspace, width, first, digests } => {
                put_keyspace(out, ASK_PROBE, *keyspace, last);
                out.push(*width);
                put_number(out, *first);
                put_count(out, digests.len());
                put_numbers::<DIGEST_BYTES>(out, digests);
            }
            Self::List { keyspace, base, fingerprints } => {
                put_keyspace(out, ASK_LIST, *keyspace, last);
                put_base(out, *base);
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
                let count = reader.count(FINGERPRINT_BYTES)?;
                let fingerprints = reader.numbers::<FINGERPRINT_BYTES>(count)?;
                Ok(Self::List { keyspace, base, fingerprints })
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
        let width = reader.byte()?;
        let first = reader.number()?;
        let count = reader.count(DIGEST_BYTES)?;
        let digests = reader.numbers::<DIGEST_BYTES>(count)?;
        let end = u32::try_from(count).ok().and_then(|count| first.checked_add(count));
        let fits =
            width <= MAX_WIDTH_BITS && end.is_some_and(|end| first < end && end <= 1 << width);
        if fits {
            Ok(Self::Probe { keyspace, width, first, digests })
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
