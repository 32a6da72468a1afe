//! Requests to encrypt, decrypt and rewrap: one message, or a batch.

use serde::Deserialize;

use super::super::fields::{Integer, Text};
use super::batch::items;
use super::cipher::{HEAD_LEN, TAG_LEN};
use super::kind::Kind;
use super::wire::decode;
use crate::logical::{ApiError, ApiResult, Flag};

/// One message of a request.
#[derive(Deserialize, Default)]
pub(super) struct Item<'a> {
    #[serde(borrow)]
    pub(super) plaintext: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) ciphertext: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) context: Option<Text<'a>>,
    #[serde(borrow)]
    associated_data: Option<Text<'a>>,
    pub(super) key_version: Option<Integer>,
    #[serde(borrow)]
    reference: Option<Text<'a>>,
}

/// A request: a batch, or the fields of one message.
#[derive(Deserialize)]
pub(super) struct Request<'a> {
    #[serde(borrow)]
    batch_input: Option<Vec<Item<'a>>>,
    pub(super) partial_failure_response_code: Option<Integer>,
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Text<'a>>,
    pub(super) convergent_encryption: Option<Flag>,
    #[serde(borrow)]
    plaintext: Option<Text<'a>>,
    #[serde(borrow)]
    ciphertext: Option<Text<'a>>,
    #[serde(borrow)]
    context: Option<Text<'a>>,
    #[serde(borrow)]
    associated_data: Option<Text<'a>>,
    key_version: Option<Integer>,
}

impl<'a> Request<'a> {
    /// The messages, and whether they came as a batch.
    pub(super) fn take_items(&mut self) -> ApiResult<(Vec<Item<'a>>, bool)> {
        items(self.batch_input.take(), || Item {
            plaintext: self.plaintext.take(),
            ciphertext: self.ciphertext.take(),
            context: self.context.take(),
            associated_data: self.associated_data.take(),
            key_version: self.key_version,
            reference: None,
        })
    }
}

impl Item<'_> {
    pub(super) fn context(&self) -> ApiResult<Option<Vec<u8>>> {
        match &self.context {
            Some(text) if !text.0.is_empty() => Ok(Some(decode(&text.0)?)),
            _ => Ok(None),
        }
    }

    pub(super) fn associated_data(&self, kind: Kind) -> ApiResult<Vec<u8>> {
        match &self.associated_data {
            Some(text) if !text.0.is_empty() && !kind.is_aead() => Err(not_aead(kind)),
            Some(text) if !text.0.is_empty() => Ok(decode(&text.0).map_err(|e| {
                ApiError::bad_request(format!("associated_data is not base64: {e}"))
            })?),
            _ => Ok(Vec::new()),
        }
    }

    pub(super) fn reference(&self) -> &str {
        self.reference.as_ref().map_or("", |text| &text.0)
    }

    /// Bytes that its message takes in the buffer, at most.
    pub(super) fn room(&self) -> usize {
        let text = [&self.plaintext, &self.ciphertext];
        let longest = text.into_iter().flatten().map(|t| t.0.len()).max().unwrap_or(0);
        HEAD_LEN + longest / 4 * 3 + 3 + TAG_LEN
    }
}

/// 400 for associated data where it cannot be authenticated.
pub(super) fn not_aead(kind: Kind) -> ApiError {
    let name = kind.name();
    ApiError::bad_request(format!(
        "'[0].associated_data' provided for non-AEAD cipher suite {name}"
    ))
}
