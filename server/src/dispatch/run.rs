//! One attempt at a call: a pure function of the request and the state of the store.

use std::cell::Cell;
use std::sync::Arc;

use bytes::Bytes;
use strongroom_storage::KeyspaceId;

use super::Request;
use super::authorise::{Admitted, authorise, identify};
use super::page;
use super::record::LookedUp;
use crate::auth::{self, Lockout, Login};
use crate::barrier::Session;
use crate::cluster::Cluster;
use crate::describe;
use crate::keyspace::CORE;
use crate::logical::{
    Access, ApiError, ApiResult, Call, Caller, EngineHandler, Method, MountInfo, Operation, Params,
    Peer, Response, Route, Served, Takes, find_route, last_of_each, matches as path_matches,
};
use crate::mount::{self, Mount, Scope, Target};
use crate::policy::Capabilities;
use crate::replication::Role;
use crate::sys::{self, CoreCall, CoreHandler, Found, SysCall, SysHandler};
use crate::wrapping;

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
    /// A login that was accepted here and has something to write that only the primary may.
    Login(Caller),
}

/// Everything about the request that does not change from attempt to attempt.
pub(super) struct Context<'a> {
    pub(super) cluster: &'a Arc<Cluster>,
    pub(super) lockout: &'a Lockout,
    pub(super) request: &'a Request,
    pub(super) role: Role,
    pub(super) scope: Scope,
    /// What an attempt found: nothing yet where the request writes.
    pub(super) creates: Cell<bool>,
    /// What the caller's policies allowed, if they were asked.
    pub(super) allowed: Cell<Option<Capabilities>>,
}

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

/// `own`: what is served locally is each cluster's own and no secondary's business.
fn on_core(
    context: &Context<'_>,
    session: &mut Session,
    caller: Option<&Caller>,
    mount: &Mount,
    rest: &str,
    table: &'static [Route<CoreHandler>],
    own: bool,
) -> ApiResult<Step> {
    let request = context.request;
    let found = find_route(table, request.op, rest);
    if own && context.scope == Scope::Replicated {
        let elsewhere = |f: &(_, &Method<CoreHandler>, _)| f.1.served == Served::ByPrimary;
        if !found.as_ref().is_ok_and(elsewhere) {
            return Err(ApiError::permission_denied());
        }
    }
    let (route, method, params) = match found {
        Ok(found) => found,
        Err(e) => {
            let open = |r: &Route<_>| r.access == Access::Public && path_matches(r.pattern, rest);
            if !table.iter().any(open) {
                authorise(context, session, Access::Token, caller, true)?;
            }
            return Err(e);
        }
    };
    let exists = match (route.exists, request.op) {
        (Some(exists), Operation::Write) if caller.is_some() => {
            let nobody = Caller::default();
            let caller = caller.unwrap_or(&nobody);
            let call = call(request, caller, &mount.info, rest, params.clone());
            exists(&call, &mut session.view(mount.keyspace))?
        }
        _ => true,
    };
    context.creates.set(!exists);
    let admitted = authorise(context, session, route.access, caller, exists)?;
    let caller = admitted.caller;
    if forwarded(context, mount.info.local, method.served) {
        return Ok(Step::Forward(caller.clone()));
    }
    let place = (&mount.info, mount.keyspace);
    core(context, session, &admitted, place, rest, params, (route.takes, method.run))
}

