//! `sys/mounts/X/tune` and `sys/auth/X/tune`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::place::Place;
use super::settings::{Settings, plain_options};
use crate::barrier::Session;
use crate::engine;
use crate::handler::CoreCall;
use crate::logical::{ApiError, ApiResult, Response, Scalar};
use crate::mount::{self, MountEntry, MountError};

/// Mounts that are always there: they are described and timed by nobody.
const SINGLETONS: [&str; 3] = ["cubbyhole/", "identity/", "sys/"];

#[derive(Deserialize, Default)]
#[serde(default)]
struct TuneBody {
    description: Option<Scalar>,
    options: Option<BTreeMap<String, Scalar>>,
    #[serde(flatten)]
    config: Settings,
}

impl TuneBody {
    /// Whether these are for that mount at all.
    fn check(&self, place: &Place<'_>) -> ApiResult<()> {
        let refuse = |message: String| Err(ApiError::bad_request(message));
        if SINGLETONS.contains(&place.path.as_str()) && !place.is_auth() {
            let fixed = [
                ("description", self.description.as_ref().is_some_and(|d| !d.0.is_empty())),
                ("options", self.options.as_ref().is_some_and(|o| !o.is_empty())),
            ];
            let fixed = fixed.into_iter().filter(|(_, given)| *given).map(|(name, _)| name);
            if let Some(name) = fixed.chain(self.config.given()).next() {
                return refuse(format!("cannot tune parameter {name} of {}", place.path));
            }
        }
        if self.config.token_type.is_some() && !place.is_auth() {
            return refuse("'token_type' can only be modified on auth mounts".to_owned());
        }
        if self.config.token_type.is_some() && place.path == "token/" {
            return refuse("'token_type' cannot be set for 'token' auth mounts".to_owned());
        }
        if self.config.lockout.is_some() && !place.is_auth() {
            return refuse(
                "tuning of user lockout configuration is for auth methods only".to_owned(),
            );
        }
        Ok(())
    }
}

/// Changes a mount; a KV mount of version 1 becomes one of version 2 when it is told to.
pub(super) fn tune(
    core: &CoreCall<'_>,
    session: &mut Session,
    place: &Place<'_>,
) -> ApiResult<Response> {
    let mut body: TuneBody = core.call.parse()?;
    body.config.only_what_is_tuned();
    body.check(place)?;
    let mut config_error = None;
    let mut upgraded = None;
    let found = mount::tune(session, place.keys, &place.path, |entry| {
        if let Some(Scalar(description)) = body.description {
            entry.description = description;
        }
        if let Some(options) = body.options {
            upgraded = tune_options(entry, plain_options(options))?.then(|| entry.keyspace());
        }
        config_error = body.config.apply(&mut entry.config).err();
        match &config_error {
            None => Ok(()),
            Some(e) => Err(MountError::Refused(e.errors.join("; "))),
        }
    })?;
    if let Some(keyspace) = upgraded {
        engine::add_versions(&mut session.view(keyspace), core.call.now)?;
        return Ok(Response::empty().warn(
            "The secrets of this mount have versions from now on, and are read and written below \
             data/.",
        ));
    }
    if found {
        return Ok(Response::empty());
    }
    Err(ApiError::bad_request(format!(
        "tune of path {:?} failed: no mount entry found",
        place.full_path()
    )))
}

/// Takes the options over, empty ones away; whether the secrets of the mount get versions by it.
fn tune_options(
    entry: &mut MountEntry,
    options: BTreeMap<String, String>,
) -> Result<bool, MountError> {
    let kv = entry.kind == "kv";
    let before = entry.option("version").filter(|v| !v.is_empty()).unwrap_or("1").to_owned();
    let after = options.get("version").filter(|v| !v.is_empty()).cloned();
    let refused = match after.as_deref() {
        Some("1") if kv && before == "2" => {
            Some("cannot downgrade mount from version 2".to_owned())
        }
        Some(other) if kv && !["1", "2"].contains(&other) => {
            Some(format!("invalid version provided: {other}"))
        }
        _ => None,
    };
    if let Some(message) = refused {
        return Err(MountError::Refused(message));
    }
    let upgrade = kv && before == "1" && after.as_deref() == Some("2");
    let all = entry.options.get_or_insert_default();
    all.extend(options.into_iter().filter(|(name, _)| !kv || name != "version"));
    if let Some(version) = after.filter(|_| kv) {
        all.insert("version".to_owned(), version);
    }
    all.retain(|_, value| !value.is_empty());
    Ok(upgrade)
}
