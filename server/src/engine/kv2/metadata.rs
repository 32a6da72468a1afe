//! `metadata/:path`: listing secrets, and their settings.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::super::duration::format_seconds;
use super::super::fields::{
    Fields, folder, invalid, list, listed, scalar, scan, scanned, writable,
};
use super::super::stamp::Stamp;
use super::config::version_limit;
use super::meta::{Custom, Meta};
use super::{load_config, load_meta, meta_key, no_root, store_meta, version_key};
use crate::barrier::View;
use crate::logical::{ApiError, ApiResult, Call, Response};

/// Pairs of custom metadata.
const CUSTOM_MAX: usize = 64;
/// Bytes of a name.
const CUSTOM_KEY_MAX: usize = 128;
/// Bytes of a value.
const CUSTOM_VALUE_MAX: usize = 512;

pub(super) fn list_folder(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    list(call, view, &folder("metadata/", call.param("path")))
}

/// SCAN: the paths of all secrets below a folder.
pub(super) fn scan_folder(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    scan(call, view, &folder("metadata/", call.param("path")))
}

/// LIST of `detailed-metadata`: names, and what reading the metadata of each secret would answer.
pub(super) fn list_detailed(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let prefix = folder("metadata/", call.param("path"));
    let names = listed(call, view, &prefix)?;
    if names.is_empty() {
        return Err(ApiError::not_found());
    }
    detailed(view, &prefix, &names)
}

/// SCAN of `detailed-metadata`.
pub(super) fn scan_detailed(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let prefix = folder("metadata/", call.param("path"));
    let names = scanned(call, view, &prefix)?;
    if names.is_empty() {
        return Response::data(&json!({}));
    }
    detailed(view, &prefix, &names)
}

fn detailed(view: &mut View<'_>, prefix: &str, names: &[String]) -> ApiResult<Response> {
    let mut infos = serde_json::Map::new();
    for name in names {
        let meta: Option<Meta> =
            if name.ends_with('/') { None } else { view.get_json(&format!("{prefix}{name}"))? };
        let info = meta.map_or_else(
            || Ok(json!({})),
            |meta| serde_json::to_value(Answer::of(&meta)).map_err(ApiError::internal),
        )?;
        infos.insert(name.clone(), info);
    }
    Response::data(&json!({ "keys": names, "key_info": infos }))
}

pub(super) fn read(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let path = call.param("path");
    if path.is_empty() {
        return no_root(call);
    }
    let meta = load_meta(view, path)?.ok_or_else(ApiError::not_found)?;
    Response::data(&Answer::of(&meta))
}

#[derive(Serialize)]
struct Answer<'a> {
    cas_required: bool,
    created_time: String,
    current_metadata_version: u64,
    current_version: u64,
    custom_metadata: Option<&'a Custom>,
    delete_version_after: String,
    max_versions: u64,
    metadata_cas_required: bool,
    oldest_version: u64,
    updated_time: String,
    versions: BTreeMap<u64, VersionAnswer>,
}

#[derive(Serialize)]
struct VersionAnswer {
    created_time: String,
    deletion_time: String,
    destroyed: bool,
}

impl<'a> Answer<'a> {
    fn of(meta: &'a Meta) -> Self {
        let versions = meta.versions.iter().map(|(number, version)| {
            let answer = VersionAnswer {
                created_time: version.created.rfc3339(),
                deletion_time: version.deletion.map(Stamp::rfc3339).unwrap_or_default(),
                destroyed: version.destroyed,
            };
            (*number, answer)
        });
        Self {
            cas_required: meta.cas_required,
            created_time: meta.created.rfc3339(),
            current_metadata_version: meta.metadata_version,
            current_version: meta.current,
            custom_metadata: meta.custom.as_ref(),
            delete_version_after: format_seconds(meta.delete_version_after),
            max_versions: meta.max_versions,
            metadata_cas_required: meta.metadata_cas_required,
            oldest_version: meta.oldest,
            updated_time: meta.updated.rfc3339(),
            versions: versions.collect(),
        }
    }
}

/// What POST and PATCH may set. A request with none of them changes nothing.
const SETTINGS: [&str; 5] = [
    "max_versions",
    "cas_required",
    "delete_version_after",
    "custom_metadata",
    "metadata_cas_required",
];

fn sets_nothing(fields: &Fields<'_>) -> bool {
    SETTINGS.iter().all(|name| fields.raw(name).is_none())
}

/// Holds `metadata_cas` against the version of the metadata, which it counts up.
fn check_cas(meta: &mut Meta, fields: &Fields<'_>, view: &mut View<'_>) -> ApiResult<()> {
    let refuse =
        |why: &str| Err(ApiError::bad_request(format!("metadata check-and-set parameter {why}")));
    match fields.integer("metadata_cas")? {
        Some(n) if u64::try_from(n) != Ok(meta.metadata_version) => {
            return refuse("does not match the current version");
        }
        None if meta.metadata_cas_required || load_config(view)?.metadata_cas_required => {
            return refuse("required for this call");
        }
        _ => {}
    }
    meta.metadata_version += 1;
    Ok(())
}

