//! `import`, `import_version` and `byok-export`: keys that come from elsewhere, and go there.

use std::collections::BTreeMap;

use base64::Engine;
use serde_json::json;
use zeroize::Zeroizing;

use super::super::fields::Fields;
use super::super::stamp::Stamp;
use super::configure::auto_rotate_period;
use super::export::select;
use super::hash::Hash;
use super::key::{self, Imported, Settings, Stored};
use super::kind::{Family, Kind};
use super::material::Version;
use super::ready::{Key, load_stored};
use super::wire::{BASE64, decode};
use super::wrapping;
use crate::barrier::View;
use crate::logical::{ApiError, ApiResult, Call, Response};

/// A new key out of material that was made elsewhere.
pub(super) fn import(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let fields = Fields::of(call)?;
    let kind = match fields.text("type")?.as_deref() {
        None | Some("") => Kind::default(),
        Some(name) => Kind::from_name(name)
            .ok_or_else(|| ApiError::bad_request(format!("unknown key type: {name}")))?,
    };
    import_as(call, view, &fields, kind).map_err(ApiError::in_list)
}

fn import_as(
    call: &Call<'_>,
    view: &mut View<'_>,
    fields: &Fields<'_>,
    kind: Kind,
) -> ApiResult<Response> {
    let name = call.param("name");
    let hash = oaep_hash(fields)?;
    let flag = |name: &str| -> ApiResult<bool> { Ok(fields.flag(name)?.unwrap_or(false)) };
    let allow_rotation = flag("allow_rotation")?;
    let period = auto_rotate_period(fields)?.unwrap_or(0);
    if period != 0 && !allow_rotation {
        return Err(ApiError::bad_request(
            "allow_rotation must be set to true if auto-rotation is enabled",
        ));
    }
    if Key::load(view, name)?.is_some() {
        return Err(ApiError::bad_request(
            "the import path cannot be used with an existing key; use import-version to rotate an \
             existing imported key",
        ));
    }
    let derived = flag("derived")?;
    let version = read_version(view, fields, kind, derived, hash, call.now.into())?;
    let key_size = match kind.family() {
        Family::Hmac => u16::try_from(version.key.expose().len()).map_err(ApiError::internal)?,
        _ => 0,
    };
    let mut stored = Stored::empty(&Settings {
        kind,
        derived,
        convergent: false,
        exportable: flag("exportable")?,
        allow_plaintext_backup: flag("allow_plaintext_backup")?,
        auto_rotate_period: period,
        key_size,
    })?;
    stored.imported = Some(Imported { allow_rotation, rotated: false });
    stored.add(version)?;
    key::store(view, name, &stored)?;
    Ok(Response::empty())
}

/// Another version of an imported key, or the private half of one whose public half is there.
pub(super) fn import_version(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    add_version(call, view).map_err(ApiError::in_list)
}

fn add_version(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let name = call.param("name");
    let refuse = |why: String| ApiError::bad_request(why);
    let fields = Fields::of(call)?;
    let hash = oaep_hash(&fields)?;
    let mut stored = load_stored(view, name)?.ok_or_else(|| {
        refuse(format!(
            "no key found with name {name}; to import a new key, use the import/ endpoint"
        ))
    })?;
    let Some(imported) = stored.imported else {
        return Err(refuse(
            "the import_version endpoint can only be used with an imported key".to_owned(),
        ));
    };
    if imported.rotated {
        return Err(refuse(
            "the import_version endpoint cannot be used with a key that was rotated within the \
             server"
                .to_owned(),
        ));
    }
    stored.must_be_in_use()?;
    let new = read_version(view, &fields, stored.kind, stored.derived, hash, call.now.into())?;
    match target(&stored, &new, fields.integer("version")?)? {
        None => stored.add(new)?,
        Some(number) => complete(&mut stored, number, new)?,
    }
    key::store(view, name, &stored)?;
    Ok(Response::empty())
}

