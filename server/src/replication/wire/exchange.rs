//! What is asked for and answered, one by one: entries of a snapshot, and calls.

use strongroom_merkle::KeyHash;
use zeroize::Zeroizing;

use super::WireError;
use super::codec::{Input, Output};

/// One fetched entry; `None` when the snapshot has none of that hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fetched {
    pub(crate) hash: KeyHash,
    pub(crate) entry: Option<(Vec<u8>, Vec<u8>)>,
}

impl Fetched {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.hash.0);
        out.put_flag(self.entry.is_some());
        if let Some((key, value)) = &self.entry {
            out.put_bytes(key);
            out.put_bytes(value);
        }
    }

    pub(super) fn decode(input: &mut Input<'_>) -> Result<Self, WireError> {
        let hash = KeyHash(input.array()?);
        let entry = if input.flag()? {
            Some((input.bytes()?.to_vec(), input.bytes()?.to_vec()))
        } else {
            None
        };
        Ok(Self { hash, entry })
    }
}

/// A forwarded call or its answer: JSON beside a raw body.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Forwarded {
    /// Pairs answers with calls on one connection.
    pub(crate) id: u64,
    pub(crate) json: Zeroizing<Vec<u8>>,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Forwarded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forwarded").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Forwarded {
    pub(super) fn decode(input: &mut Input<'_>) -> Result<Self, WireError> {
        Ok(Self {
            id: input.u64()?,
            json: Zeroizing::new(input.bytes()?.to_vec()),
            body: Zeroizing::new(input.bytes()?.to_vec()),
        })
    }
}
