//! Runs the handler that serves a path: authorised, its fields checked, its answer settled.

use bytes::Bytes;
use strongroom_storage::KeyspaceId;

use super::Request;
use super::authorise::{Admitted, authorise};
use super::context::{Context, Step};
use super::page;
use crate::auth::{self, Login};
use crate::barrier::Session;
use crate::handler::{CoreCall, CoreHandler};
use crate::logical::{
    Access, ApiError, ApiResult, Call, Caller, EngineHandler, Method, MountInfo, Operation, Params,
    Peer, Response, Route, Served, Takes, find_route, matches as path_matches, mended,
};
use crate::mount::{self, Mount, Scope};
use crate::replication::Role;

pub(super) fn engine(
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
    if context.forwarded(mount.info.local, method.served) {
        return Ok(Step::Forward(caller.clone()));
    }
    let notes = route.takes.check(call.op, &call.params, call.body, call.query)?;
    let mut run = |call: &Call<'_>| (method.run)(call, &mut session.view(mount.keyspace));
    let response = match run(&call) {
        Err(refused) => match again(&refused, &call, route.takes) {
            Some(body) => run(&Call { body: &body, ..call })?,
            None => return Err(refused),
        },
        Ok(response) => response,
    };
    page::cut(response.noted(notes), admitted.page_max).map(Step::Answer)
}

/// `own`: what is served locally is each cluster's own and no secondary's business.
pub(super) fn on_core(
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
            // Nobody logs in by a name that cannot be, which is no secret.
            let rest = rest.trim_end_matches('.');
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
    if context.forwarded(mount.info.local, method.served) {
        return Ok(Step::Forward(caller.clone()));
    }
    let place = (&mount.info, mount.keyspace);
    core(context, session, &admitted, place, rest, params, (route.takes, method.run))
}

pub(super) fn core(
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
        Err(refused) => match again(&refused, &core.call, takes) {
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

/// The body of a refused call as it may have been meant, if that is another.
fn again(refused: &ApiError, call: &Call<'_>, takes: Takes) -> Option<Bytes> {
    (refused.status == 400).then(|| mended(call.body, takes)).flatten()
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
