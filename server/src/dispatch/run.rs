//! One attempt at a call: a pure function of the request and the state of the store.

use std::sync::Arc;

use super::Request;
use super::authorise::{authorise, identify};
use crate::barrier::Session;
use crate::cluster::Cluster;
use crate::describe;
use crate::logical::{
    Access, ApiError, ApiResult, Call, Caller, EngineHandler, Method, MountInfo, Params, Response,
    Route, Served, find_route,
};
use crate::mount::{self, Mount, Scope, Target};
use crate::replication::Role;
use crate::sys::{self, CoreCall, CoreHandler, Found, SysCall, SysHandler};

/// What comes after an attempt.
pub enum Step {
    /// Commit, then answer.
    Answer(Response),
    /// Take a use of the token with this storage id, then come back.
    Spend(String),
    /// A handler that waits.
    Wait(SysHandler, SysCall),
    /// The primary's business; this caller was authorised here.
    Forward(Caller),
}

/// Everything about the request that does not change from attempt to attempt.
pub(super) struct Context<'a> {
    pub(super) cluster: &'a Arc<Cluster>,
    pub(super) request: &'a Request,
    pub(super) role: Role,
    pub(super) scope: Scope,
}

/// Runs a client's request.
pub(super) fn attempt(
    cluster: &Arc<Cluster>,
    session: &mut Session,
    role: Role,
    request: &Request,
    spent: bool,
) -> ApiResult<Step> {
    let context = Context { cluster, request, role, scope: Scope::Here };
    let unready = role == (Role::Secondary { ready: false });
    if unready && !request.path.starts_with("sys/replication/") && request.path != "sys/seal" {
        return Err(ApiError::unavailable(
            "this secondary is still receiving its first copy of the primary's data; try again soon",
        ));
    }
    let token = request.token.as_deref().map_or("", String::as_str);
    let known = identify(session, token, request.now)?;
    if let Some(found) = &known
        && found.entry.num_uses != 0
        && !spent
    {
        return Ok(Step::Spend(found.caller.token_id.clone()));
    }
    let caller = known.as_deref().map(|t| &t.caller);
    if request.asks_for_help() {
        // Nothing of the store is in it, so any valid token will do.
        caller.ok_or_else(ApiError::permission_denied)?;
        return describe::help(session, &request.path).map(Step::Answer);
    }
    if let Some(rest) = request.path.strip_prefix("sys/") {
        return system(&context, session, caller, rest);
    }
    mounted(&context, session, caller)
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
            authorise(session, request, Access::Token, caller, true)?;
            return Err(e);
        }
    };
    let caller = authorise(session, request, found.access(), caller, true)?;
    if forwarded(context, false, found.served()) {
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
        Found::Core(_, method, params) => {
            let mount = MountInfo { path: "sys/".to_owned(), ..MountInfo::default() };
            core(context, session, caller, &mount, rest, params, method.run)
        }
        Found::Waits(_, method, params) => Ok(Step::Wait(
            method.run,
            SysCall::new(context.cluster, request, rest, &params, caller),
        )),
    }
}

/// A path of a mount.
pub(super) fn mounted(
    context: &Context<'_>,
    session: &mut Session,
    caller: Option<&Caller>,
) -> ApiResult<Step> {
    let request = context.request;
    let Some((mount, rest)) = mount::route(session, context.scope, &request.path)? else {
        authorise(session, request, Access::Token, caller, true)?;
        return Err(ApiError::new(
            404,
            format!("no handler for route {:?}. route entry not found.", request.path),
        ));
    };
    match mount.target {
        Target::Engine(table) => engine(context, session, caller, &mount, rest, table),
        // Tokens are each cluster's own too.
        Target::Core(_) if context.scope == Scope::Replicated => Err(ApiError::permission_denied()),
        Target::Core(table) => {
            let found = find_route(table, request.op, rest);
            let access = found.as_ref().map_or(Access::Token, |(route, ..)| route.access);
            let caller = authorise(session, request, access, caller, true)?;
            let (_, method, params) = found?;
            core(context, session, caller, &mount.info, rest, params, method.run)
        }
        Target::System | Target::Unknown => {
            authorise(session, request, Access::Token, caller, true)?;
            Err(ApiError::unsupported_path())
        }
    }
}

fn engine(
    context: &Context<'_>,
    session: &mut Session,
    caller: Option<&Caller>,
    mount: &Mount,
    rest: &str,
    table: &'static [Route<EngineHandler>],
) -> ApiResult<Step> {
    let request = context.request;
    let (route, method, params): (_, &Method<EngineHandler>, Params<'_>) =
        match find_route(table, request.op, rest) {
            Ok(found) => found,
            Err(e) => {
                authorise(session, request, Access::Token, caller, true)?;
                return Err(e);
            }
        };
    let nobody = Caller::default();
    let call = Call {
        op: request.op,
        path: rest,
        params,
        body: &request.body,
        query: &request.query,
        caller: caller.unwrap_or(&nobody),
        mount: &mount.info,
        now: request.now,
    };
    let exists = match (route.exists, request.op) {
        (Some(exists), crate::logical::Operation::Write) if caller.is_some() => {
            exists(&call, &mut session.view(mount.keyspace))?
        }
        _ => true,
    };
    let caller = authorise(session, request, route.access, caller, exists)?;
    if forwarded(context, mount.info.local, method.served) {
        return Ok(Step::Forward(caller.clone()));
    }
    (method.run)(&call, &mut session.view(mount.keyspace)).map(Step::Answer)
}

fn core(
    context: &Context<'_>,
    session: &mut Session,
    caller: &Caller,
    mount: &MountInfo,
    rest: &str,
    params: Params<'_>,
    run: CoreHandler,
) -> ApiResult<Step> {
    let request = context.request;
    let call = Call {
        op: request.op,
        path: rest,
        params,
        body: &request.body,
        query: &request.query,
        caller,
        mount,
        now: request.now,
    };
    let token = request.token.as_deref().map_or("", String::as_str);
    run(&CoreCall { call, token, wrapped: request.wrap_ttl.is_some() }, session).map(Step::Answer)
}

/// On a secondary the primary serves what writes replicated data.
fn forwarded(context: &Context<'_>, local: bool, served: Served) -> bool {
    matches!(context.role, Role::Secondary { .. }) && !local && served == Served::ByPrimary
}
