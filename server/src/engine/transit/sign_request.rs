//! Requests to sign, to verify and to make HMACs: one input, or a batch.

use serde::Deserialize;

use super::super::fields::{Integer, Text};
use super::batch::items;
use super::scheme::{Options, Words};
use super::wire::decode;
use crate::logical::{ApiError, ApiResult, Call, Flag};

/// One input of a request.
#[derive(Deserialize, Default)]
pub(super) struct Item<'a> {
    #[serde(borrow)]
    pub(super) input: Option<Text<'a>>,
    #[serde(borrow)]
    context: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) signature: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) hmac: Option<Text<'a>>,
    #[serde(borrow)]
    reference: Option<Text<'a>>,
}

/// A request: a batch, or the fields of one input.
#[derive(Deserialize)]
pub(super) struct Request<'a> {
    #[serde(borrow)]
    batch_input: Option<Vec<Item<'a>>>,
    #[serde(borrow)]
    input: Option<Text<'a>>,
    #[serde(borrow)]
    context: Option<Text<'a>>,
    #[serde(borrow)]
    signature: Option<Text<'a>>,
    #[serde(borrow)]
    hmac: Option<Text<'a>>,
    pub(super) key_version: Option<Integer>,
    #[serde(borrow)]
    hash_algorithm: Option<Text<'a>>,
    #[serde(borrow)]
    algorithm: Option<Text<'a>>,
    #[serde(borrow)]
    marshaling_algorithm: Option<Text<'a>>,
    #[serde(borrow)]
    salt_length: Option<Text<'a>>,
    #[serde(borrow)]
    signature_algorithm: Option<Text<'a>>,
    prehashed: Option<Flag>,
}

impl<'a> Request<'a> {
    pub(super) fn take_items(&mut self) -> ApiResult<(Vec<Item<'a>>, bool)> {
        items(self.batch_input.take(), || Item {
            input: self.input.take(),
            context: self.context.take(),
            signature: self.signature.take(),
            hmac: self.hmac.take(),
            reference: None,
        })
    }

    /// The hash function's name: of the path, else of the body, else none.
    pub(super) fn hash_name<'s>(&'s self, call: &'s Call<'_>) -> &'s str {
        Self::named(call, &[&self.hash_algorithm, &self.algorithm])
    }

    /// As [`Request::hash_name`], for making HMACs, where the body has but the one name.
    pub(super) fn hmac_name<'s>(&'s self, call: &'s Call<'_>) -> &'s str {
        Self::named(call, &[&self.algorithm])
    }

    fn named<'s>(call: &'s Call<'_>, body: &[&'s Option<Text<'a>>]) -> &'s str {
        let named =
            body.iter().copied().flatten().map(|text| &*text.0).find(|name| !name.is_empty());
        match call.param("urlalgorithm") {
            "" => named.unwrap_or(""),
            name => name,
        }
    }

    /// The options of signatures.
    pub(super) fn options(&self, call: &Call<'_>) -> ApiResult<Options> {
        Options::read(&Words {
            hash: self.hash_name(call),
            signature_algorithm: word(self.signature_algorithm.as_ref()),
            salt_length: word(self.salt_length.as_ref()),
            marshaling: word(self.marshaling_algorithm.as_ref()),
            prehashed: self.prehashed.is_some_and(|flag| flag.0),
        })
    }
}

fn word<'t>(text: Option<&'t Text<'_>>) -> &'t str {
    text.map_or("", |text| &text.0)
}

impl Item<'_> {
    /// The input in bytes. Outside of a batch, an input that is not there is empty.
    pub(super) fn input(&self, batch: bool, missing: &str) -> ApiResult<Vec<u8>> {
        match &self.input {
            Some(text) => decode(&text.0).map_err(|e| {
                ApiError::bad_request(format!("unable to decode input as base64: {e}"))
            }),
            None if batch => Err(ApiError::bad_request(missing)),
            None => Ok(Vec::new()),
        }
    }

    pub(super) fn context(&self) -> ApiResult<Option<Vec<u8>>> {
        match &self.context {
            Some(text) if !text.0.is_empty() => decode(&text.0)
                .map(Some)
                .map_err(|_| ApiError::bad_request("failed to base64-decode context")),
            _ => Ok(None),
        }
    }

    pub(super) fn reference(&self) -> &str {
        self.reference.as_ref().map_or("", |text| &text.0)
    }
}
