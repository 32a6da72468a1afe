//! `sys/mounts`, `sys/auth` and their `tune`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::tune::{tune, tuning};
use super::{CoreCall, CoreRoute};
use crate::barrier::Session;
use crate::logical::{
    ApiError, ApiResult, Field, Flag, Integer, Method, Operation, Response, Scalar, Seconds, Words,
};
use crate::mount::{
    self, AUTH_KEY, LOCAL_AUTH_KEY, LOCAL_KEY, LockoutConfig, MOUNTS_KEY, MountConfig, MountEntry,
};
use crate::token;

const SECRETS: [&str; 2] = [MOUNTS_KEY, LOCAL_KEY];
const AUTH: [&str; 2] = [AUTH_KEY, LOCAL_AUTH_KEY];

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

/// A mount's configuration as the API shows it.
fn config(entry: &MountEntry) -> Value {
    let mut config = json!(entry.config);
    if let Some(lockout) = &entry.config.user_lockout_config {
        config["user_lockout_config"] = json!({
            "user_lockout_threshold": lockout.lockout_threshold,
            "user_lockout_duration": lockout.lockout_duration,
            "user_lockout_counter_reset_duration": lockout.lockout_counter_reset,
            "user_lockout_disable": lockout.lockout_disable,
        });
    }
    config
}

/// Kinds that are there by themselves.
const BUILT_IN: [&str; 4] = ["system", "cubbyhole", "identity", "token"];

/// A mount as the API shows it.
pub(super) fn show(entry: &MountEntry) -> Value {
    let mut shown = json!({
        "type": entry.kind,
        "description": entry.description,
        "accessor": entry.accessor,
        "uuid": entry.uuid,
        "local": entry.local,
        "seal_wrap": entry.seal_wrap,
        "external_entropy_access": entry.external_entropy_access,
        "options": entry.options,
        "config": config(entry),
        "plugin_version": "",
        "running_plugin_version": concat!("v", env!("CARGO_PKG_VERSION"), "+builtin"),
        "running_sha256": "",
    });
    // What cannot be mounted is no plugin that anybody could support.
    if !BUILT_IN.contains(&entry.kind.as_str()) {
        shown["deprecation_status"] = "supported".into();
    }
    shown
}

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

/// Which table a path of `sys/mounts/` or `sys/auth/` is about, its mount path with the slash, and
/// whether it is about tuning.
pub(super) struct Place<'k> {
    pub(super) keys: &'k [&'k str],
    pub(super) path: String,
    tune: bool,
}

