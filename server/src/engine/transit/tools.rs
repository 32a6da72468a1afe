//! datakey, random and hash.

use base64::Engine;
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::super::fields::{Fields, Text};
use super::cipher::HEAD_LEN;
use super::crypt::{RSA_ROOM, usable};
use super::crypt_request::not_aead;
use super::hash::Hash;
use super::nonce::with_generator;
use super::ready::Key;
use super::secret::Secret;
use super::wire::{BASE64, decode, push_prefix};
use crate::barrier::View;
use crate::logical::{ApiError, ApiResult, Call, Response};

/// Random bytes that one call may ask for.
const RANDOM_MAX: usize = 128 * 1024;
const RANDOM_DEFAULT: i64 = 32;

/// A new random key, encrypted, and in plaintext if the path says so.
pub(super) fn datakey(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let with_plaintext = match call.param("kind") {
        "plaintext" => true,
        "wrapped" => false,
        _ => {
            return Err(ApiError::bad_request("Invalid path, must be 'plaintext' or 'wrapped'"));
        }
    };
    let fields = Fields::of(call)?;
    let bytes = match fields.integer("bits")?.unwrap_or(256) {
        128 => 16,
        256 => 32,
        512 => 64,
        _ => return Err(ApiError::bad_request("invalid bit length")),
    };
    let binary = |name: &str| -> ApiResult<Option<Vec<u8>>> {
        let text = fields.text(name)?.filter(|text| !text.is_empty());
        text.as_deref()
            .map(decode)
            .transpose()
            .map_err(|_| ApiError::bad_request(format!("failed to base64-decode {name}")))
    };
    let context = binary("context")?;
    let aad = binary("associated_data")?.unwrap_or_default();
    let key = Key::of_call(call, view, "encryption")?;
    usable(&key, "encryption")?;
    if !aad.is_empty() && !key.stored.kind.is_aead() {
        return Err(not_aead(key.stored.kind));
    }
    let requested = fields.integer("key_version")?.unwrap_or(0);
    let version = key.stored.version_to_write(requested, "encryption")?;
    let new_key = Secret::random(bytes)?;
    let mut buffer = Zeroizing::new(Vec::with_capacity(RSA_ROOM));
    buffer.resize(HEAD_LEN, 0);
    buffer.extend_from_slice(new_key.expose());
    let start = with_generator(|generator| {
        key.seal(version, context.as_deref(), &aad, generator, &mut buffer)
    })?;
    let mut ciphertext = String::new();
    push_prefix(version, &mut ciphertext);
    BASE64.encode_string(&buffer[start..], &mut ciphertext);
    let mut data = json!({ "ciphertext": ciphertext, "key_version": version });
    if with_plaintext {
        data["plaintext"] = new_key.to_base64().as_str().into();
    }
    Response::data(&data)
}

/// `random`, `random/<source>`, `random/<bytes>` and `random/<source>/<bytes>`.
pub(crate) fn random(call: &Call<'_>, _: &mut View<'_>) -> ApiResult<Response> {
    let fields = Fields::of(call)?;
    let (source, path_bytes) = match (call.param("first"), call.param("urlbytes")) {
        ("", _) => ("platform", ""),
        (source @ ("platform" | "seal" | "all"), bytes) => (source, bytes),
        (bytes, "") => ("platform", bytes),
        (source, _) => {
            return Err(ApiError::bad_request(format!(
                "unsupported entropy source {source:?}; must be \"platform\" or \"seal\", or \
                 \"all\""
            )));
        }
    };
    let bytes = if path_bytes.is_empty() {
        fields.integer("bytes")?.unwrap_or(RANDOM_DEFAULT)
    } else {
        path_bytes.parse().map_err(|_| {
            ApiError::bad_request("error parsing url-set byte count: not an integer")
        })?
    };
    let bytes = usize::try_from(bytes).ok().filter(|n| *n > 0);
    let bytes = bytes.ok_or_else(|| ApiError::bad_request("'bytes' cannot be less than 1"))?;
    if bytes > RANDOM_MAX {
        return Err(ApiError::bad_request(format!("'bytes' should be less than {RANDOM_MAX}")));
    }
    let random = Secret::random(bytes)?;
    let text = encode(random.expose(), &fields.text("format")?.unwrap_or_default(), "base64")?;
    let response = Response::data(&json!({ "random_bytes": text.as_str() }))?;
    Ok(if source == "seal" {
        response.warn("no seal/entropy augmentation available, using platform entropy source")
    } else {
        response
    })
}

#[derive(Deserialize)]
struct HashRequest<'a> {
    #[serde(borrow)]
    input: Option<Text<'a>>,
    #[serde(borrow)]
    algorithm: Option<Text<'a>>,
    #[serde(borrow)]
    format: Option<Text<'a>>,
}

/// `hash` and `hash/<algorithm>`.
pub(crate) fn hash(call: &Call<'_>, _: &mut View<'_>) -> ApiResult<Response> {
    let request: HashRequest<'_> = call.parse()?;
    let input = request.input.ok_or_else(|| ApiError::bad_request("input missing"))?;
    let input = decode(&input.0)
        .map_err(|e| ApiError::bad_request(format!("unable to decode input as base64: {e}")))?;
    let named = request.algorithm.as_ref().map_or("", |text| &text.0);
    let in_path = call.param("urlalgorithm");
    let name = if in_path.is_empty() { named } else { in_path };
    let sum = Hash::from_name(name)
        .filter(|hash| *hash != Hash::Sha1)
        .and_then(|hash| hash.digest(&input))
        .ok_or_else(|| ApiError::bad_request(format!("unsupported algorithm {name}")))?;
    let format = request.format.as_ref().map_or("", |text| &text.0);
    Response::data(&json!({ "sum": encode(&sum, format, "hex")?.as_str() }))
}

fn encode(bytes: &[u8], format: &str, default: &str) -> ApiResult<Zeroizing<String>> {
    match if format.is_empty() { default } else { format } {
        "base64" => Ok(Zeroizing::new(BASE64.encode(bytes))),
        "hex" => Ok(Zeroizing::new(hex(bytes))),
        other => Err(ApiError::bad_request(format!(
            "unsupported encoding format {other:?}; must be \"hex\" or \"base64\""
        ))),
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
}
