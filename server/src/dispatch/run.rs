//! One attempt at a call: a pure function of the request and the state of the store.

use std::sync::Arc;

use super::authorise::{authorise, identify};
use super::context::{Context, Step};
use super::handler::{core, engine, on_core};
use super::record::LookedUp;
use crate::barrier::Session;
use crate::describe;
use crate::handler::SysCall;
use crate::keyspace::CORE;
use crate::logical::{Access, ApiError, ApiResult, Caller, MountInfo, Operation, Served};
use crate::mount::{self, Mount, Scope, Target};
use crate::replication::Role;
use crate::sys::{self, Found};
use crate::wrapping;

/// Runs a client's request. `found` was looked up in this transaction.
pub(super) fn attempt(
    context: &Context<'_>,
    session: &mut Session,
    found: Option<LookedUp>,
    spent: bool,
) -> ApiResult<Step> {
    let Context { request, role, .. } = *context;
    let unready = role == (Role::Secondary { ready: false });
    if unready && !request.path.starts_with("sys/replication/") && request.path != "sys/seal" {
        return Err(ApiError::unavailable(
            "this secondary is still receiving its first copy of the primary's data; try again soon",
        ));
    }
    let (known, mount) = match found {
        Some(LookedUp { token, mount }) => (token, mount),
        None => (identify(session, request)?, None),
    };
    if let Some(found) = &known
        && found.entry.num_uses != 0
        && !spent
    {
        return Ok(Step::Spend(found.caller.token_id.clone()));
    }
    let caller = known.as_deref().map(|t| &t.caller);
    if caller.is_none()
        && request.op == Operation::Read
        && request.path == wrapping::OLD_PATH
        && let Some(token) = &request.token
        && let Some(answer) = wrapping::old_unwrap(session, token, request.now)?
    {
        return Ok(Step::Answer(answer));
    }
    if request.asks_for_help() {
        // Nothing of the store is in it, so any valid token will do.
        caller.ok_or_else(ApiError::permission_denied)?;
        return describe::help(session, &request.path).map(Step::Answer);
    }
    if let Some(rest) = request.path.strip_prefix("sys/") {
        return system(context, session, caller, rest);
    }
    mounted(context, session, caller, mount)
}

/// `sys/`.
pub(super) fn system(
    context: &Context<'_>,
    session: &mut Session,
    caller: Option<&Caller>,
    rest: &str,
) -> ApiResult<Step> {
    let request = context.request;
    let found = match sys::find(request.op, rest) {
        Ok(found) => found,
        Err(e) => {
            if !sys::open_to_anyone(rest) {
                authorise(context, session, Access::Token, caller, true)?;
            }
            return Err(e);
        }
    };
    let admitted = authorise(context, session, found.access(), caller, true)?;
    let caller = admitted.caller;
    if context.forwarded(false, found.served()) {
        return Ok(Step::Forward(caller.clone()));
    }
    match found {
        // Tokens for secondaries, the seal and the like are each cluster's own: whoever holds a
        // secondary's certificate must not reach them.
        Found::Waits(_, method, _)
            if context.scope == Scope::Replicated && method.served == Served::Locally =>
        {
            Err(ApiError::permission_denied())
        }
        Found::Core(route, method, params) => {
            let mount = MountInfo { path: "sys/".to_owned(), ..MountInfo::default() };
            core(
                context,
                session,
                &admitted,
                (&mount, CORE),
                rest,
                params,
                (route.takes, method.run),
            )
        }
        Found::Waits(route, method, params) => {
            route.takes.check(request.op, &params, &request.body, &request.query)?;
            let call = SysCall::new(context.cluster, request, rest, &params, caller);
            Ok(Step::Wait(method.run, call))
        }
    }
}

/// A path of a mount, which may be known already.
pub(super) fn mounted(
    context: &Context<'_>,
    session: &mut Session,
    caller: Option<&Caller>,
    mount: Option<Arc<Mount>>,
) -> ApiResult<Step> {
    let request = context.request;
    let routed = match mount {
        Some(mount) => {
            // A path may lack the slash that ends its mount's.
            let rest = request.path.get(mount.info.path.len()..).unwrap_or("");
            Some((mount, rest))
        }
        None => mount::route(session, context.scope, &request.path)?,
    };
    let Some((mount, rest)) = routed else {
        authorise(context, session, Access::Token, caller, true)?;
        return Err(ApiError::new(
            404,
            format!("no handler for route {:?}. route entry not found.", request.path),
        ));
    };
    match mount.target {
        Target::Engine(table) => engine(context, session, caller, &mount, rest, table),
        Target::Core(table) => on_core(context, session, caller, &mount, rest, table, false),
        Target::Own(table) => on_core(context, session, caller, &mount, rest, table, true),
        Target::System | Target::Unknown => {
            authorise(context, session, Access::Token, caller, true)?;
            Err(ApiError::unsupported_path())
        }
    }
}
