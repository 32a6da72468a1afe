//! `keys`: creating, reading, listing, rotating, configuring, trimming and deleting.

use std::collections::BTreeMap;

use aws_lc_rs::signature::KeyPair;
use base64::Engine;
use serde::Serialize;

use super::super::fields::{Fields, list};
use super::super::stamp::Stamp;
use super::derive;
use super::key::{self, Event, Settings, Stored};
use super::kind::{Family, Kind};
use super::material::Version;
use super::ready::Key;
use super::wire::{BASE64, decode};
use crate::barrier::View;
use crate::logical::{ApiError, ApiResult, Call, Response};

/// Shortest time between rotations on their own, in seconds.
const AUTO_ROTATE_MIN: i64 = 3600;

pub(super) fn list_keys(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    list(call, view, &key::entry(""))
}

pub(super) fn read(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let context = call.query("context").filter(|text| !text.is_empty()).map(decode).transpose();
    let context = context.map_err(|_| ApiError::bad_request("failed to base64-decode context"))?;
    let key = Key::load(view, call.param("name"))?.ok_or_else(ApiError::not_found)?;
    info(call.param("name"), &key.stored, context.as_deref())
}

/// Creates a key; one that is there is left as it is.
pub(super) fn create(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let name = call.param("name");
    let settings = read_settings(&Fields::of(call)?)?;
    if let Some(key) = Key::load(view, name)? {
        return Ok(info(name, &key.stored, None)?.warn(format!("key {name} already existed")));
    }
    let stored = Stored::generate(&settings, call.now.into())?;
    key::store(view, name, &stored)?;
    info(name, &stored, None)
}

fn read_settings(fields: &Fields<'_>) -> ApiResult<Settings> {
    let kind = match fields.text("type")?.as_deref() {
        None | Some("") => Kind::default(),
        Some(name) => Kind::from_name(name)
            .ok_or_else(|| ApiError::bad_request(format!("unknown key type {name}")))?,
    };
    let size = fields.integer("key_size")?.unwrap_or(0);
    if size != 0 && kind.family() != Family::Hmac {
        let name = kind.name();
        return Err(ApiError::bad_request(format!("key_size is not valid for algorithm {name}")));
    }
    let key_size = u16::try_from(size)
        .map_err(|_| ApiError::bad_request(format!("invalid key_size {size}")))?;
    Ok(Settings {
        key_size,
        kind,
        derived: fields.flag("derived")?.unwrap_or(false),
        convergent: fields.flag("convergent_encryption")?.unwrap_or(false),
        exportable: fields.flag("exportable")?.unwrap_or(false),
        allow_plaintext_backup: fields.flag("allow_plaintext_backup")?.unwrap_or(false),
        auto_rotate_period: auto_rotate_period(fields)?.unwrap_or(0),
    })
}

pub(super) fn auto_rotate_period(fields: &Fields<'_>) -> ApiResult<Option<i64>> {
    let period = fields.seconds("auto_rotate_period")?;
    if period.is_some_and(|seconds| seconds != 0 && seconds < AUTO_ROTATE_MIN) {
        return Err(ApiError::bad_request(
            "auto rotate period must be 0 to disable or at least an hour",
        ));
    }
    Ok(period)
}

pub(super) fn rotate(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let name = call.param("name");
    let mut stored = load(view, name)?.ok_or_else(|| ApiError::bad_request("key not found"))?;
    stored.must_be_in_use()?;
    if stored.imported.is_some_and(|imported| !imported.allow_rotation) {
        return Err(ApiError::bad_request(format!(
            "imported key {name} does not allow rotation within the server"
        )));
    }
    stored.rotate(call.now.into())?;
    key::store(view, name, &stored)?;
    info(name, &stored, None)
}

pub(super) fn configure(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let name = call.param("name");
    let mut stored = load(view, name)?.ok_or_else(|| {
        ApiError::bad_request(format!("no existing key named {name} could be found"))
    })?;
    let fields = Fields::of(call)?;
    let forced = set_minimums(&mut stored, &fields)?;
    if let Some(allowed) = fields.flag("deletion_allowed")? {
        stored.deletion_allowed = allowed;
    }
    // These two are one-way: what may have left cannot be called back.
    stored.exportable |= fields.flag("exportable")?.unwrap_or(false);
    stored.allow_plaintext_backup |= fields.flag("allow_plaintext_backup")?.unwrap_or(false);
    if let Some(seconds) = auto_rotate_period(&fields)? {
        let rotates = stored.imported.is_none_or(|imported| imported.allow_rotation);
        if seconds != 0 && !rotates {
            return Err(ApiError::bad_request(
                "cannot set auto rotation on an imported key that does not allow rotation",
            ));
        }
        stored.auto_rotate_period = seconds;
    }
    key::store(view, name, &stored)?;
    let response = info(name, &stored, None)?;
    Ok(if forced {
        response.warn("transit key numbering starts at 1; forcing minimum to 1")
    } else {
        response
    })
}

