//! Calls that cross between clusters: a secondary forwards, its primary executes.

use std::cell::{Cell, OnceCell};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use hyper::HeaderMap;
use strongroom_storage::CommitError;

use super::authorise::identify;
use super::context::{Context, Step};
use super::{Request, TRIES, busy, commit_error, handler, record, run, to_the_end};
use crate::audit::Trail;
use crate::barrier::{Alone, Session};
use crate::cluster::ops::{ForwardReply, ForwardRequest};
use crate::cluster::{Cluster, Unsealed};
use crate::logical::{ApiError, ApiResult, Caller, Response};
use crate::mount::Scope;
use crate::replication::Role;

/// Hands a call that was authorised here to the primary.
pub(super) async fn forward(
    unsealed: &Unsealed,
    request: &Request,
    mut caller: Caller,
) -> ApiResult<Response> {
    caller.token_id = String::new();
    let forwarded = ForwardRequest {
        op: request.op,
        path: request.path.clone(),
        query: request.query.clone(),
        body: request.body.clone(),
        caller,
        address: request.remote.map(|r| r.ip()),
        certificates: request.certificates.as_deref().cloned().unwrap_or_default(),
        secondary_id: String::new(),
    };
    let outcome = unsealed.replication()?.forward(forwarded).await?;
    let response = outcome.reply.result?;
    Ok(if outcome.caught_up {
        response
    } else {
        response.warn(
            "the primary has done this, but the change has not arrived on this secondary yet: \
             reads here may show the old state for a while",
        )
    })
}

/// A login that only the primary can settle: its replicated half is done there, the token is made
/// here.
pub(super) async fn login(
    unsealed: &Unsealed,
    request: &Request,
    caller: Caller,
) -> ApiResult<Response> {
    let settled = forward(unsealed, request, caller).await?;
    for lost in 0..TRIES {
        let alone = unsealed.turns.try_after(lost).await;
        let mut session = unsealed.session();
        let mut own = Response::empty();
        own.login.clone_from(&settled.login);
        own.warnings.clone_from(&settled.warnings);
        let response = handler::complete(&mut session, request, own)?;
        match unsealed.turns.commit(session, alone.as_ref()).await {
            Ok(_) => return Ok(response),
            Err(CommitError::Conflict) => {}
            Err(e) => return Err(commit_error(&e)),
        }
    }
    Err(busy())
}

/// As [`forward`], for a call that turned out to write replicated data.
pub(super) async fn forward_again(unsealed: &Unsealed, request: &Request) -> ApiResult<Response> {
    let mut session = unsealed.session();
    let caller = identify(&mut session, request)?.map(|t| t.caller.clone()).unwrap_or_default();
    drop(session);
    forward(unsealed, request, caller).await
}

/// Primary side: runs a call that a secondary authorised, after authorising it again with this
/// cluster's own text of the caller's policies. Local mounts of this cluster are out of its reach.
pub async fn execute_forwarded(cluster: &Cluster, forwarded: ForwardRequest) -> ForwardReply {
    let unsealed = match cluster.unsealed() {
        Ok(unsealed) => unsealed,
        Err(e) => return ForwardReply { result: Err(e), lsn: 0 },
    };
    if !matches!(unsealed.role(), Role::Primary) {
        let result = Err(ApiError::unavailable("this cluster is not a primary"));
        return ForwardReply { result, lsn: 0 };
    }
    let caller = forwarded.caller;
    let request = Request {
        id: crate::http::request_id(),
        op: forwarded.op,
        path: forwarded.path,
        query: forwarded.query,
        body: forwarded.body,
        headers: HeaderMap::new(),
        token: None,
        wrap_ttl: None,
        remote: forwarded.address.map(|ip| SocketAddr::new(ip, 0)),
        certificates: (!forwarded.certificates.is_empty())
            .then(|| Arc::new(forwarded.certificates)),
        open: false,
        now: SystemTime::now(),
        standing: OnceLock::new(),
    };
    let from = forwarded.secondary_id;
    let mut trail = Trail::begin(&unsealed.audit);
    let done = execute(cluster, &unsealed, &request, (&caller, &from), &mut trail).await;
    let (result, lsn) = match done {
        Ok((response, lsn)) => (Ok(response), lsn),
        Err(e) => (Err(e), unsealed.store.position().0),
    };
    let recorded = record::answer(&unsealed, &request, trail, &result).await;
    ForwardReply { result: recorded.and(result), lsn }
}

async fn execute(
    cluster: &Cluster,
    unsealed: &Unsealed,
    request: &Request,
    (caller, from): (&Caller, &str),
    trail: &mut Option<Box<Trail>>,
) -> ApiResult<(Response, u64)> {
    let cluster = cluster.me()?;
    let role = Role::Primary;
    for lost in 0..TRIES {
        let alone = unsealed.turns.try_after(lost).await;
        let mut session = unsealed.session();
        record::know_forwarded(trail, &mut session, request, caller, from)?;
        let context = Context {
            cluster: &cluster,
            lockout: &unsealed.lockout,
            request,
            role,
            scope: Scope::Replicated,
            creates: Cell::new(false),
            allowed: Cell::new(None),
            acl: OnceCell::new(),
        };
        let step = match request.path.strip_prefix("sys/") {
            Some(rest) => run::system(&context, &mut session, Some(caller), rest),
            None => run::mounted(&context, &mut session, Some(caller), None),
        };
        record::found(trail, &context, &mut session)?;
        if record::has_effect(&step, &mut session) {
            record::request(trail, request).await?;
        }
        match step? {
            Step::Answer(response) => match commit(session, unsealed, alone).await {
                Ok(lsn) => return Ok((response, lsn)),
                Err(CommitError::Conflict) => {}
                Err(e) => return Err(commit_error(&e)),
            },
            Step::Wait(run, call) => {
                drop((session, alone));
                let response = to_the_end(run, call).await?;
                return Ok((response, unsealed.store.position().0));
            }
            Step::Spend(_) | Step::Forward(_) | Step::Login(_) => {
                return Err(ApiError::internal("a forwarded call was to be forwarded again"));
            }
        }
    }
    Err(busy())
}

async fn commit(
    mut session: Session,
    unsealed: &Unsealed,
    alone: Option<Alone<'_>>,
) -> Result<u64, CommitError> {
    if session.txn().is_read_only() {
        return Ok(unsealed.store.position().0);
    }
    Ok(unsealed.turns.commit(session, alone.as_ref()).await?.lsn.0)
}
