//! `sys/loggers`: levels of the server's log, until it is restarted.

use serde::Deserialize;
use serde_json::json;
use tracing_subscriber::filter::LevelFilter;

use crate::handler::{SysCall, SysFuture, SysRoute};
use crate::logical::{ApiError, ApiResult, Field, Method, Operation, Response, Scalar};
use crate::telemetry;

const LOGGERS: &[Field] = &[Field::text("level", "Log level")];

/// The routes; each server has a log of its own.
pub(super) static ROUTES: &[SysRoute] = &[
    SysRoute::new(
        "loggers",
        "Show or set the level of the whole log",
        &[
            Method::local(Operation::Read, all),
            Method::local(Operation::Write, set_all),
            Method::local(Operation::Delete, reset_all),
        ],
    )
    .sudo()
    .takes(LOGGERS),
    SysRoute::new(
        "loggers/{name}",
        "Show or set the level of a part of the log",
        &[
            Method::local(Operation::Read, one),
            Method::local(Operation::Write, set),
            Method::local(Operation::Delete, reset),
        ],
    )
    .sudo()
    .takes(LOGGERS),
];

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    level: Scalar,
}

fn level(call: &SysCall) -> ApiResult<LevelFilter> {
    let body: Body = call.parse()?;
    let word = body.level.0;
    if word.is_empty() {
        return Err(ApiError::bad_request("level is required"));
    }
    let short = match word.as_str() {
        "notice" => "info",
        "warning" => "warn",
        "err" => "error",
        other => other,
    };
    telemetry::parse_level(short).map_err(|_| {
        ApiError::bad_request(format!("invalid level provided: unknown log level: {word}"))
    })
}

fn unknown(name: &str) -> ApiError {
    ApiError::bad_request(format!("logger {name:?} not found"))
}

fn all(_call: SysCall) -> SysFuture {
    Box::pin(async move { Response::data(&telemetry::levels::shown()) })
}

fn set_all(call: SysCall) -> SysFuture {
    Box::pin(async move {
        telemetry::levels::set_all(level(&call)?);
        Ok(Response::empty())
    })
}

fn reset_all(_call: SysCall) -> SysFuture {
    Box::pin(async move {
        telemetry::levels::reset(None);
        Ok(Response::empty())
    })
}

fn one(call: SysCall) -> SysFuture {
    Box::pin(async move {
        let name = call.param("name");
        match telemetry::levels::shown().get(name) {
            Some(level) => Response::data(&json!({ name: level })),
            None => Response::data(&json!({})),
        }
    })
}

fn set(call: SysCall) -> SysFuture {
    Box::pin(async move {
        let name = call.param("name");
        let known = telemetry::levels::set(name, level(&call)?);
        if known { Ok(Response::empty()) } else { Err(unknown(name)) }
    })
}

fn reset(call: SysCall) -> SysFuture {
    Box::pin(async move {
        let name = call.param("name");
        let known = telemetry::levels::reset(Some(name));
        if known { Ok(Response::empty()) } else { Err(unknown(name)) }
    })
}
