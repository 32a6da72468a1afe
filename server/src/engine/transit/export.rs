//! `export`: key material of keys that may leave, and public keys of all.

use std::collections::BTreeMap;

use base64::Engine;
use serde::Serialize;
use zeroize::Zeroizing;

use super::key::Stored;
use super::kind::{Family, Kind};
use super::material::Version;
use super::pem;
use super::ready::Key;
use super::secret::Secret;
use super::wire::BASE64;
use crate::barrier::View;
use crate::logical::{ApiError, ApiResult, Call, Response};

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Encryption,
    Signing,
    Hmac,
    Public,
    Certificates,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    /// What suits the type of the key.
    Usual,
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
        "certificate-chain" => What::Certificates,
        other => return Err(ApiError::bad_request(format!("invalid export type: {other}"))),
    };
    let format = match call.query("format").unwrap_or("") {
        "" => Format::Usual,
        "raw" => Format::Raw,
        "der" => Format::Der,
        "pem" => Format::Pem,
        other => return Err(ApiError::bad_request(format!("invalid format: {other}"))),
    };
    let key = Key::load(view, call.param("name"))?.ok_or_else(ApiError::not_found)?;
    let stored = &key.stored;
    stored.must_be_in_use()?;
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
    let public = matches!(what, What::Public | What::Certificates);
    if !public && !stored.exportable {
        return Err(ApiError::bad_request("private key material is not exportable"));
    }
    match what {
        What::Encryption if !stored.kind.encrypts() => {
            Err(ApiError::bad_request("encryption not supported for the key"))
        }
        What::Signing if !stored.kind.signs() => {
            Err(ApiError::bad_request("signing not supported for the key"))
        }
        What::Certificates if !stored.kind.signs() => Err(ApiError::bad_request(
            "certificate chain not supported for keys that do not support signing",
        )),
        What::Public if !stored.kind.signs() => {
            let kind = stored.kind.name();
            Err(ApiError::listed(
                400,
                format!("unknown key type {kind} for export type public-key"),
            ))
        }
        What::Public if stored.derived => Err(ApiError::bad_request(
            "a derived key has a public key per context; read it with that context",
        )),
        _ => Ok(()),
    }
}

/// All versions that may be used, or the one asked for.
pub(super) fn select<'s>(stored: &'s Stored, version: &str) -> ApiResult<Vec<(u32, &'s Version)>> {
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
    let private = match what {
        What::Certificates if version.certificates.is_empty() => {
            return Err(ApiError::listed(
                400,
                "selected key version does not have a certificate chain imported",
            ));
        }
        What::Certificates => return Ok(Zeroizing::new(version.certificates.clone())),
        What::Hmac => return raw(&version.hmac_key, format),
        What::Encryption if kind.is_aead() => return raw(&version.key, format),
        What::Encryption | What::Signing => true,
        What::Public => false,
    };
    if private && !version.is_private() {
        return Ok(Zeroizing::default());
    }
    let malformed = || ApiError::internal("a stored key is malformed");
    let (label, der) = if private {
        ("PRIVATE KEY", version.pkcs8(kind).ok_or_else(malformed)?)
    } else {
        ("PUBLIC KEY", Zeroizing::new(version.spki(kind)))
    };
    Ok(match (format, kind.plain().is_some()) {
        (Format::Der, _) => Zeroizing::new(BASE64.encode(&*der)),
        (Format::Usual | Format::Raw, true) if private => version.key.to_base64(),
        (Format::Usual | Format::Raw, true) => Zeroizing::new(BASE64.encode(&version.public)),
        (Format::Usual, false) if private => {
            shown(&version.family_pem(kind).ok_or_else(malformed)?, kind)
        }
        (Format::Usual | Format::Pem, _) => shown(&pem::encode(label, &der), kind),
        (Format::Raw, false) => return Err(no_raw_form(kind)),
    })
}

/// A symmetric key, which has one form only.
fn raw(key: &Secret, format: Format) -> ApiResult<Zeroizing<String>> {
    match format {
        Format::Usual | Format::Raw => Ok(key.to_base64()),
        Format::Der | Format::Pem => Err(ApiError::listed(
            400,
            "unknown format for HMAC key; supported values are `` or `raw`",
        )),
    }
}

fn no_raw_form(kind: Kind) -> ApiError {
    let family = if matches!(kind.family(), Family::Rsa(_)) { "rsa" } else { "ec" };
    ApiError::listed(
        400,
        format!("unknown key format for {family} key; supported values are ``, `der`, or `pem`"),
    )
}

/// PEM as it is exported: that of RSA keys alone has a line break at its end.
fn shown(text: &str, kind: Kind) -> Zeroizing<String> {
    let rsa = matches!(kind.family(), Family::Rsa(_));
    Zeroizing::new(if rsa { text } else { text.trim_end() }.to_owned())
}
