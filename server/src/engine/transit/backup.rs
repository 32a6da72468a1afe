//! `backup` and `restore`: a whole key as one text, in the form that Vault and OpenBao use, so that
//! keys can move between servers.
//!
//! The text is base64 of JSON: `policy` has the settings and the versions that may be used, and
//! `archived_keys` every version that was not trimmed, the first one kept at index 1.

use std::collections::BTreeMap;

use base64::Engine;
use serde::{Deserialize, Serialize};
use serde_json::json;
use zeroize::Zeroizing;

use super::super::fields::Fields;
use super::super::stamp::Stamp;
use super::key::{self, Event, Key, Stored, Version};
use super::keys::load;
use super::kind::Kind;
use super::secret::Secret;
use super::wire::{BASE64, decode};
use crate::barrier::View;
use crate::logical::{ApiError, ApiResult, Call, Response};

/// The only derivation that is supported: HKDF-SHA256.
const KDF_HKDF: u8 = 1;
/// The only scheme of convergent nonces that is supported.
const CONVERGENT_SCHEME: i32 = 3;
/// Versions that one backup may hold.
const VERSIONS_MAX: u32 = 100_000;

#[derive(Serialize, Deserialize)]
struct Backup {
    policy: Policy,
    archived_keys: Archive,
}

#[derive(Serialize, Deserialize)]
struct Archive {
    keys: Vec<Material>,
}

#[derive(Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "as the format has them")]
struct Policy {
    name: String,
    keys: BTreeMap<u32, Material>,
    #[serde(default)]
    derived: bool,
    #[serde(default)]
    kdf: u8,
    #[serde(default)]
    convergent_encryption: bool,
    #[serde(default)]
    exportable: bool,
    min_decryption_version: u32,
    #[serde(default)]
    min_encryption_version: u32,
    latest_version: u32,
    archive_version: u32,
    #[serde(default)]
    archive_min_version: u32,
    #[serde(default)]
    min_available_version: u32,
    #[serde(default)]
    deletion_allowed: bool,
    #[serde(default)]
    convergent_version: i32,
    #[serde(rename = "type")]
    kind: u8,
    backup_info: Option<Info>,
    restore_info: Option<Info>,
    #[serde(default)]
    allow_plaintext_backup: bool,
    /// Nanoseconds.
    #[serde(default)]
    auto_rotate_period: i64,
}

