//! Signing: one input, or a batch.

use aws_lc_rs::signature::KeyPair;
use base64::Engine;
use serde::Serialize;

use super::batch::{answer, message};
use super::kind::Kind;
use super::material::unhurried_if_many;
use super::native::{Salt, Scheme};
use super::ready::Key;
use super::scheme::Options;
use super::sign_request::{Item, Request};
use super::wire::{BASE64, push_prefix};
use crate::barrier::View;
use crate::logical::{ApiError, ApiResult, Call, Response};

#[derive(Serialize)]
struct Signed {
    key_version: u32,
    /// Of derived keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    signature: String,
}

#[derive(Serialize)]
struct SignedItem<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
    key_version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    publickey: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    reference: &'a str,
}

pub(super) fn sign(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let mut request: Request<'_> = call.parse()?;
    let options = request.options(call)?;
    let (items, batch) = request.take_items()?;
    let key = Key::of_call(call, view, "signing")?;
    must_sign(&key, "signing")?;
    let scheme = options.scheme(key.stored.kind)?;
    let requested = request.key_version.map_or(0, |n| n.0);
    let version = key.stored.version_to_write(requested, "signing")?;
    key.must_be_private(version, "signing")?;
    if !batch {
        let signed = sign_item(&key, version, &items[0], scheme, &options, false)?;
        return Response::data(&signed);
    }
    let sign = |item| sign_item(&key, version, item, scheme, &options, true);
    let signed: Vec<_> =
        unhurried_if_many(key.stored.kind, items.len(), || items.iter().map(sign).collect());
    let results: Vec<SignedItem<'_>> = std::iter::zip(&items, signed)
        .map(|(item, signed)| match signed {
            Ok(signed) => SignedItem {
                signature: Some(signed.signature),
                key_version: signed.key_version,
                publickey: signed.public_key,
                error: None,
                reference: item.reference(),
            },
            Err(e) => SignedItem {
                signature: None,
                key_version: 0,
                publickey: None,
                error: Some(message(e)),
                reference: item.reference(),
            },
        })
        .collect();
    answer(&results)
}

fn sign_item(
    key: &Key,
    version: u32,
    item: &Item<'_>,
    scheme: Scheme,
    options: &Options,
    batch: bool,
) -> ApiResult<Signed> {
    let input = item.input(batch, "missing input")?;
    let context = item.context()?;
    let kind = key.stored.kind;
    let mut signature = String::with_capacity(112);
    push_prefix(version, &mut signature);
    let mut public_key = None;
    if kind == Kind::Ed25519 {
        let pair = key.ed25519(version, context.as_deref())?;
        options.write(kind, pair.sign(&input).as_ref(), &mut signature)?;
        public_key = key.stored.derived.then(|| BASE64.encode(pair.public_key().as_ref()));
    } else {
        let digest = options.digest(kind, input).ok_or_else(|| {
            ApiError::bad_request("crypto/rsa: input must be hashed with given hash")
        })?;
        let bytes = key.pair(version)?.sign(scheme, &digest).ok_or_else(|| refused(scheme))?;
        options.write(kind, &bytes, &mut signature)?;
    }
    Ok(Signed { signature, key_version: version, public_key })
}

/// Why the library refused to sign.
fn refused(scheme: Scheme) -> ApiError {
    match scheme {
        Scheme::Pss(_, Salt::Exactly(bytes)) => {
            ApiError::bad_request(format!("requested salt length {bytes} is invalid"))
        }
        _ => ApiError::bad_request("the input does not fit the key and the hash algorithm"),
    }
}

/// Refuses keys that do not sign.
pub(super) fn must_sign(key: &Key, what: &str) -> ApiResult<()> {
    if key.stored.kind.signs() {
        return Ok(());
    }
    let kind = key.stored.kind.name();
    Err(ApiError::bad_request(format!("key type {kind} does not support {what}")))
}
