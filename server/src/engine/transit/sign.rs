//! sign, verify and hmac: one input, or a batch.

use aws_lc_rs::signature::{ED25519, KeyPair, UnparsedPublicKey};
use base64::Engine;
use serde::{Deserialize, Serialize};
use serde_json::json;
use subtle::ConstantTimeEq;

use super::super::fields::{Integer, Text};
use super::batch::{answer, items, message};
use super::hash::Hash;
use super::kind::Kind;
use super::material::unhurried_if_many;
use super::native::{Salt, Scheme};
use super::ready::Key;
use super::scheme::{Options, Words};
use super::wire::{BASE64, decode, push_prefix, split_exactly};
use crate::barrier::View;
use crate::logical::{ApiError, ApiResult, Call, Flag, Response};

/// One input of a request.
#[derive(Deserialize, Default)]
struct Item<'a> {
    #[serde(borrow)]
    input: Option<Text<'a>>,
    #[serde(borrow)]
    context: Option<Text<'a>>,
    #[serde(borrow)]
    signature: Option<Text<'a>>,
    #[serde(borrow)]
    hmac: Option<Text<'a>>,
    #[serde(borrow)]
    reference: Option<Text<'a>>,
}

/// A request: a batch, or the fields of one input.
#[derive(Deserialize)]
struct Request<'a> {
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
    key_version: Option<Integer>,
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
    fn take_items(&mut self) -> ApiResult<(Vec<Item<'a>>, bool)> {
        items(self.batch_input.take(), || Item {
            input: self.input.take(),
            context: self.context.take(),
            signature: self.signature.take(),
            hmac: self.hmac.take(),
            reference: None,
        })
    }

    /// The hash function's name: of the path, else of the body, else none.
    fn hash_name<'s>(&'s self, call: &'s Call<'_>) -> &'s str {
        Self::named(call, &[&self.hash_algorithm, &self.algorithm])
    }

    /// As [`Request::hash_name`], for making HMACs, where the body has but the one name.
    fn hmac_name<'s>(&'s self, call: &'s Call<'_>) -> &'s str {
        Self::named(call, &[&self.algorithm])
    }

    fn named<'s>(call: &'s Call<'_>, body: &[&'s Option<Text<'a>>]) -> &'s str {
        let named =
            body.iter().copied().flatten().map(|text| &*text.0).find(|name| !name.is_empty());
        match call.param("algorithm") {
            "" => named.unwrap_or(""),
            name => name,
        }
    }

    /// The options of signatures.
    fn options(&self, call: &Call<'_>) -> ApiResult<Options> {
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
    fn input(&self, batch: bool, missing: &str) -> ApiResult<Vec<u8>> {
        match &self.input {
            Some(text) => decode(&text.0).map_err(|e| {
                ApiError::bad_request(format!("unable to decode input as base64: {e}"))
            }),
            None if batch => Err(ApiError::bad_request(missing)),
            None => Ok(Vec::new()),
        }
    }

    fn context(&self) -> ApiResult<Option<Vec<u8>>> {
        match &self.context {
            Some(text) if !text.0.is_empty() => decode(&text.0)
                .map(Some)
                .map_err(|_| ApiError::bad_request("failed to base64-decode context")),
            _ => Ok(None),
        }
    }

    fn reference(&self) -> &str {
        self.reference.as_ref().map_or("", |text| &text.0)
    }
}

fn must_sign(key: &Key, what: &str) -> ApiResult<()> {
    if key.stored.kind.signs() {
        return Ok(());
    }
    let kind = key.stored.kind.name();
    Err(ApiError::bad_request(format!("key type {kind} does not support {what}")))
}

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
                Err(e) => (None, Some(message(e))),
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

fn verify_hmac(key: &Key, item: &Item<'_>, hash: Hash, batch: bool) -> ApiResult<bool> {
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

fn hmac_hash(name: &str) -> ApiResult<Hash> {
    let refuse = |why: String| Err(ApiError::bad_request(why));
    match Hash::from_name(name) {
        Some(Hash::None) => refuse("algorithm cannot be none".to_owned()),
        Some(hash) => Ok(hash),
        None => refuse(format!("unsupported algorithm {name:?}")),
    }
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