fn call<'a>(
    request: &'a Request,
    caller: &'a Caller,
    mount: &'a MountInfo,
    path: &'a str,
    params: Params<'a>,
) -> Call<'a> {
    Call {
        op: request.op,
        path,
        params,
        body: &request.body,
        query: &request.query,
        caller,
        mount,
        now: request.now,
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
                authorise(context, session, Access::Token, caller, true)?;
                return Err(e);
            }
        };
    let nobody = Caller::default();
    let call = call(request, caller.unwrap_or(&nobody), &mount.info, rest, params);
    let exists = match (route.exists, request.op) {
        (Some(exists), Operation::Write) if caller.is_some() => {
            exists(&call, &mut session.view(mount.keyspace))?
        }
        _ => true,
    };
    context.creates.set(!exists);
    let admitted = authorise(context, session, route.access, caller, exists)?;
    let caller = admitted.caller;
    if forwarded(context, mount.info.local, method.served) {
        return Ok(Step::Forward(caller.clone()));
    }
    let notes = route.takes.check(call.op, &call.params, call.body, call.query)?;
    let mut run = |call: &Call<'_>| (method.run)(call, &mut session.view(mount.keyspace));
    let response = match run(&call) {
        Err(refused) => match repeated(&refused, &call) {
            Some(body) => run(&Call { body: &body, ..call })?,
            None => return Err(refused),
        },
        Ok(response) => response,
    };
    page::cut(response.noted(notes), admitted.page_max).map(Step::Answer)
}

/// The body of a refused call without the names that it gives twice: the last value counts.
fn repeated(refused: &ApiError, call: &Call<'_>) -> Option<Bytes> {
    (refused.status == 400).then(|| last_of_each(call.body)).flatten()
}

fn core(
    context: &Context<'_>,
    session: &mut Session,
    admitted: &Admitted<'_>,
    (mount, keyspace): (&MountInfo, KeyspaceId),
    rest: &str,
    params: Params<'_>,
    (takes, run): (Takes, CoreHandler),
) -> ApiResult<Step> {
    let (request, caller) = (context.request, admitted.caller);
    let notes = takes.check(request.op, &params, &request.body, &request.query)?;
    let mut core = CoreCall {
        call: call(request, caller, mount, rest, params),
        token: request.token.as_deref().map_or("", String::as_str),
        wrapped: request.wrap_ttl.is_some(),
        keyspace,
        peer: Peer {
            address: request.remote.map(|r| r.ip()),
            certificates: request.certificates.clone(),
        },
        lockout: context.lockout,
        config: context.cluster.config(),
    };
    let once;
    let mut response = match run(&core, session) {
        Err(refused) => match repeated(&refused, &core.call) {
            Some(body) => {
                once = body;
                core.call.body = &once;
                run(&core, session)?
            }
            None => return Err(refused),
        },
        Ok(response) => response,
    }
    .noted(notes);
    let Some(mut login) = response.login.take() else {
        return page::cut(response, admitted.page_max).map(Step::Answer);
    };
    auth::settle(session, &mut login, mount, request.now.into())?;
    if context.scope == Scope::Replicated {
        response.login = Some(login);
        return Ok(Step::Answer(response));
    }
    let secondary = matches!(context.role, Role::Secondary { .. });
    if secondary && session.txn().writes_replicated() {
        return Ok(Step::Login(caller.clone()));
    }
    issued(session, response, *login, &core.call).map(Step::Answer)
}

/// Makes the token of a login that the primary has settled.
pub(super) fn complete(
    session: &mut Session,
    request: &Request,
    mut response: Response,
) -> ApiResult<Response> {
    let Some(login) = response.login.take() else { return Ok(response) };
    let found = mount::route(session, Scope::Here, &request.path)?;
    let Some((mount, rest)) = found else { return Err(ApiError::permission_denied()) };
    let nobody = Caller::default();
    let call = call(request, &nobody, &mount.info, rest, Params::default());
    issued(session, response, *login, &call)
}

fn issued(
    session: &mut Session,
    mut response: Response,
    login: Login,
    call: &Call<'_>,
) -> ApiResult<Response> {
    let (made, warnings) = auth::issue(session, login, call)?;
    response.auth = Some(Box::new(made));
    response.warnings.extend(warnings);
    Ok(response)
}

/// On a secondary the primary serves what writes replicated data.
fn forwarded(context: &Context<'_>, local: bool, served: Served) -> bool {
    matches!(context.role, Role::Secondary { .. }) && !local && served == Served::ByPrimary
}
