//! `keys`: creating, reading, listing, rotating and deleting.

use super::super::fields::{Fields, list_of, listed};
use super::configure::auto_rotate_period;
use super::describe::info;
use super::key::{self, Settings, Stored};
use super::kind::{Family, Kind};
use super::ready::{Key, load_stored};
use super::wire::decode;
use super::wrapping;
use crate::barrier::View;
use crate::logical::{ApiError, ApiResult, Call, Response};

pub(super) fn list_keys(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let mut names = listed(call, view, &key::entry(""))?;
    let (after, limit) = call.page(usize::MAX)?;
    // The wrapping key is listed as a folder beside the keys.
    if after.is_none_or(|after| after < wrapping::FOLDER) && wrapping::exists(view)? {
        let at = names.partition_point(|name| name.as_str() < wrapping::FOLDER);
        names.insert(at, wrapping::FOLDER.to_owned());
        names.truncate(limit);
    }
    list_of(&names)
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

pub(super) fn rotate(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let name = call.param("name");
    let mut stored =
        load_stored(view, name)?.ok_or_else(|| ApiError::bad_request("key not found"))?;
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
    let Some(mut stored) = load_stored(view, name)? else { return Ok(Response::empty()) };
    if stored.soft_deleted == deleted {
        return Ok(info(name, &stored, None)?.warn(already));
    }
    stored.soft_deleted = deleted;
    key::store(view, name, &stored)?;
    info(name, &stored, None)
}
