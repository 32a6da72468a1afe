//! HMACs under the key of a version: making them, for one input or a batch, and checking one.

use base64::Engine;
use serde::Serialize;
use serde_json::json;
use subtle::ConstantTimeEq;

use super::batch::{answer, message};
use super::hash::Hash;
use super::ready::Key;
use super::sign_request::{Item, Request};
use super::wire::{BASE64, decode, push_prefix, split_exactly};
use crate::barrier::View;
use crate::logical::{ApiError, ApiResult, Call, Response};

#[derive(Serialize)]
struct HmacItem<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    hmac: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    reference: &'a str,
}

pub(super) fn hmac(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let mut request: Request<'_> = call.parse()?;
    let (items, batch) = request.take_items()?;
    if !batch && items[0].input.is_none() {
        return Err(ApiError::bad_request("missing input for HMAC"));
    }
    let key = Key::of_call(call, view, "encryption")?;
    let hash = hmac_hash(request.hmac_name(call))?;
    let version = hmac_version(&key, request.key_version.map_or(0, |n| n.0))?;
    let mac_key = &key.stored.material(version)?.hmac_key;
    let mac_one = |item: &Item<'_>| -> ApiResult<String> {
        let input = item.input(batch, "missing input for HMAC")?;
        let mac = hash.hmac(mac_key.expose(), &input);
        let mac = mac.ok_or_else(|| ApiError::bad_request("algorithm cannot be none"))?;
        let mut text = String::with_capacity(112);
        push_prefix(version, &mut text);
        BASE64.encode_string(mac, &mut text);
        Ok(text)
    };
    if !batch {
        return Response::data(&json!({ "hmac": mac_one(&items[0])? }));
    }
    let results: Vec<HmacItem<'_>> = items
        .iter()
        .map(|item| {
            let reference = item.reference();
            match mac_one(item) {
                Ok(mac) => HmacItem { hmac: Some(mac), error: None, reference },
                Err(e) => HmacItem { hmac: None, error: Some(message(e)), reference },
            }
        })
        .collect();
    answer(&results)
}

fn hmac_version(key: &Key, requested: i64) -> ApiResult<u32> {
    let latest = key.stored.latest;
    if requested == 0 {
        return Ok(latest);
    }
    if requested < 0 {
        return Err(ApiError::bad_request("key version does not exist (cannot be negative)"));
    }
    if requested > i64::from(latest) {
        return Err(ApiError::bad_request(format!(
            "key version does not exist; latest key version is {latest}"
        )));
    }
    u32::try_from(requested).ok().filter(|n| *n >= key.stored.min_decryption).ok_or_else(|| {
        ApiError::bad_request("cannot generate HMAC: version is too old (disallowed by policy)")
    })
}

pub(super) fn hmac_hash(name: &str) -> ApiResult<Hash> {
    let refuse = |why: String| Err(ApiError::bad_request(why));
    match Hash::from_name(name) {
        Some(Hash::None) => refuse("algorithm cannot be none".to_owned()),
        Some(hash) => Ok(hash),
        None => refuse(format!("unsupported algorithm {name:?}")),
    }
}

pub(super) fn verify_hmac(key: &Key, item: &Item<'_>, hash: Hash, batch: bool) -> ApiResult<bool> {
    let input = item.input(batch, "missing input")?;
    let text = item.hmac.as_ref().map_or("", |text| &text.0);
    let what = if text.starts_with("vault:v") { "invalid HMAC" } else { "invalid HMAC to verify" };
    let (version, body) = split_exactly(text, what)?;
    let given = decode(body).map_err(|e| {
        ApiError::bad_request(format!("unable to decode verification HMAC as base64: {e}"))
    })?;
    if version > i64::from(key.stored.latest) {
        return Err(ApiError::bad_request("invalid HMAC: version is too new"));
    }
    let version = u32::try_from(version).ok().filter(|n| *n >= key.stored.min_decryption);
    let version = version.ok_or_else(|| {
        ApiError::bad_request("cannot verify HMAC: version is too old (disallowed by policy)")
    })?;
    let material = key.stored.material(version)?;
    let expected = hash.hmac(material.hmac_key.expose(), &input);
    Ok(expected.is_some_and(|expected| expected.ct_eq(&given).into()))
}
