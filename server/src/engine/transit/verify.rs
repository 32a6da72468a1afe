//! Verifying signatures and HMACs: one input, or a batch.

use aws_lc_rs::signature::{ED25519, KeyPair, UnparsedPublicKey};
use serde::Serialize;
use serde_json::json;

use super::batch::{answer, message};
use super::hash::Hash;
use super::hmac::{hmac_hash, verify_hmac};
use super::kind::Kind;
use super::native::Scheme;
use super::ready::Key;
use super::scheme::Options;
use super::sign::must_sign;
use super::sign_request::{Item, Request};
use super::wire::split_exactly;
use crate::barrier::View;
use crate::logical::{ApiError, ApiResult, Call, Response};

#[derive(Serialize)]
struct VerifiedItem<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    valid: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    reference: &'a str,
}

pub(super) fn verify(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let mut request: Request<'_> = call.parse()?;
    let options = request.options(call)?;
    let (items, batch) = request.take_items()?;
    let signatures = items.iter().filter(|item| item.signature.is_some()).count();
    let hmacs = items.iter().filter(|item| item.hmac.is_some()).count();
    if signatures == 0 && hmacs == 0 {
        return Err(ApiError::bad_request(if batch {
            "no batch_input elements have 'signature' or 'hmac'"
        } else {
            "neither a 'signature' nor an 'hmac' were given to verify"
        }));
    }
    if signatures < items.len() && hmacs < items.len() {
        return Err(ApiError::bad_request(
            "elements of batch_input must all provide 'signature' or all provide 'hmac'",
        ));
    }
    let by_signature = signatures == items.len();
    let key = Key::of_call(call, view, "signature verification")?;
    let how = if by_signature {
        must_sign(&key, "verification")?;
        options.must_verify()?;
        Check::Signature(options.scheme(key.stored.kind)?, &options)
    } else {
        Check::Hmac(hmac_hash(request.hash_name(call))?)
    };
    let verify_one = |item: &Item<'_>| match how {
        Check::Signature(scheme, options) => verify_signature(&key, item, scheme, options, batch),
        Check::Hmac(hash) => verify_hmac(&key, item, hash, batch),
    };
    if !batch {
        return Response::data(&json!({ "valid": verify_one(&items[0])? }));
    }
    let results: Vec<VerifiedItem<'_>> = items
        .iter()
        .map(|item| {
            let (valid, error) = match verify_one(item) {
                Ok(valid) => (Some(valid), None),
                // Clients match on it where there is a signature, as they do on its error.
                Err(e) => (by_signature.then_some(false), Some(message(e))),
            };
            VerifiedItem { valid, error, reference: item.reference() }
        })
        .collect();
    answer(&results)
}

/// What the items of a request to verify are.
#[derive(Clone, Copy)]
enum Check<'o> {
    Signature(Scheme, &'o Options),
    Hmac(Hash),
}

fn verify_signature(
    key: &Key,
    item: &Item<'_>,
    scheme: Scheme,
    options: &Options,
    batch: bool,
) -> ApiResult<bool> {
    let input = item.input(batch, "missing input")?;
    let context = item.context()?;
    let text = item.signature.as_ref().map_or("", |text| &text.0);
    let (version, body) = split_exactly(text, "invalid signature")?;
    let version = key.stored.version_to_read(version, "invalid signature")?;
    let kind = key.stored.kind;
    let Some(bytes) = options.read_signature(kind, body)? else { return Ok(false) };
    let material = key.stored.material(version)?;
    if kind == Kind::Ed25519 {
        let derived;
        let public: &[u8] = if key.stored.derived {
            derived = key.ed25519(version, context.as_deref())?;
            derived.public_key().as_ref()
        } else {
            &material.public
        };
        return Ok(UnparsedPublicKey::new(&ED25519, public).verify(&input, &bytes).is_ok());
    }
    let Some(digest) = options.digest(kind, input) else { return Ok(false) };
    Ok(key.pair(version)?.verify(scheme, &digest, &bytes))
}
