//! A key as the API describes it.

use std::collections::BTreeMap;

use aws_lc_rs::signature::KeyPair;
use base64::Engine;
use serde::Serialize;

use super::super::stamp::Stamp;
use super::derive;
use super::key::{Event, Stored};
use super::kind::{Family, Kind};
use super::material::Version;
use super::wire::BASE64;
use crate::logical::{ApiResult, Response};

/// The answer that describes a key; a derived signing key has a public key per context.
pub(super) fn info(name: &str, stored: &Stored, context: Option<&[u8]>) -> ApiResult<Response> {
    let mut keys = BTreeMap::new();
    for (number, version) in stored.versions.range(stored.min_decryption..) {
        keys.insert(*number, version_info(stored, version, context)?);
    }
    let kind = stored.kind;
    let shown = kind.family() != Family::Hmac;
    Response::data(&Info {
        name,
        kind,
        allow_plaintext_backup: stored.allow_plaintext_backup,
        auto_rotate_period: stored.auto_rotate_period,
        deletion_allowed: stored.deletion_allowed,
        derived: stored.derived,
        exportable: stored.exportable,
        imported_key: stored.imported.is_some(),
        imported_key_allow_rotation: stored.imported.map(|imported| imported.allow_rotation),
        key_size: (!shown).then_some(stored.key_size),
        keys: shown.then_some(keys),
        latest_version: stored.latest,
        min_available_version: stored.min_available,
        min_decryption_version: stored.min_decryption,
        min_encryption_version: stored.min_encryption,
        soft_deleted: stored.soft_deleted,
        supports_decryption: kind.encrypts(),
        supports_derivation: kind.derives(),
        supports_encryption: kind.encrypts(),
        supports_signing: kind.signs(),
        kdf: stored.derived.then_some("hkdf_sha256"),
        convergent_encryption: stored.derived.then_some(stored.convergent),
        // -1: each version has its own, and it is the newest scheme.
        convergent_encryption_version: stored.convergent.then_some(-1),
        backup_info: stored.backup.as_ref().map(EventInfo::of),
        restore_info: stored.restore.as_ref().map(EventInfo::of),
    })
}

#[derive(Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    clippy::struct_field_names,
    reason = "as the API has them"
)]
struct Info<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    kind: Kind,
    allow_plaintext_backup: bool,
    auto_rotate_period: i64,
    deletion_allowed: bool,
    derived: bool,
    exportable: bool,
    imported_key: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    imported_key_allow_rotation: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_size: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<BTreeMap<u32, VersionInfo>>,
    latest_version: u32,
    min_available_version: u32,
    min_decryption_version: u32,
    min_encryption_version: u32,
    soft_deleted: bool,
    supports_decryption: bool,
    supports_derivation: bool,
    supports_encryption: bool,
    supports_signing: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    kdf: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    convergent_encryption: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    convergent_encryption_version: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup_info: Option<EventInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restore_info: Option<EventInfo>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum VersionInfo {
    Symmetric(i64),
    Signing {
        name: &'static str,
        public_key: String,
        creation_time: String,
        certificate_chain: String,
    },
}

#[derive(Serialize)]
struct EventInfo {
    time: String,
    version: u32,
}

impl EventInfo {
    fn of(event: &Event) -> Self {
        Self { time: event.time.rfc3339(), version: event.version }
    }
}

fn version_info(
    stored: &Stored,
    version: &Version,
    context: Option<&[u8]>,
) -> ApiResult<VersionInfo> {
    if !stored.kind.signs() {
        return Ok(VersionInfo::Symmetric(version.created.unix()));
    }
    let public_key = match context {
        Some(context) if stored.derived => {
            BASE64.encode(derive::signer(version, context)?.public_key().as_ref())
        }
        _ => version.public_text(stored.kind),
    };
    Ok(VersionInfo::Signing {
        name: stored.kind.public_name(),
        public_key,
        creation_time: Stamp::rfc3339(version.created),
        certificate_chain: version.certificates.clone(),
    })
}