/// Sets the minimum versions; true if a minimum of 0 was made 1.
fn set_minimums(stored: &mut Stored, fields: &Fields<'_>) -> ApiResult<bool> {
    let latest = stored.latest;
    let minimum = |field: &str, what: &str| -> ApiResult<Option<u32>> {
        let Some(n) = fields.integer(field)? else { return Ok(None) };
        if n < 0 {
            return Err(ApiError::bad_request(format!("min {what} version cannot be negative")));
        }
        let version = u32::try_from(n).ok().filter(|version| *version <= latest);
        version.map(Some).ok_or_else(|| {
            ApiError::bad_request(format!(
                "cannot set min {what} version of {n}, latest key version is {latest}"
            ))
        })
    };
    let decryption = minimum("min_decryption_version", "decryption")?;
    let encryption = minimum("min_encryption_version", "encryption")?;
    let forced = decryption == Some(0);
    let min_decryption = decryption.map_or(stored.min_decryption, |n| n.max(1));
    let min_encryption = encryption.unwrap_or(stored.min_encryption);
    if min_encryption > 0 && min_encryption < min_decryption {
        return Err(ApiError::bad_request(format!(
            "cannot set min encryption/decryption values; min encryption version of \
             {min_encryption} must be greater than or equal to min decryption version of \
             {min_decryption}"
        )));
    }
    if min_decryption < stored.min_available {
        return Err(ApiError::bad_request(
            "min decryption version should not be less then min available version",
        ));
    }
    if min_encryption > 0 && min_encryption < stored.min_available {
        return Err(ApiError::bad_request(
            "min encryption version should not be less then min available version",
        ));
    }
    stored.min_decryption = min_decryption;
    stored.min_encryption = min_encryption;
    Ok(forced)
}

/// Removes versions for good.
pub(super) fn trim(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let name = call.param("name");
    let mut stored = load(view, name)?.ok_or_else(|| ApiError::bad_request("invalid key name"))?;
    let wanted = Fields::of(call)?.integer("min_available_version")?;
    let wanted = wanted.ok_or_else(|| ApiError::bad_request("missing min_available_version"))?;
    let refuse = |why: &str| Err(ApiError::bad_request(format!("minimum available version {why}")));
    if wanted < i64::from(stored.min_available.max(1)) {
        return refuse("cannot be decremented");
    }
    if stored.min_encryption == 0 {
        return refuse("cannot be set when minimum encryption version is not set");
    }
    if wanted > i64::from(stored.min_encryption) {
        return refuse("cannot be greater than minmum encryption version");
    }
    if wanted > i64::from(stored.min_decryption) {
        return refuse("cannot be greater than minimum decryption version");
    }
    stored.min_available = u32::try_from(wanted).map_err(ApiError::internal)?;
    stored.versions.retain(|n, _| *n >= stored.min_available);
    key::store(view, name, &stored)?;
    info(name, &stored, None)
}

pub(super) fn delete(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let name = call.param("name");
    let refuse = |why: &str| ApiError::bad_request(format!("error deleting policy {name}: {why}"));
    let key = Key::load(view, name)?;
    let key = key.ok_or_else(|| refuse("could not delete key; not found"))?;
    if !key.stored.deletion_allowed {
        return Err(refuse("deletion is not allowed for this key"));
    }
    view.delete(&key::entry(name));
    Ok(Response::empty())
}

/// Keeps a key from being used until it is restored.
pub(super) fn soft_delete(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    set_soft_deleted(call, view, true, "key was already marked as soft deleted")
}

/// Brings a key back into use.
pub(super) fn soft_restore(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    set_soft_deleted(call, view, false, "key was already restored")
}

fn set_soft_deleted(
    call: &Call<'_>,
    view: &mut View<'_>,
    deleted: bool,
    already: &str,
) -> ApiResult<Response> {
    let name = call.param("name");
    let Some(mut stored) = load(view, name)? else { return Ok(Response::empty()) };
    if stored.soft_deleted == deleted {
        return Ok(info(name, &stored, None)?.warn(already));
    }
    stored.soft_deleted = deleted;
    key::store(view, name, &stored)?;
    info(name, &stored, None)
}

/// The stored form of a key, to change it.
pub(super) fn load(view: &mut View<'_>, name: &str) -> ApiResult<Option<Stored>> {
    Ok(Key::load(view, name)?.map(|key| key.stored.clone()))
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
