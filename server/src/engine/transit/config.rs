//! `config/keys` and `cache-config`: settings of the mount.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::fields::{Fields, invalid};
use crate::barrier::View;
use crate::logical::{ApiError, ApiResult, Call, Response};

/// Smallest cache that a client may ask for, other than 0 for no limit.
const CACHE_MIN: u64 = 10;

/// The mount's settings.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Config {
    /// Encrypting with a key that is not there does not create it.
    pub(super) disable_upsert: bool,
    /// As clients set it; decoded keys are cached by the server as a whole, whatever it says.
    pub(super) cache_size: u64,
}

pub(super) fn load(view: &mut View<'_>) -> ApiResult<Config> {
    Ok(view.cached_json::<Config>("config")?.map(|c| (*c).clone()).unwrap_or_default())
}

pub(super) fn read_keys(_: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    Response::data(&json!({ "disable_upsert": load(view)?.disable_upsert }))
}

pub(super) fn write_keys(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let mut config = load(view)?;
    if let Some(disable) = Fields::of(call)?.flag("disable_upsert")? {
        config.disable_upsert = disable;
        view.put_json("config", &config)?;
    }
    Response::data(&json!({ "disable_upsert": config.disable_upsert }))
}

pub(super) fn read_cache(_: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    Response::data(&json!({ "size": load(view)?.cache_size }))
}

pub(super) fn write_cache(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let size = Fields::of(call)?.integer("size")?.unwrap_or(0);
    let size = u64::try_from(size).map_err(|_| invalid("size", "0 or a positive integer"))?;
    if size != 0 && size < CACHE_MIN {
        return Err(ApiError::bad_request(format!(
            "size must be 0 or a value greater or equal to {CACHE_MIN}"
        )));
    }
    let mut config = load(view)?;
    config.cache_size = size;
    view.put_json("config", &config)?;
    Response::data(&json!({ "size": size }))
}
