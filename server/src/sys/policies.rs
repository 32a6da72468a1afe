//! `sys/policies/acl` and the older `sys/policy`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::barrier::Session;
use crate::engine::stamp::Stamp;
use crate::handler::{CoreCall, CoreRoute};
use crate::logical::{
    ApiError, ApiResult, Field, Flag, Integer, Method, Operation, Response, Scalar, Seconds,
};
use crate::policy::{self, PolicyEntry};

/// Longest text of a policy, bytes.
const TEXT_MAX: usize = 1 << 20;

const POLICIES_ACL: &[Field] = &[
    Field::integer("cas", "Version that it replaces"),
    Field::flag("cas_required", "Whether writes have to name the version that they replace"),
    Field::text("expiration", "When it ends"),
    Field::text("policy", "Text of the policy"),
    Field::seconds("ttl", "How long it lives"),
];
const POLICY: &[Field] = &[
    Field::integer("cas", "Version that it replaces"),
    Field::flag("cas_required", "Whether writes have to name the version that they replace"),
    Field::text("expiration", "When it ends"),
    Field::text("policy", "Text of the policy"),
    Field::text("rules", "Old name of `policy`"),
    Field::seconds("ttl", "How long it lives"),
];

/// The routes.
pub(super) static ROUTES: &[CoreRoute] = &[
    CoreRoute::new("policies/acl", "List the policies", &[Method::local(Operation::List, list)])
        .takes(&[]),
    CoreRoute::new(
        "policies/acl/{name..}",
        "Read, write or delete a policy; list those below a folder",
        &[
            Method::local(Operation::Read, read_acl),
            Method::local(Operation::List, list_below),
            Method::primary(Operation::Write, write_acl),
            Method::primary(Operation::Delete, delete),
        ],
    )
    .takes(POLICIES_ACL),
    CoreRoute::new(
        "policy",
        "List the policies",
        &[Method::local(Operation::Read, list_old), Method::local(Operation::List, list_old)],
    )
    .takes(&[]),
    CoreRoute::new(
        "policy/{name..}",
        "Read, write or delete a policy",
        &[
            Method::local(Operation::Read, read_old),
            Method::primary(Operation::Write, write_old),
            Method::primary(Operation::Delete, delete),
        ],
    )
    .takes(POLICY),
];

fn list(_core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    Response::list(&policy::names(session))
}

/// The whole names of the policies below a folder.
fn list_below(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let folder = format!("{}/", core.call.param("name").trim_end_matches('/').to_lowercase());
    let mut names = policy::names(session);
    names.retain(|name| name.starts_with(&folder));
    Response::list(&names)
}

fn list_old(_core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let names = policy::names(session);
    let response = Response::data(&json!({ "keys": names, "policies": names }))?;
    Ok(Response { flatten: true, ..response })
}

fn read_acl(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let name = name(core)?;
    let entry = policy::read(session, &name)?.ok_or_else(ApiError::not_found)?;
    let mut data = about(&entry);
    data["name"] = name.into();
    data["policy"] = entry.text.into();
    Response::data(&data)
}

fn read_old(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let name = name(core)?;
    let entry = policy::read(session, &name)?.ok_or_else(ApiError::not_found)?;
    let mut data = about(&entry);
    data["name"] = name.into();
    data["rules"] = entry.text.into();
    let response = Response::data(&data)?;
    Ok(Response { flatten: true, ..response })
}

/// What is known of a policy beside its text.
fn about(entry: &PolicyEntry) -> Value {
    let mut data = json!({ "cas_required": entry.cas_required, "version": entry.version });
    for (name, time) in [("modified", entry.modified), ("expiration", entry.expires)] {
        if let Some(time) = time {
            data[name] = time.rfc3339().into();
        }
    }
    data
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    policy: Scalar,
    /// The old name of `policy`.
    rules: Scalar,
    cas: Option<Integer>,
    cas_required: Option<Flag>,
    ttl: Option<Seconds>,
    expiration: Option<Scalar>,
}

