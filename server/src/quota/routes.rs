//! `sys/quotas`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{CONFIG_KEY, Config, PREFIX, RULES_MAX, Rule};
use crate::auth;
use crate::barrier::Session;
use crate::handler::{CoreCall, CoreRoute};
use crate::keyspace::CORE;
use crate::logical::{
    ApiError, ApiResult, Field, Flag, Method, Operation, Response, Scalar, Seconds, Texts,
};
use crate::mount::{Scope, route};

/// Longest name, bytes.
const NAME_MAX: usize = 256;

const QUOTAS_CONFIG: &[Field] = &[
    Field::flag("enable_rate_limit_audit_logging", "Whether refusals go on record"),
    Field::flag("enable_rate_limit_response_headers", "Whether answers tell what is left"),
    Field::words("rate_limit_exempt_paths", "Paths without a limit"),
];
const QUOTAS_RATE_LIMIT: &[Field] = &[
    Field::seconds("block_interval", "How long to refuse whoever went over the limit"),
    Field::flag("inheritable", "Kept, without effect"),
    Field::seconds("interval", "Length of the window"),
    Field::text("path", "Path"),
    Field::number("rate", "Requests in a window"),
    Field::text("role", "Role that it is for"),
    Field::text("type", "Its type"),
];

/// The routes.
pub static ROUTES: &[CoreRoute] = &[
    CoreRoute::new(
        "quotas/config",
        "Say which paths are never limited",
        &[
            Method::local(Operation::Read, read_config),
            Method::primary(Operation::Write, write_config),
        ],
    )
    .takes(QUOTAS_CONFIG),
    CoreRoute::new(
        "quotas/rate-limit",
        "List the rate limits",
        &[Method::local(Operation::List, list)],
    )
    .takes(&[]),
    CoreRoute::new(
        "quotas/rate-limit/{name}",
        "Set, show or remove a rate limit",
        &[
            Method::local(Operation::Read, read),
            Method::primary(Operation::Write, write),
            Method::primary(Operation::Delete, delete),
        ],
    )
    .takes(QUOTAS_RATE_LIMIT),
];

fn read_config(_core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let config: Config = session.view(CORE).get_json(CONFIG_KEY)?.unwrap_or_default();
    Response::data(&config)
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ConfigBody {
    enable_rate_limit_audit_logging: Flag,
    enable_rate_limit_response_headers: Flag,
    rate_limit_exempt_paths: Option<Texts>,
}

fn write_config(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let body: ConfigBody = core.call.parse()?;
    let mut core = session.view(CORE);
    let mut config: Config = core.get_json(CONFIG_KEY)?.unwrap_or_default();
    // What is not said is no.
    config.enable_rate_limit_audit_logging = body.enable_rate_limit_audit_logging.0;
    config.enable_rate_limit_response_headers = body.enable_rate_limit_response_headers.0;
    if let Some(paths) = body.rate_limit_exempt_paths {
        config.rate_limit_exempt_paths = paths.0;
    }
    core.put_json(CONFIG_KEY, &config)?;
    Ok(Response::empty())
}

fn list(_core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    Response::list(&session.view(CORE).list(PREFIX, None, RULES_MAX))
}

fn key(core: &CoreCall<'_>) -> String {
    format!("{PREFIX}{}", core.call.param("name"))
}

fn read(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let rule: Option<Rule> = session.view(CORE).get_json(&key(core))?;
    let rule = rule.ok_or_else(ApiError::not_found)?;
    Response::data(&json!({
        "type": "rate-limit",
        "name": rule.name,
        "path": rule.path,
        "role": rule.role,
        "rate": whole(rule.rate),
        "interval": rule.interval,
        "block_interval": rule.block_interval,
        "inheritable": rule.inheritable,
    }))
}

/// A number as it was given: without a fraction where it has none.
fn whole(rate: f64) -> Value {
    let text = rate.to_string();
    text.parse::<u64>().map_or_else(|_| rate.into(), Value::from)
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    rate: Scalar,
    path: Scalar,
    role: Scalar,
    interval: Option<Seconds>,
    block_interval: Option<Seconds>,
    inheritable: Option<Flag>,
}

fn write(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let body: Body = core.call.parse()?;
    let name = core.call.param("name");
    if name.len() > NAME_MAX {
        return Err(ApiError::bad_request("the name is too long"));
    }
    let rate = body.rate.0.parse::<f64>().ok().filter(|rate| rate.is_finite() && *rate > 0.0);
    let rate = rate.ok_or_else(|| ApiError::bad_request("'rate' is invalid"))?;
    let path = place(session, &body.path.0, &body.role.0)?;
    let rule = Rule {
        name: name.to_owned(),
        inheritable: body.inheritable.map_or(path.is_empty(), |f| f.0),
        path,
        rate,
        interval: body.interval.map_or(1, |s| s.0.max(1)),
        block_interval: body.block_interval.unwrap_or_default().0,
        role: body.role.0,
    };
    let all = super::load(session)?.rules;
    if let Some(other) = all.iter().find(|other| similar(other, &rule)) {
        return Err(ApiError::bad_request(format!(
            "quota rule with similar properties exists under the name {:?}",
            other.name
        )));
    }
    if all.len() >= RULES_MAX && all.iter().all(|other| other.name != name) {
        return Err(ApiError::bad_request(format!("there are {RULES_MAX} quotas already")));
    }
    session.view(CORE).put_json(&key(core), &rule)?;
    Ok(Response::empty())
}

/// Whether two rules of different names count for the same requests.
fn similar(one: &Rule, other: &Rule) -> bool {
    one.name != other.name && one.path == other.path && one.role == other.role
}

/// A mount's path with its slash, or a path in one as it is. A rule for a role is for a mount that
/// has roles.
fn place(session: &mut Session, given: &str, role: &str) -> ApiResult<String> {
    let given = given.trim_start_matches('/');
    let refuse = |message| Err(ApiError::bad_request(message));
    let no_method = |path: &str| {
        refuse(format!(
            "Mount path {path:?} is not a valid auth method and therefore unsuitable for use with \
             role-based quotas"
        ))
    };
    if given.is_empty() {
        return if role.is_empty() { Ok(String::new()) } else { no_method("") };
    }
    let Some((mount, rest)) = route(session, Scope::Here, given)? else {
        let path = given.trim_end_matches('/');
        return refuse(format!("invalid mount path \"{path}/\""));
    };
    let path = mount.info.path.as_str();
    if role.is_empty() {
        return Ok(if rest.is_empty() { path } else { given }.to_owned());
    }
    if !rest.is_empty() {
        return refuse(
            "Quotas cannot contain both a path suffix and a role. If a role is provided, path must \
             be a valid auth mount with a concept of roles"
                .to_owned(),
        );
    }
    if !path.starts_with("auth/") {
        return no_method(path);
    }
    if !auth::has_roles(&mount) {
        return refuse(format!("Mount path {path:?} does not support use with role-based quotas"));
    }
    Ok(path.to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "the type of every handler")]
fn delete(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    session.view(CORE).delete(&key(core));
    Ok(Response::empty())
}
