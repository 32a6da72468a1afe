//! `data/:path`: reading, writing and patching a secret.

use serde::Serialize;
use serde_json::value::RawValue;

use super::super::fields::{Fields, invalid, is_flag, scalar, writable};
use super::super::stamp::Stamp;
use super::config::Config;
use super::meta::{Meta, VersionInfo};
use super::patch::merge;
use super::{
    Data, Found, find_version, load_config, load_meta, no_root, read_version, store_meta,
    version_key, wanted_version,
};
use crate::barrier::View;
use crate::logical::{ApiError, ApiResult, Call, Json, Response};

/// The answer to a read of a version that is gone.
#[derive(Serialize)]
struct Nothing {
    data: (),
    metadata: VersionInfo,
}

/// The answer to a read. The data is JSON already, and is not read again.
fn answer(data: &Data, metadata: &VersionInfo) -> ApiResult<Response> {
    let metadata = Json::of(metadata).map_err(ApiError::internal)?;
    let (data, metadata) = (data.0.as_str(), metadata.get());
    let json = [r#"{"data":"#, data, r#","metadata":"#, metadata, "}"].concat();
    Ok(Response::json(Json::written(json)))
}

pub(super) fn read(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let path = call.param("path");
    if path.is_empty() {
        return no_root(call);
    }
    match find_version(view, path, wanted_version(call)?, call.now.into())? {
        Found::Nothing => Err(ApiError::not_found()),
        Found::Gone(metadata) => {
            let response = Response::data(&Nothing { data: (), metadata })?;
            Ok(Response { status: Some(404), ..response })
        }
        Found::Here(metadata, data) => answer(&data, &metadata),
    }
}

pub(super) fn write(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let path = writable(call.param("path"))?;
    let request = Request::of(call)?;
    let config = load_config(view)?;
    let now = Stamp::from(call.now);
    let meta = load_meta(view, path)?.unwrap_or_else(|| Meta::new(now));
    request.check_and_set(&meta, &config)?;
    add_version(view, path, meta, &config, request.data, now)
}

pub(super) fn patch(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let path = writable(call.param("path"))?;
    let request = Request::of(call)?;
    let config = load_config(view)?;
    let now = Stamp::from(call.now);
    let meta = load_meta(view, path)?.ok_or_else(ApiError::not_found)?;
    let Some(version) = meta.versions.get(&meta.current) else {
        return Err(ApiError::not_found());
    };
    if version.is_gone(now) {
        let response = Response::data(&meta.info(meta.current, version))?;
        return Ok(Response { status: Some(404), ..response });
    }
    request.check_and_set(&meta, &config)?;
    let old = read_version(view, path, meta.current)?;
    // Null data patches nothing.
    let change = if request.data.get() == "null" { "{}" } else { request.data.get() };
    let merged = merge(&old.0, change)?;
    let merged = RawValue::from_string(merged).map_err(ApiError::internal)?;
    add_version(view, path, meta, &config, &merged, now)
}

fn add_version(
    view: &mut View<'_>,
    path: &str,
    mut meta: Meta,
    config: &Config,
    data: &RawValue,
    now: Stamp,
) -> ApiResult<Response> {
    for pruned in meta.add_version(config, now) {
        view.delete(&version_key(path, pruned));
    }
    view.put(&version_key(path, meta.current), data.get().as_bytes())?;
    let version = meta.versions.get(&meta.current);
    let version = version.ok_or_else(|| ApiError::internal("the new version was pruned"))?;
    let info = meta.info(meta.current, version);
    store_meta(view, path, meta)?;
    Response::data(&info)
}

/// The body of a write or patch.
struct Request<'a> {
    /// An object, or null.
    data: &'a RawValue,
    /// `options.cas`.
    cas: Option<u64>,
}

impl<'a> Request<'a> {
    fn of(call: &Call<'a>) -> ApiResult<Self> {
        let fields = Fields::of(call)?;
        let data = fields.raw("data").ok_or_else(|| ApiError::bad_request("no data provided"))?;
        if !data.get().starts_with('{') && data.get() != "null" {
            return Err(invalid("data", "an object"));
        }
        let cas = match fields.raw("options").filter(|raw| raw.get() != "null") {
            None => None,
            Some(raw) => {
                let options = Fields::nested(raw).ok_or_else(|| invalid("options", "an object"))?;
                options.raw("cas").map(parse_cas).transpose()?
            }
        };
        Ok(Self { data, cas })
    }

    fn check_and_set(&self, meta: &Meta, config: &Config) -> ApiResult<()> {
        match self.cas {
            None if config.cas_required || meta.cas_required => {
                Err(ApiError::bad_request("check-and-set parameter required for this call"))
            }
            Some(cas) if cas != meta.current => Err(cas_mismatch()),
            _ => Ok(()),
        }
    }
}

fn cas_mismatch() -> ApiError {
    ApiError::bad_request("check-and-set parameter did not match the current version")
}

fn parse_cas(raw: &RawValue) -> ApiResult<u64> {
    if raw.get() == "null" {
        return Ok(0);
    }
    let number: Option<i64> =
        scalar(raw).filter(|_| !is_flag(raw)).and_then(|text| text.parse().ok());
    let number =
        number.ok_or_else(|| ApiError::bad_request("error parsing check-and-set parameter"))?;
    // No version has a negative number.
    u64::try_from(number).map_err(|_| cas_mismatch())
}
