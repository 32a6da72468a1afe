//! `export`: key material of keys that may leave, and public keys of all.

use std::collections::BTreeMap;

use aws_lc_rs::signature::KeyPair;
use base64::Engine;
use serde::Serialize;
use zeroize::Zeroizing;

use super::cipher::signing_key;
use super::key::{Key, Stored, Version};
use super::kind::Kind;
use super::wire::BASE64;
use crate::barrier::View;
use crate::logical::{ApiError, ApiResult, Call, Response};

/// PKCS #8 of an ed25519 key up to its seed (RFC 8410).
const PKCS8_HEAD: &[u8] = &[
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
/// Subject public key info of an ed25519 key up to the key (RFC 8410).
const SPKI_HEAD: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Encryption,
    Signing,
    Hmac,
    Public,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Raw,
    Der,
    Pem,
}

#[derive(Serialize)]
struct Answer<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    kind: Kind,
    keys: BTreeMap<u32, &'a str>,
}

pub(super) fn export(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let what = match call.param("kind") {
        "encryption-key" => What::Encryption,
        "signing-key" => What::Signing,
        "hmac-key" => What::Hmac,
        "public-key" => What::Public,
        other => return Err(ApiError::bad_request(format!("invalid export type: {other}"))),
    };
    let format = match call.query("format").unwrap_or("") {
        "" | "raw" => Format::Raw,
        "der" => Format::Der,
        "pem" => Format::Pem,
        other => return Err(ApiError::bad_request(format!("invalid format: {other}"))),
    };
    let key = Key::load(view, call.param("name"))?.ok_or_else(ApiError::not_found)?;
    let stored = &key.stored;
    allowed(stored, what)?;
    let versions = select(stored, call.param("version"))?;
    let mut texts: BTreeMap<u32, Zeroizing<String>> = BTreeMap::new();
    for (number, version) in versions {
        texts.insert(number, encode(version, what, format, stored.kind)?);
    }
    let keys = texts.iter().map(|(number, text)| (*number, text.as_str())).collect();
    Response::data(&Answer { name: call.param("name"), kind: stored.kind, keys })
}

fn allowed(stored: &Stored, what: What) -> ApiResult<()> {
    if what != What::Public && !stored.exportable {
        return Err(ApiError::bad_request("private key material is not exportable"));
    }
    match what {
        What::Encryption if !stored.kind.encrypts() => {
            Err(ApiError::bad_request("encryption not supported for the key"))
        }
        What::Signing if !stored.kind.signs() => {
            Err(ApiError::bad_request("signing not supported for the key"))
        }
        What::Public if !stored.kind.signs() => {
            let kind = stored.kind.name();
            Err(ApiError::bad_request(format!(
                "unknown key type {kind} for export type public-key"
            )))
        }
        What::Public if stored.derived => Err(ApiError::bad_request(
            "a derived key has a public key per context; read it with that context",
        )),
        _ => Ok(()),
    }
}

/// All versions that may be used, or the one asked for.
fn select<'s>(stored: &'s Stored, version: &str) -> ApiResult<Vec<(u32, &'s Version)>> {
    if version.is_empty() {
        return Ok(stored.versions.range(stored.min_decryption..).map(|(n, v)| (*n, v)).collect());
    }
    let number = match version {
        "latest" => stored.latest,
        digits => digits.parse().map_err(|_| ApiError::bad_request("invalid key version"))?,
    };
    if number < stored.min_decryption {
        return Err(ApiError::bad_request(
            "version for export is below minimum decryption version",
        ));
    }
    let found = stored.versions.get(&number);
    let found =
        found.ok_or_else(|| ApiError::bad_request("version does not exist or cannot be found"))?;
    Ok(vec![(number, found)])
}

fn encode(
    version: &Version,
    what: What,
    format: Format,
    kind: Kind,
) -> ApiResult<Zeroizing<String>> {
    let raw = match what {
        What::Encryption => return Ok(version.key.to_base64()),
        What::Hmac => return Ok(version.hmac_key.to_base64()),
        What::Signing => version.key.expose(),
        What::Public => &version.public,
    };
    if format == Format::Raw {
        return Ok(Zeroizing::new(BASE64.encode(raw)));
    }
    let seed = &version.key.expose()[..kind.key_len()];
    let (label, der) = if what == What::Signing {
        ("PRIVATE KEY", Zeroizing::new([PKCS8_HEAD, seed].concat()))
    } else {
        let public = [SPKI_HEAD, signing_key(seed)?.public_key().as_ref()].concat();
        ("PUBLIC KEY", Zeroizing::new(public))
    };
    let body = Zeroizing::new(BASE64.encode(&*der));
    Ok(match format {
        Format::Pem => Zeroizing::new(format!(
            "-----BEGIN {label}-----\n{}\n-----END {label}-----",
            body.as_str()
        )),
        _ => body,
    })
}
