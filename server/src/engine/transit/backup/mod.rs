//! `backup` and `restore`: a whole key as one text, in the form that Vault and OpenBao use, so that
//! keys can move between servers.
//!
//! The text is base64 of JSON: `policy` has the settings and the versions that may be used, and
//! `archived_keys` every version that was not trimmed, the first one kept at index 1.

mod material;

use std::collections::BTreeMap;

use base64::Engine;
use serde::{Deserialize, Serialize};
use serde_json::json;
use zeroize::Zeroizing;

use super::super::fields::Fields;
use super::super::stamp::Stamp;
use super::key::{self, Event, Imported, Stored};
use super::kind::Kind;
use super::material::Version;
use super::ready::{Key, load_stored};
use super::wire::{BASE64, decode};
use crate::barrier::View;
use crate::logical::{ApiError, ApiResult, Call, Response};
use material::Material;

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
    #[serde(default, skip_serializing_if = "is_zero")]
    key_size: u16,
    #[serde(default, rename = "Imported")]
    imported: bool,
    #[serde(default, rename = "AllowImportedKeyRotation")]
    imported_rotation: bool,
    #[serde(default)]
    soft_deleted: bool,
}

#[derive(Serialize, Deserialize)]
struct Info {
    time: String,
    version: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(n: &u16) -> bool {
    *n == 0
}

/// Clients know what a key's state does not allow here by this status.
fn refused(message: impl std::fmt::Display) -> ApiError {
    ApiError::listed(500, message)
}

pub(super) fn backup(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let name = call.param("name");
    let mut stored = load_stored(view, name)?.ok_or_else(ApiError::not_found)?;
    stored.must_be_in_use()?;
    if !stored.exportable {
        return Err(refused("exporting is disallowed on the policy"));
    }
    if !stored.allow_plaintext_backup {
        return Err(refused("plaintext backup is disallowed on the policy"));
    }
    stored.backup = Some(Event { time: call.now.into(), version: stored.latest });
    key::store(view, name, &stored)?;
    let backup =
        write(name, &stored).ok_or_else(|| ApiError::internal("a stored key is malformed"))?;
    let plain = Zeroizing::new(serde_json::to_vec(&backup).map_err(ApiError::internal)?);
    let text = Zeroizing::new(BASE64.encode(&*plain));
    Response::data(&json!({ "backup": text.as_str() }))
}

fn write(name: &str, stored: &Stored) -> Option<Backup> {
    let material = |version: &Version| {
        let mut material = Material::of(stored.kind, version)?;
        material.convergent_version = if stored.convergent { CONVERGENT_SCHEME } else { 0 };
        Some(material)
    };
    let info = |event: &Event| Info { time: event.time.rfc3339(), version: event.version };
    let usable = stored.versions.range(stored.min_decryption..);
    let usable: Option<BTreeMap<u32, Material>> =
        usable.map(|(number, version)| Some((*number, material(version)?))).collect();
    let mut archived = vec![Material::nothing()];
    for version in stored.versions.values() {
        archived.push(material(version)?);
    }
    Some(Backup {
        policy: Policy {
            name: name.to_owned(),
            keys: usable?,
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
            kind: stored.kind.number(),
            backup_info: stored.backup.as_ref().map(info),
            restore_info: stored.restore.as_ref().map(info),
            allow_plaintext_backup: stored.allow_plaintext_backup,
            auto_rotate_period: stored.auto_rotate_period.saturating_mul(1_000_000_000),
            key_size: stored.key_size,
            imported: stored.imported.is_some(),
            imported_rotation: stored.imported.is_some_and(|imported| imported.allow_rotation),
            soft_deleted: stored.soft_deleted,
        },
        archived_keys: Archive { keys: archived },
    })
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
        return Err(refused(format!("key {name:?} already exists")));
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
    let kind = Kind::from_number(policy.kind).ok_or_else(|| {
        ApiError::bad_request(format!("backup holds a key of unsupported type {}", policy.kind))
    })?;
    if policy.derived && !kind.derives() {
        return refuse("a key of its type is not derived");
    }
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
        key_size: policy.key_size,
        imported: policy
            .imported
            .then_some(Imported { allow_rotation: policy.imported_rotation, rotated: false }),
        soft_deleted: policy.soft_deleted,
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
    if shape.convergent && material.convergent_version != CONVERGENT_SCHEME {
        return Err(ApiError::bad_request(format!(
            "backup holds a convergent key of unsupported scheme {}",
            material.convergent_version
        )));
    }
    material
        .read(shape.kind, shape.derived)
        .ok_or_else(|| ApiError::bad_request("backup is malformed: a version has no usable key"))
}
