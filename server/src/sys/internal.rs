//! `sys/internal`: what user interfaces ask.

use serde_json::{Map, Value, json};

use crate::barrier::Session;
use crate::handler::{CoreCall, CoreRoute};
use crate::identity;
use crate::keyspace::LOCAL;
use crate::logical::{ApiError, ApiResult, Method, Operation, Response};
use crate::mount::{AUTH_KEY, LOCAL_KEY, MOUNTS_KEY, router};
use crate::policy;

/// The routes.
pub(super) static ROUTES: &[CoreRoute] = &[
    CoreRoute::new(
        "internal/ui/resultant-acl",
        "Show what the calling token may do",
        &[Method::local(Operation::Read, resultant_acl)],
    )
    .takes(&[]),
    CoreRoute::new(
        "internal/ui/namespaces",
        "List the namespaces that the caller can see: there are none",
        &[Method::local(Operation::Read, namespaces)],
    )
    .public()
    .takes(&[]),
    CoreRoute::new(
        "internal/counters/tokens",
        "Count the tokens of this cluster",
        &[Method::local(Operation::Read, tokens)],
    )
    .takes(&[]),
    CoreRoute::new(
        "internal/counters/entities",
        "Count the entities",
        &[Method::local(Operation::Read, entities)],
    )
    .takes(&[]),
    CoreRoute::new(
        "internal/inspect/router/{tag}",
        "Show the mounts as requests are routed by them",
        &[Method::local(Operation::Read, inspect)],
    )
    .sudo()
    .takes(&[]),
];

/// Tokens that are counted at most; more count as this many.
const TOKENS_MAX: usize = 10_000_000;

fn resultant_acl(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let caller = core.call.caller;
    if caller.policies.iter().any(|p| p == policy::ROOT) {
        return Response::data(&json!({ "root": true }));
    }
    let (mut exact, mut glob) = (Map::new(), Map::new());
    for (pattern, capabilities) in policy::patterns(session, caller, core.call.now)? {
        // The answer has no place for what leaves a segment open: who reads it takes paths as they
        // stand.
        if pattern.split('/').any(|segment| segment == "+") {
            continue;
        }
        let shown = json!({ "capabilities": capabilities.names() });
        // What is not an exact path stands without its `*` among the prefixes.
        match pattern.strip_suffix('*') {
            Some(prefix) => glob.insert(prefix.to_owned(), shown),
            None => exact.insert(pattern, shown),
        };
    }
    Response::data(&json!({ "root": false, "exact_paths": exact, "glob_paths": glob }))
}

fn namespaces(core: &CoreCall<'_>, _session: &mut Session) -> ApiResult<Response> {
    // Any token will do, whatever its policies say.
    if core.call.caller.is_nobody() {
        return Err(ApiError::permission_denied());
    }
    Response::data(&json!({}))
}

fn tokens(_core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let count = session.view(LOCAL).scan_unvalidated("token/", None, TOKENS_MAX).len();
    Response::data(&json!({ "counters": { "service_tokens": { "total": count } } }))
}

fn entities(_core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let count = identity::count(session);
    Response::data(&json!({ "counters": { "entities": { "total": count } } }))
}

fn inspect(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let tag = core.call.param("tag");
    let mut all = Vec::new();
    for key in [MOUNTS_KEY, LOCAL_KEY, AUTH_KEY] {
        for mount in router(session, key)?.all() {
            let by = match tag {
                "root" | "storage" => mount.info.path.clone(),
                "uuid" => mount.entry.uuid.to_string(),
                "accessor" => mount.entry.accessor.clone(),
                _ => return Err(ApiError::bad_request("unknown tag")),
            };
            let shown = json!({
                "mount_namespace": "",
                "mount_path": mount.entry.path,
                "mount_type": mount.entry.kind,
                "uuid": mount.entry.uuid,
                "accessor": mount.entry.accessor,
                "storage_prefix": mount.entry.uuid,
                "tainted": false,
            });
            all.push((by, shown));
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    if matches!(tag, "root" | "storage") {
        let list: Vec<Value> = all.into_iter().map(|(_, shown)| shown).collect();
        return Response::data(&json!({ tag: list }));
    }
    Response::data(&all.into_iter().collect::<Map<_, _>>())
}
