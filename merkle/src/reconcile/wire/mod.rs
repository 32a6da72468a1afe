//! Requests and responses as bytes. The tables are in `docs/merkle.md`.
//!
//! One content has one encoding; a decoder takes nothing else. What can be checked without the
//! request that an answer belongs to is checked here.
//!
//! - [`request`]: what an initiator asks;
//! - [`response`]: what a responder answers.

mod request;
mod response;

use super::codec::Reader;
use super::{MAX_MESSAGE_BYTES, ReconcileError};
pub(super) use request::{Ask, Request, RequestBuilder};
pub(super) use response::{Response, Resume, Tell};

pub(super) const VERSION: u8 = 3;

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