/// POST: fields that are given replace; custom metadata is replaced as a whole.
pub(super) fn write(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let path = writable(call.param("path"))?;
    let fields = Fields::of(call)?;
    let now = Stamp::from(call.now);
    if sets_nothing(&fields) {
        fields.integer("metadata_cas")?;
        return Ok(Response::empty());
    }
    let mut meta = load_meta(view, path)?.unwrap_or_else(|| Meta::new(now));
    check_cas(&mut meta, &fields, view)?;
    set_limits(&mut meta, &fields)?;
    if let Some(raw) = fields.raw("custom_metadata") {
        let mut custom = Custom::new();
        for (name, value) in custom_fields(raw)? {
            custom.insert(name, custom_value(value)?.unwrap_or_default());
        }
        meta.custom = checked(custom)?;
    }
    meta.updated = now;
    store_meta(view, path, meta)?;
    Ok(Response::empty())
}

/// PATCH: null resets a field; custom metadata is merged, null removes a pair.
pub(super) fn patch(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let path = writable(call.param("path"))?;
    let fields = Fields::of(call)?;
    let mut meta = load_meta(view, path)?.ok_or_else(ApiError::not_found)?;
    check_cas(&mut meta, &fields, view)?;
    // A patch does not take -1 for no limit, as other writes do.
    if fields.integer("max_versions")?.is_some_and(|n| u32::try_from(n).is_err()) {
        return Err(invalid("max_versions", "an integer that is not negative"));
    }
    set_limits(&mut meta, &fields)?;
    if fields.is_null("max_versions") {
        meta.max_versions = 0;
    }
    if fields.is_null("cas_required") {
        meta.cas_required = false;
    }
    if fields.is_null("metadata_cas_required") {
        meta.metadata_cas_required = false;
    }
    if fields.is_null("delete_version_after") {
        meta.delete_version_after = 0;
    }
    if fields.is_null("custom_metadata") {
        meta.custom = None;
    } else if let Some(raw) = fields.raw("custom_metadata") {
        let mut custom = meta.custom.take().unwrap_or_default();
        for (name, value) in custom_fields(raw)? {
            match custom_value(value)? {
                Some(value) => custom.insert(name, value),
                None => custom.remove(&name),
            };
        }
        meta.custom = checked(custom)?;
    }
    meta.updated = call.now.into();
    store_meta(view, path, meta)?;
    Ok(Response::empty())
}

/// DELETE: the secret with all its versions.
pub(super) fn delete(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let path = call.param("path");
    if path.is_empty() && !call.path.ends_with('/') {
        return no_root(call);
    }
    let Some(meta) = load_meta(view, path)? else { return Ok(Response::empty()) };
    for (number, version) in &meta.versions {
        if !version.destroyed {
            view.delete(&version_key(path, *number));
        }
    }
    view.delete(&meta_key(path));
    Ok(Response::empty())
}

fn set_limits(meta: &mut Meta, fields: &Fields<'_>) -> ApiResult<()> {
    if let Some(n) = fields.integer("max_versions")? {
        meta.max_versions = version_limit(n);
    }
    if let Some(required) = fields.flag("cas_required")? {
        meta.cas_required = required;
    }
    if let Some(required) = fields.flag("metadata_cas_required")? {
        meta.metadata_cas_required = required;
    }
    if let Some(seconds) = fields.seconds("delete_version_after")? {
        if seconds < 0 {
            return Err(invalid("delete_version_after", "a duration that is not negative"));
        }
        meta.delete_version_after = seconds;
    }
    Ok(())
}

fn custom_fields(raw: &RawValue) -> ApiResult<BTreeMap<String, &RawValue>> {
    if raw.get() == "null" {
        return Ok(BTreeMap::new());
    }
    serde_json::from_str(raw.get()).map_err(|_| invalid("custom_metadata", "an object of strings"))
}

/// A value as text; `None` for null.
fn custom_value(raw: &RawValue) -> ApiResult<Option<String>> {
    if raw.get() == "null" {
        return Ok(None);
    }
    let text = scalar(raw).ok_or_else(|| invalid("custom_metadata", "an object of strings"))?;
    Ok(Some(text.into_owned()))
}

/// Applies the limits of custom metadata; none at all is stored as none.
fn checked(custom: Custom) -> ApiResult<Option<Custom>> {
    let refuse = |what: String| {
        Err(ApiError::listed(400, format_args!("custom_metadata validation failed: {what}")))
    };
    if custom.len() > CUSTOM_MAX {
        let n = custom.len();
        return refuse(format!("payload must contain at most {CUSTOM_MAX} keys, provided {n}"));
    }
    for (name, value) in &custom {
        let (key_len, value_len) = (name.len(), value.len());
        if !(1..=CUSTOM_KEY_MAX).contains(&key_len) {
            return refuse(format!(
                "length of key {name:?} is {key_len} but must be 0 < len(key) <= {CUSTOM_KEY_MAX}"
            ));
        }
        if !(1..=CUSTOM_VALUE_MAX).contains(&value_len) {
            return refuse(format!(
                "length of value for key {name:?} is {value_len} but must be 0 < len(value) <= \
                 {CUSTOM_VALUE_MAX}"
            ));
        }
        if name.chars().any(char::is_control) {
            return refuse(format!("key {name:?} ({name}) contains unprintable characters"));
        }
        if value.chars().any(char::is_control) {
            return refuse(format!("value for key {name:?} contains unprintable characters"));
        }
    }
    Ok((!custom.is_empty()).then_some(custom))
}