impl Body {
    /// When the policy ends; `ttl` counts from now.
    fn end(&self, now: Stamp) -> ApiResult<Option<Stamp>> {
        let end = match (&self.ttl, &self.expiration) {
            (Some(_), Some(_)) => {
                Err(ApiError::bad_request("cannot supply both 'expiration' and 'ttl' for policies"))
            }
            (Some(Seconds(ttl)), None) => {
                let ttl = i64::try_from(*ttl).unwrap_or(i64::MAX);
                Ok(Some(now.plus_seconds(ttl)))
            }
            (None, Some(Scalar(time))) if !time.is_empty() => {
                let end = Stamp::parse(time)
                    .ok_or_else(|| ApiError::bad_request("expiration is no time in RFC 3339"))?;
                Ok(Some(end))
            }
            _ => Ok(None),
        }?;
        if end.is_some_and(|end| end <= now) {
            return Err(ApiError::bad_request(
                "refusing to update policy as expiration time has already elapsed",
            ));
        }
        Ok(end)
    }

    /// Whether the version that is replaced is the one that the client has seen.
    fn check_and_set(&self, before: &PolicyEntry) -> ApiResult<()> {
        let version = i64::try_from(before.version).unwrap_or(i64::MAX);
        let required = before.cas_required || self.cas_required.as_ref().is_some_and(|f| f.0);
        match &self.cas {
            None if required => {
                Err(ApiError::bad_request("check-and-set parameter required for this call"))
            }
            Some(Integer(-1)) if version > 0 => {
                Err(ApiError::bad_request("check-and-set parameter set to -1 on existing entry"))
            }
            Some(Integer(cas)) if *cas != -1 && *cas != version => {
                Err(ApiError::bad_request(format!(
                    "check-and-set parameter {cas} did not match the current version {version}"
                )))
            }
            _ => Ok(()),
        }
    }
}

fn write_acl(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let body: Body = core.call.parse()?;
    write(core, session, &body, &body.policy.0)
}

fn write_old(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let body: Body = core.call.parse()?;
    if !body.policy.0.is_empty() {
        return write(core, session, &body, &body.policy.0);
    }
    let answer = write(core, session, &body, &body.rules.0)?;
    Ok(answer.warn("'rules' is deprecated, please use 'policy' instead"))
}

fn write(
    core: &CoreCall<'_>,
    session: &mut Session,
    body: &Body,
    given: &str,
) -> ApiResult<Response> {
    let name = name(core)?;
    if given.is_empty() {
        return Err(ApiError::bad_request("'policy' parameter not supplied or empty"));
    }
    if given.len() > TEXT_MAX {
        return Err(ApiError::bad_request("the policy is too long: 1 MiB is the limit"));
    }
    if [policy::ROOT, policy::WRAPPING].contains(&name.as_str()) {
        return Err(ApiError::bad_request(format!("cannot update {name:?} policy")));
    }
    let now = Stamp::from(core.call.now);
    let before = policy::read(session, &name)?.unwrap_or_default();
    body.check_and_set(&before)?;
    let entry = PolicyEntry {
        text: plain_text(given.to_owned()),
        version: before.version + 1,
        modified: Some(now),
        expires: body.end(now)?,
        cas_required: body.cas_required.as_ref().is_some_and(|f| f.0),
    };
    policy::write(session, &name, &entry).map_err(|e| match e {
        policy::WriteError::Parse(_) => ApiError::bad_request(e.to_string()),
        policy::WriteError::View(e) => e.into(),
    })?;
    Ok(Response::empty())
}

fn delete(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let name = name(core)?;
    match name.as_str() {
        policy::ROOT | policy::WRAPPING => {
            Err(ApiError::bad_request(format!("cannot delete {name:?} policy")))
        }
        policy::DEFAULT => Err(ApiError::bad_request("cannot delete default policy")),
        _ => {
            policy::delete(session, &name);
            Ok(Response::empty())
        }
    }
}

/// The text may come in base64.
fn plain_text(given: String) -> String {
    let decoded = STANDARD.decode(given.trim()).ok().and_then(|b| String::from_utf8(b).ok());
    decoded.filter(|text| policy::parse(text).is_ok()).unwrap_or(given)
}

fn name(core: &CoreCall<'_>) -> ApiResult<String> {
    let name = core.call.param("name").trim_end_matches('/').to_lowercase();
    if name.is_empty() {
        // The list's own path, with a verb that it does not have.
        return Err(ApiError::unsupported_operation());
    }
    if name.len() > policy::NAME_MAX {
        return Err(ApiError::bad_request("the policy's name is too long: 512 bytes is the limit"));
    }
    Ok(name)
}