impl Place<'_> {
    fn secrets(core: &CoreCall<'_>) -> ApiResult<Self> {
        let path = core.call.param("path").trim_end_matches('/');
        match path.strip_prefix("auth/").and_then(|p| p.strip_suffix("/tune")) {
            Some(auth) => Self::new(&AUTH, auth, true),
            None => Self::split(&SECRETS, path),
        }
    }

    fn auth(core: &CoreCall<'_>) -> ApiResult<Self> {
        Self::split(&AUTH, core.call.param("path").trim_end_matches('/'))
    }

    fn split(keys: &'static [&'static str], path: &str) -> ApiResult<Self> {
        match path.strip_suffix("/tune") {
            Some(mount) => Self::new(keys, mount, true),
            None => Self::new(keys, path, false),
        }
    }

    fn new(keys: &'static [&'static str], path: &str, tune: bool) -> ApiResult<Self> {
        if path.is_empty() {
            // The list's own path, with a verb that it does not have.
            return Err(ApiError::unsupported_operation());
        }
        Ok(Self { keys, path: format!("{path}/"), tune })
    }

    /// With `auth/`, where it is one.
    pub(super) fn full_path(&self) -> String {
        if self.is_auth() { format!("auth/{}", self.path) } else { self.path.clone() }
    }

    pub(super) fn is_auth(&self) -> bool {
        self.keys == AUTH
    }

    fn find(&self, session: &mut Session) -> ApiResult<Option<MountEntry>> {
        for key in self.keys {
            let found = mount::entries(session, key)?.into_iter().find(|e| e.path == self.path);
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

fn read(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    read_place(&Place::secrets(core)?, session, "No secret engine mount at")
}

fn read_auth(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    read_place(&Place::auth(core)?, session, "No auth engine at")
}

fn read_place(place: &Place<'_>, session: &mut Session, missing: &str) -> ApiResult<Response> {
    let found = place.find(session)?;
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
    config: Option<Config>,
}

impl Body {
    /// The type; the old form has it in `plugin_name`, with the type `plugin`.
    fn kind(&self) -> ApiResult<&str> {
        let kind = if self.r#type.0 == "plugin" { &self.plugin_name.0 } else { &self.r#type.0 };
        if kind.is_empty() {
            return Err(ApiError::bad_request("backend type must be specified as a string"));
        }
        Ok(kind)
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Config {
    default_lease_ttl: Option<Scalar>,
    max_lease_ttl: Option<Scalar>,
    force_no_cache: Option<Flag>,
    listing_visibility: Option<Scalar>,
    pub(super) token_type: Option<Scalar>,
    #[serde(rename = "user_lockout_config")]
    pub(super) lockout: Option<Lockout>,
    passthrough_request_headers: Option<Words>,
    allowed_response_headers: Option<Words>,
    audit_non_hmac_request_keys: Option<Words>,
    audit_non_hmac_response_keys: Option<Words>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Lockout {
    #[serde(rename = "lockout_threshold")]
    threshold: Option<Integer>,
    #[serde(rename = "lockout_duration")]
    duration: Option<Seconds>,
    #[serde(rename = "lockout_counter_reset")]
    counter_reset: Option<Seconds>,
    /// The name of `lockout_counter_reset` in a part of the documentation.
    #[serde(rename = "lockout_counter_reset_duration")]
    counter_reset_duration: Option<Seconds>,
    #[serde(rename = "lockout_disable")]
    disable: Option<Flag>,
}

impl Lockout {
    fn apply(self, to: &mut LockoutConfig) {
        let reset = self.counter_reset.or(self.counter_reset_duration);
        let threshold = self.threshold.and_then(|n| u64::try_from(n.0).ok());
        set(&mut to.lockout_threshold, threshold.filter(|n| *n > 0));
        set(&mut to.lockout_duration, self.duration.map(|s| s.0));
        set(&mut to.lockout_counter_reset, reset.map(|s| s.0));
        set(&mut to.lockout_disable, self.disable.map(|f| f.0));
    }
}

impl Config {
    pub(super) fn apply(self, to: &mut MountConfig) -> ApiResult<()> {
        set(
            &mut to.default_lease_ttl,
            self.default_lease_ttl.map(|t| ttl("default", &t)).transpose()?,
        );
        set(&mut to.max_lease_ttl, self.max_lease_ttl.map(|t| ttl("max", &t)).transpose()?);
        set(&mut to.force_no_cache, self.force_no_cache.map(|f| f.0));
        if let Some(Scalar(visibility)) = self.listing_visibility {
            if !["", "unauth", "hidden"].contains(&visibility.as_str()) {
                return Err(ApiError::bad_request(format!(
                    "invalid listing_visibility {visibility}"
                )));
            }
            to.listing_visibility = visibility;
        }
        if let Some(Scalar(kind)) = self.token_type {
            if !["default-service", "default-batch", "service", "batch"].contains(&&*kind) {
                return Err(ApiError::bad_request("invalid value for 'token_type'"));
            }
            to.token_type = kind;
        }
        if let Some(lockout) = self.lockout {
            let mut config = to.user_lockout_config.unwrap_or_default();
            lockout.apply(&mut config);
            to.user_lockout_config = Some(config);
        }
        set(&mut to.passthrough_request_headers, self.passthrough_request_headers.map(|w| w.0));
        set(&mut to.allowed_response_headers, self.allowed_response_headers.map(|w| w.0));
        set(&mut to.audit_non_hmac_request_keys, self.audit_non_hmac_request_keys.map(|w| w.0));
        set(&mut to.audit_non_hmac_response_keys, self.audit_non_hmac_response_keys.map(|w| w.0));
        Ok(())
    }
}

fn set<T>(to: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *to = value;
    }
}

/// Seconds; `system` and nothing mean the system's default.
fn ttl(which: &str, given: &Scalar) -> ApiResult<u64> {
    if matches!(given.0.as_str(), "" | "system") {
        return Ok(0);
    }
    serde_json::from_value::<Seconds>(given.0.clone().into()).map(|s| s.0).map_err(|_| {
        let given = &given.0;
        ApiError::bad_request(format!("unable to parse {which} TTL of {given}: invalid duration"))
    })
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
    // Clients tell from it whether a KV mount has a version.
    let none = entry.kind.starts_with("kv").then(BTreeMap::new);
    entry.options = body.options.map(strings).or(none);
    body.config.unwrap_or_default().apply(&mut entry.config)?;
    // Of auth methods only.
    entry.config.token_type.clear();
    entry.config.user_lockout_config = None;
    mount::enable(session, entry)?;
    Ok(Response::empty())
}

pub(super) fn strings(options: BTreeMap<String, Scalar>) -> BTreeMap<String, String> {
    options.into_iter().map(|(k, v)| (k, v.0)).collect()
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
    entry.options = Some(body.options.map(strings).unwrap_or_default());
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
