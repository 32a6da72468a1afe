//! `sys/internal/ui/mounts`: what the callers of `kv` commands ask first.

use serde_json::{Map, Value, json};

use super::mounts::show;
use crate::barrier::Session;
use crate::handler::{CoreCall, CoreRoute};
use crate::logical::{ApiError, ApiResult, Method, Operation, Response};
use crate::mount::{AUTH_KEY, LOCAL_AUTH_KEY, LOCAL_KEY, MOUNTS_KEY, Mount, Scope, route, router};
use crate::policy;

/// Shown to anyone.
const UNAUTH: &str = "unauth";

/// The routes. They look at the caller's rights on the mounts themselves.
pub(super) static ROUTES: &[CoreRoute] = &[
    CoreRoute::new(
        "internal/ui/mounts",
        "List the mounts that the caller can see",
        &[Method::local(Operation::Read, all)],
    )
    .public()
    .takes(&[]),
    CoreRoute::new(
        "internal/ui/mounts/{path..}",
        "Show the mount of a path",
        &[Method::local(Operation::Read, one)],
    )
    .public()
    .takes(&[]),
];

fn all(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let acl = policy::Acl::of(session, core.call.caller, core.call.now)?;
    if !core.token.is_empty() && core.call.caller.is_nobody() {
        return Err(ApiError::permission_denied());
    }
    let mut visible = |key: &str, into: &mut Map<String, Value>| -> ApiResult<()> {
        for mount in router(session, key)?.all() {
            if acl.touches(&mount.info.path) {
                into.insert(mount.entry.path.clone(), show(&mount.entry));
            } else if mount.entry.config.listing_visibility == UNAUTH {
                into.insert(mount.entry.path.clone(), brief(mount));
            }
        }
        Ok(())
    };
    let (mut secret, mut auth) = (Map::new(), Map::new());
    visible(MOUNTS_KEY, &mut secret)?;
    visible(LOCAL_KEY, &mut secret)?;
    visible(AUTH_KEY, &mut auth)?;
    visible(LOCAL_AUTH_KEY, &mut auth)?;
    Response::data(&json!({ "secret": secret, "auth": auth }))
}

fn one(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    if core.call.caller.is_nobody() {
        return Err(ApiError::permission_denied());
    }
    let path = core.call.param("path");
    let folder = format!("{}/", path.trim_end_matches('/'));
    let found = route(session, Scope::Here, path)?;
    let acl = policy::Acl::of(session, core.call.caller, core.call.now)?;
    if let Some((mount, _)) = found
        && acl.touches(&mount.info.path)
    {
        let mut data = show(&mount.entry);
        data["path"] = mount.entry.path.clone().into();
        return Response::data(&data);
    }
    Err(ApiError::new(
        403,
        format!(
            "preflight capability check returned 403, please ensure client's policies grant \
             access to path {folder:?}"
        ),
    ))
}

/// What anyone may know.
fn brief(mount: &Mount) -> Value {
    json!({
        "type": mount.entry.kind,
        "description": mount.entry.description,
        "options": mount.entry.options,
    })
}
