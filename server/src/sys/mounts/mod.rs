//! `sys/mounts`, `sys/auth` and their `tune`: which engines there are, and where.

mod place;
mod settings;
mod shown;
mod tune;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use self::place::{AUTH, Place, SECRETS};
use self::settings::{Settings, plain_options};
use self::shown::tuning;
use self::tune::tune;
use crate::barrier::Session;
use crate::handler::{CoreCall, CoreRoute};
use crate::logical::{ApiError, ApiResult, Field, Flag, Method, Operation, Response, Scalar};
use crate::mount::{self, MountEntry};
use crate::token;

pub(super) use self::shown::show;

const MOUNTS: &[Field] = &[
    Field::words("allowed_response_headers", "Response headers that the engine may set"),
    Field::words("audit_non_hmac_request_keys", "Request fields that go on record as they are"),
    Field::words("audit_non_hmac_response_keys", "Response fields that go on record as they are"),
    Field::object("config", "Settings"),
    Field::text("default_lease_ttl", "How long leases live"),
    Field::text("description", "What it is for"),
    Field::flag("external_entropy_access", "Kept, without effect"),
    Field::text("listing_visibility", "Whether user interfaces show it to anyone"),
    Field::flag("local", "Whether it stays in this cluster"),
    Field::text("max_lease_ttl", "How long leases can live"),
    Field::pairs("options", "Options"),
    Field::words("passthrough_request_headers", "Request headers that the engine sees"),
    Field::text("plugin_name", "Old form of `type`"),
    Field::text("plugin_version", "Kept, without effect"),
    Field::flag("seal_wrap", "Kept, without effect"),
    Field::text("token_type", "Type of tokens"),
    Field::text("type", "Its type"),
    Field::object("user_lockout_config", "When failed logins lock a name"),
];

/// The routes. Writes run here first: whether a mount is local is for the handler to find out.
pub(super) static ROUTES: &[CoreRoute] = &[
    CoreRoute::new("mounts", "List the secrets engines", &[Method::local(Operation::Read, list)])
        .takes(&[]),
    CoreRoute::new(
        "mounts/{path..}",
        "Enable, show, tune or disable a secrets engine",
        &[
            Method::local(Operation::Read, read),
            Method::local(Operation::Write, write),
            Method::local(Operation::Delete, disable),
        ],
    )
    .takes(MOUNTS),
    CoreRoute::new("auth", "List the auth methods", &[Method::local(Operation::Read, list_auth)])
        .takes(&[]),
    CoreRoute::new(
        "auth/{path..}",
        "Enable, show, tune or disable an auth method",
        &[
            Method::local(Operation::Read, read_auth),
            Method::local(Operation::Write, write_auth),
            Method::local(Operation::Delete, disable_auth),
        ],
    )
    .sudo()
    .takes(MOUNTS),
];

fn flat(data: &Value) -> ApiResult<Response> {
    Ok(Response { flatten: true, ..Response::data(data)? })
}

fn table(session: &mut Session, keys: &[&str]) -> ApiResult<Response> {
    let mut all = Map::new();
    for key in keys {
        for entry in mount::entries(session, key)? {
            all.entry(entry.path.clone()).or_insert_with(|| show(&entry));
        }
    }
    flat(&Value::Object(all))
}

fn list(_core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    table(session, &SECRETS)
}

fn list_auth(_core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    table(session, &AUTH)
}

fn read(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    read_place(&Place::secrets(core)?, session, "No secret engine mount at")
}

fn read_auth(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    read_place(&Place::auth(core)?, session, "No auth engine at")
}

fn read_place(place: &Place<'_>, session: &mut Session, missing: &str) -> ApiResult<Response> {
    let found = place.find_shown(session)?;
    match (found, place.tune) {
        (Some(entry), true) => flat(&tuning(&entry, session.lease_times())),
        (Some(entry), false) => flat(&show(&entry)),
        (None, true) => Err(ApiError::bad_request(format!(
            "cannot fetch sysview for path {:?}",
            place.full_path()
        ))),
        (None, false) => Err(ApiError::bad_request(format!("{missing} {}", place.path))),
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    r#type: Scalar,
    plugin_name: Scalar,
    description: Option<Scalar>,
    local: Flag,
    seal_wrap: Flag,
    external_entropy_access: Flag,
    options: Option<BTreeMap<String, Scalar>>,
    /// Clients send null for what was not given.
    config: Option<Settings>,
}

impl Body {
    /// The type; old forms have it in `plugin_name`, with the type `plugin`.
    fn kind(&self) -> ApiResult<&str> {
        let configured = self.config.as_ref().map_or("", |c| c.plugin_name.0.as_str());
        let kind = match (self.r#type.0.as_str(), self.plugin_name.0.as_str()) {
            ("plugin", "") => configured,
            ("plugin", name) => name,
            (kind, _) => kind,
        };
        if kind.is_empty() {
            return Err(ApiError::bad_request("backend type must be specified as a string"));
        }
        Ok(kind)
    }
}

fn write(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let place = Place::secrets(core)?;
    if place.tune {
        return tune(core, session, &place);
    }
    let body: Body = core.call.parse()?;
    let description = body.description.clone().unwrap_or_default().0;
    let mut entry = MountEntry::new(&place.path, body.kind()?, &description);
    entry.local = body.local.0;
    entry.seal_wrap = body.seal_wrap.0;
    entry.external_entropy_access = body.external_entropy_access.0;
    entry.options = Some(body.options.map(plain_options).unwrap_or_default());
    body.config.unwrap_or_default().apply(&mut entry.config)?;
    // Of auth methods only.
    entry.config.token_type.clear();
    entry.config.user_lockout_config = None;
    mount::enable(session, entry)?;
    Ok(Response::empty())
}

fn write_auth(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let place = Place::auth(core)?;
    if place.tune {
        return tune(core, session, &place);
    }
    let body: Body = core.call.parse()?;
    let description = body.description.clone().unwrap_or_default().0;
    let mut entry = MountEntry::new(&place.path, body.kind()?, &description);
    entry.accessor.insert_str(0, "auth_");
    entry.local = body.local.0;
    entry.seal_wrap = body.seal_wrap.0;
    entry.external_entropy_access = body.external_entropy_access.0;
    entry.options = Some(body.options.map(plain_options).unwrap_or_default());
    "default-service".clone_into(&mut entry.config.token_type);
    body.config.unwrap_or_default().apply(&mut entry.config)?;
    mount::enable_auth(session, entry)?;
    Ok(Response::empty())
}

fn disable(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let place = Place::secrets(core)?;
    if place.tune {
        return Err(ApiError::unsupported_operation());
    }
    mount::disable(session, &place.path)?;
    Ok(Response::empty())
}

fn disable_auth(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let place = Place::auth(core)?;
    if place.tune {
        return Err(ApiError::unsupported_operation());
    }
    // Its tokens are void from here on, on every cluster; here they are removed too.
    if mount::disable_auth(session, &place.path)?.is_some() {
        token::revoke_prefix(session, &format!("auth/{}", place.path))?;
    }
    Ok(Response::empty())
}