/// The version to complete; `None` for a new one.
fn target(stored: &Stored, new: &Version, asked: Option<i64>) -> ApiResult<Option<u32>> {
    if let Some(number) = asked.filter(|number| *number != 0) {
        let number = u32::try_from(number).ok().filter(|n| stored.versions.contains_key(n));
        return number.map(Some).ok_or_else(|| ApiError::bad_request("no such key version"));
    }
    let latest = stored.versions.get(&stored.latest);
    let waits = |latest: &Version| !latest.is_private() && latest.public == new.public;
    Ok((new.is_private() && latest.is_some_and(waits)).then_some(stored.latest))
}

/// Adds the private half to a version.
fn complete(stored: &mut Stored, number: u32, new: Version) -> ApiResult<()> {
    let refuse = |why: &str| Err(ApiError::bad_request(why));
    let Some(version) = stored.versions.get_mut(&number) else {
        return refuse("no such key version");
    };
    if !new.is_private() {
        return refuse(
            "cannot add a public key to a key version that already has a public key set",
        );
    }
    if version.is_private() {
        return refuse("cannot add a private key to a key version that already has one");
    }
    if version.public != new.public {
        return refuse("the private key does not belong to the public key of that version");
    }
    version.key = new.key;
    Ok(())
}

/// What the request brings: wrapped material, or a public key.
fn read_version(
    view: &mut View<'_>,
    fields: &Fields<'_>,
    kind: Kind,
    derived: bool,
    hash: Hash,
    now: Stamp,
) -> ApiResult<Version> {
    if let Some(text) = fields.text("ciphertext")?.filter(|text| !text.is_empty()) {
        let material = wrapping::open(view, hash, &decode(&text)?)?;
        return Version::import(kind, derived, &material, now);
    }
    if !kind.signs() {
        return Err(ApiError::bad_request("provided type does not support public_key import"));
    }
    if derived {
        return Err(ApiError::bad_request("a public key alone cannot be derived from"));
    }
    Version::import_public(kind, &fields.text("public_key")?.unwrap_or_default(), now)
}

fn oaep_hash(fields: &Fields<'_>) -> ApiResult<Hash> {
    let name = fields.text("hash_function")?.unwrap_or_default();
    Ok(match name.to_ascii_uppercase().as_str() {
        "" | "SHA256" => Hash::Sha256,
        "SHA1" => Hash::Sha1,
        "SHA224" => Hash::Sha224,
        "SHA384" => Hash::Sha384,
        "SHA512" => Hash::Sha512,
        _ => return Err(ApiError::bad_request(format!("unknown hash function: {name}"))),
    })
}

/// `byok-export`: a key wrapped under another, which is usually the imported wrapping key of the
/// server that it goes to.
pub(super) fn export(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let refuse = |why: &str| ApiError::bad_request(why);
    let (destination, source) = (call.param("destination"), call.param("source"));
    let destination = Key::load(view, destination)?
        .ok_or_else(|| refuse("no such destination key to export to"))?;
    let key = Key::load(view, source)?.ok_or_else(|| refuse("no such source key for export"))?;
    destination.stored.must_be_in_use()?;
    key.stored.must_be_in_use()?;
    let (kind, onto) = (key.stored.kind, destination.stored.kind);
    if !key.stored.exportable {
        return Err(refuse("key is not exportable"));
    }
    if !matches!(onto.family(), Family::Rsa(_)) {
        let name = onto.name();
        return Err(refuse(&format!("key wrapping is not supported for key type {name}")));
    }
    let wrap_under = destination.pair(destination.stored.latest)?;
    let mut keys = BTreeMap::new();
    for (number, version) in select(&key.stored, call.param("version"))? {
        let material = if kind.signs() {
            version.pkcs8(kind)
        } else {
            Some(Zeroizing::new(version.key.expose().to_vec()))
        };
        let material =
            material.ok_or_else(|| refuse("a version of the key has no private part to export"))?;
        let wrapped = wrapping::seal(wrap_under, Hash::Sha256, &material)?;
        keys.insert(number.to_string(), BASE64.encode(wrapped));
    }
    Response::data(&json!({ "name": source, "type": kind.name(), "keys": keys }))
}
