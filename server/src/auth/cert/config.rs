//! `config`: what holds for all roles.

use serde::{Deserialize, Serialize};

use strongroom_storage::KeyspaceId;

use crate::barrier::{Session, ViewError};
use crate::handler::CoreCall;
use crate::logical::{ApiError, ApiResult, Flag, Integer, Response};

const KEY: &str = "config";

/// The settings, as they are stored and shown.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Config {
    /// A token is renewed without the certificate that it was made with.
    pub(super) disable_binding: bool,
    /// The entity's alias keeps the metadata of the login.
    pub(super) enable_identity_alias_metadata: bool,
    /// Kept for those who read it back; answers of OCSP servers are not asked for.
    ocsp_cache_size: i64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    disable_binding: Option<Flag>,
    enable_identity_alias_metadata: Option<Flag>,
    ocsp_cache_size: Option<Integer>,
}

/// The settings in force.
pub(super) fn load(keyspace: KeyspaceId, session: &mut Session) -> Result<Config, ViewError> {
    Ok(session.view(keyspace).get_json(KEY)?.unwrap_or_default())
}

/// `config`.
pub(super) fn read(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    Response::data(&load(core.keyspace, session)?)
}

/// `config`.
pub(super) fn write(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let body: Body = core.call.parse()?;
    let mut config = load(core.keyspace, session)?;
    config.disable_binding = body.disable_binding.map_or(config.disable_binding, |f| f.0);
    config.enable_identity_alias_metadata =
        body.enable_identity_alias_metadata.map_or(config.enable_identity_alias_metadata, |f| f.0);
    if let Some(Integer(size)) = body.ocsp_cache_size {
        if !(2..=100_000).contains(&size) {
            return Err(ApiError::bad_request("invalid cache size, must be >= 2 and <= 100000"));
        }
        config.ocsp_cache_size = size;
    }
    session.view(core.keyspace).put_json(KEY, &config)?;
    Ok(Response::empty())
}
