//! `sys/rotate/config`: when the barrier key is rotated by itself.

use serde::Deserialize;
use serde_json::json;

use crate::barrier::Session;
use crate::cluster::{OPERATIONS_MAX, RotateConfig};
use crate::engine::duration::format_seconds;
use crate::handler::{CoreCall, CoreHandler, CoreRoute};
use crate::logical::{
    ApiError, ApiResult, Field, Flag, Integer, Method, Operation, Response, Seconds,
};

const METHODS: &[Method<CoreHandler>] =
    &[Method::local(Operation::Read, read), Method::primary(Operation::Write, write)];

const fn route(pattern: &'static str) -> CoreRoute {
    CoreRoute::new(pattern, "Say when the barrier key is rotated by itself", METHODS).takes(CONFIG)
}

const CONFIG: &[Field] = &[
    Field::flag("enabled", "Whether it is"),
    Field::seconds("interval", "After how long, 0 for never"),
    Field::integer("max_operations", "After how many encryptions"),
];

/// The routes.
pub(super) static ROUTES: &[CoreRoute] = &[route("rotate/config"), route("rotate/keyring/config")];

/// Fewer operations a key are refused.
const OPERATIONS_MIN: u64 = 1_000_000;
/// Seconds: shorter intervals are refused.
const INTERVAL_MIN: u64 = 24 * 60 * 60;

fn read(_core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let config = RotateConfig::load(session)?;
    // Clients know never as the number, and a duration as text.
    let interval = match i64::try_from(config.interval) {
        Ok(0) => json!(0),
        interval => json!(format_seconds(interval.unwrap_or(i64::MAX))),
    };
    Response::data(&json!({
        "enabled": config.enabled,
        "interval": interval,
        "max_operations": config.max_operations,
    }))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    enabled: Option<Flag>,
    interval: Option<Seconds>,
    max_operations: Option<Integer>,
}

fn write(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let body: Body = core.call.parse()?;
    let mut config = RotateConfig::load(session)?;
    if let Some(enabled) = body.enabled {
        config.enabled = enabled.0;
    }
    if let Some(Seconds(interval)) = body.interval {
        if interval != 0 && interval < INTERVAL_MIN {
            return Err(ApiError::bad_request("interval must be greater or equal to 24h0m0s"));
        }
        config.interval = interval;
    }
    if let Some(Integer(operations)) = body.max_operations {
        config.max_operations = u64::try_from(operations)
            .ok()
            .filter(|n| (OPERATIONS_MIN..=OPERATIONS_MAX).contains(n))
            .ok_or_else(|| {
                ApiError::bad_request(format!(
                    "max_operations must be in the range [{OPERATIONS_MIN},{OPERATIONS_MAX}]"
                ))
            })?;
    }
    config.store(session)?;
    Ok(Response::empty())
}