#[derive(Serialize, Deserialize)]
struct Info {
    time: String,
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct Material {
    key: Option<Secret>,
    hmac_key: Option<Secret>,
    #[serde(default)]
    time: String,
    #[serde(default)]
    public_key: String,
    #[serde(default)]
    convergent_version: i32,
    #[serde(default)]
    creation_time: i64,
}

/// Numbers of the key types in a backup.
fn kind_number(kind: Kind) -> u8 {
    match kind {
        Kind::Aes256Gcm96 => 0,
        Kind::Ed25519 => 2,
        Kind::ChaCha20Poly1305 => 5,
        Kind::Aes128Gcm96 => 8,
    }
}

fn kind_of(number: u8) -> ApiResult<Kind> {
    let all = [Kind::Aes256Gcm96, Kind::Ed25519, Kind::ChaCha20Poly1305, Kind::Aes128Gcm96];
    all.into_iter().find(|kind| kind_number(*kind) == number).ok_or_else(|| {
        ApiError::bad_request(format!("backup holds a key of unsupported type {number}"))
    })
}

pub(super) fn backup(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let name = call.param("name");
    let mut stored = load(view, name)?.ok_or_else(ApiError::not_found)?;
    if !stored.exportable {
        return Err(ApiError::bad_request("exporting is disallowed on the policy"));
    }
    if !stored.allow_plaintext_backup {
        return Err(ApiError::bad_request("plaintext backup is disallowed on the policy"));
    }
    stored.backup = Some(Event { time: call.now.into(), version: stored.latest });
    key::store(view, name, &stored)?;
    let plain =
        Zeroizing::new(serde_json::to_vec(&write(name, &stored)).map_err(ApiError::internal)?);
    let text = Zeroizing::new(BASE64.encode(&*plain));
    Response::data(&json!({ "backup": text.as_str() }))
}

fn write(name: &str, stored: &Stored) -> Backup {
    let material = |version: &Version| Material {
        key: Some(version.key.clone()),
        hmac_key: Some(version.hmac_key.clone()),
        time: version.created.rfc3339(),
        public_key: if version.public.is_empty() {
            String::new()
        } else {
            BASE64.encode(&version.public)
        },
        convergent_version: if stored.convergent { CONVERGENT_SCHEME } else { 0 },
        creation_time: version.created.unix(),
    };
    let nothing = Material {
        key: None,
        hmac_key: None,
        time: "0001-01-01T00:00:00Z".to_owned(),
        public_key: String::new(),
        convergent_version: 0,
        creation_time: 0,
    };
    let info = |event: &Event| Info { time: event.time.rfc3339(), version: event.version };
    let usable = stored.versions.range(stored.min_decryption..);
    let mut archived = vec![nothing];
    archived.extend(stored.versions.values().map(material));
    Backup {
        policy: Policy {
            name: name.to_owned(),
            keys: usable.map(|(number, version)| (*number, material(version))).collect(),
            derived: stored.derived,
            kdf: u8::from(stored.derived) * KDF_HKDF,
            convergent_encryption: stored.convergent,
            exportable: stored.exportable,
            min_decryption_version: stored.min_decryption,
            min_encryption_version: stored.min_encryption,
            latest_version: stored.latest,
            archive_version: stored.latest,
            archive_min_version: stored.min_available,
            min_available_version: stored.min_available,
            deletion_allowed: stored.deletion_allowed,
            convergent_version: if stored.convergent { -1 } else { 0 },
            kind: kind_number(stored.kind),
            backup_info: stored.backup.as_ref().map(info),
            restore_info: stored.restore.as_ref().map(info),
            allow_plaintext_backup: stored.allow_plaintext_backup,
            auto_rotate_period: stored.auto_rotate_period.saturating_mul(1_000_000_000),
        },
        archived_keys: Archive { keys: archived },
    }
}

/// `restore`, to the name in the backup, and `restore/<name>`.
pub(super) fn restore(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let fields = Fields::of(call)?;
    let text = fields.text("backup")?.filter(|text| !text.is_empty()).map(Zeroizing::new);
    let text = text.ok_or_else(|| ApiError::bad_request("'backup' must be supplied"))?;
    let force = fields.flag("force")?.unwrap_or(false);
    let malformed = || ApiError::bad_request("backup is malformed");
    let plain = Zeroizing::new(decode(&text).map_err(|_| malformed())?);
    let backup: Backup = serde_json::from_slice(&plain).map_err(|_| malformed())?;
    let name = match call.param("name") {
        "" => backup.policy.name.clone(),
        name => name.to_owned(),
    };
    if !key::is_name(&name) {
        return Err(ApiError::bad_request("the backup has no usable name; give one in the path"));
    }
    if !force && Key::load(view, &name)?.is_some() {
        return Err(ApiError::bad_request(format!("key {name:?} already exists")));
    }
    let mut stored = read(backup)?;
    stored.restore = Some(Event { time: call.now.into(), version: stored.latest });
    key::store(view, &name, &stored)?;
    Ok(Response::empty())
}

/// The key of a backup, checked: nothing that could not be used later is taken.
fn read(backup: Backup) -> ApiResult<Stored> {
    let policy = backup.policy;
    let refuse = |why: &str| Err(ApiError::bad_request(format!("backup is malformed: {why}")));
    let kind = kind_of(policy.kind)?;
    if policy.derived && policy.kdf != KDF_HKDF {
        return refuse("only keys derived by HKDF-SHA256 are supported");
    }
    if policy.convergent_encryption && (!policy.derived || !kind.encrypts()) {
        return refuse("a convergent key must be derived and encrypt");
    }
    let latest = policy.latest_version;
    let first = policy.min_available_version.max(1);
    let minimum = policy.min_decryption_version.max(1);
    if !(1..=VERSIONS_MAX).contains(&latest) || minimum > latest || minimum < first {
        return refuse("its versions make no sense");
    }
    let encryption = policy.min_encryption_version;
    if encryption > latest || (encryption > 0 && encryption < minimum) {
        return refuse("its minimum encryption version makes no sense");
    }
    let shape = Shape { kind, derived: policy.derived, convergent: policy.convergent_encryption };
    let all = backup.archived_keys.keys.into_iter().skip(1);
    let mut versions = BTreeMap::new();
    for (number, material) in (first..).zip(all) {
        versions.insert(number, read_version(material, &shape)?);
    }
    for (number, material) in policy.keys {
        versions.insert(number, read_version(material, &shape)?);
    }
    if !versions.keys().copied().eq(first..=latest) {
        return refuse("versions are missing");
    }
    let event =
        |info: Info| Stamp::parse(&info.time).map(|time| Event { time, version: info.version });
    Ok(Stored {
        kind,
        derived: policy.derived,
        convergent: policy.convergent_encryption,
        exportable: policy.exportable,
        allow_plaintext_backup: policy.allow_plaintext_backup,
        deletion_allowed: policy.deletion_allowed,
        latest,
        min_decryption: minimum,
        min_encryption: encryption,
        min_available: policy.min_available_version,
        auto_rotate_period: policy.auto_rotate_period / 1_000_000_000,
        backup: policy.backup_info.and_then(event),
        restore: None,
        versions,
    })
}

/// What the versions of a key must fit.
struct Shape {
    kind: Kind,
    derived: bool,
    convergent: bool,
}

fn read_version(material: Material, shape: &Shape) -> ApiResult<Version> {
    let malformed = || ApiError::bad_request("backup is malformed: a version has no usable key");
    let (Some(key), Some(hmac_key)) = (material.key, material.hmac_key) else {
        return Err(malformed());
    };
    if shape.convergent && material.convergent_version != CONVERGENT_SCHEME {
        return Err(ApiError::bad_request(format!(
            "backup holds a convergent key of unsupported scheme {}",
            material.convergent_version
        )));
    }
    let kind = shape.kind;
    let public = if kind.signs() && !shape.derived {
        key::public_half(&key, kind).ok_or_else(malformed)?
    } else {
        Vec::new()
    };
    let stored_len = kind.key_len() + if kind.signs() { key::PUBLIC_LEN } else { 0 };
    let created = Stamp::parse(&material.time).ok_or_else(malformed)?;
    if key.expose().len() != stored_len || hmac_key.expose().is_empty() {
        return Err(malformed());
    }
    Ok(Version { key, hmac_key, public, created })
}
