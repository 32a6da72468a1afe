//! Where a call meets its audit trail.

use std::sync::Arc;

use super::authorise::identify;
use super::context::Context;
use super::{Request, Step};
use crate::audit::{Facts, Policies, Trail, Who};
use crate::barrier::Session;
use crate::cluster::Unsealed;
use crate::logical::{ApiResult, Caller, Response};
use crate::mount::{self, Mount, Scope};
use crate::policy::Acl;
use crate::token::Token;

/// What was looked up for the trail in a transaction; the attempt in it need not do it again.
pub(super) struct LookedUp {
    pub(super) token: Option<Arc<Token>>,
    pub(super) mount: Option<Arc<Mount>>,
}

/// Tells the trail who calls and what answers, as the store says in this transaction; once.
pub(super) fn know(
    trail: &mut Option<Box<Trail>>,
    session: &mut Session,
    request: &Request,
) -> ApiResult<Option<LookedUp>> {
    let mut found = None;
    let Some(trail) = trail else { return Ok(found) };
    trail.know(|| {
        let token = identify(session, request)?;
        let mount = mount::route(session, Scope::Here, &request.path)?.map(|(mount, _)| mount);
        let who = token.clone().map_or(Who::Nobody, Who::Token);
        found = Some(LookedUp { token, mount: mount.clone() });
        Ok(Facts { who, mount, ..Facts::default() })
    })?;
    Ok(found)
}

/// As [`know`], for a call that a secondary forwarded.
pub(super) fn know_forwarded(
    trail: &mut Option<Box<Trail>>,
    session: &mut Session,
    request: &Request,
    caller: &Caller,
    secondary: &str,
) -> ApiResult<()> {
    let Some(trail) = trail else { return Ok(()) };
    trail.know(|| {
        let mount = mount::route(session, Scope::Replicated, &request.path)?;
        Ok(Facts {
            who: Who::Forwarded(caller.clone()),
            mount: mount.map(|(mount, _)| mount),
            forwarded_from: Some(secondary.to_owned()),
            ..Facts::default()
        })
    })
}

/// Tells the trail what the attempt came upon: whether there was nothing yet where it writes, and
/// which policies let it through.
pub(super) fn found(
    trail: &mut Option<Box<Trail>>,
    context: &Context<'_>,
    session: &mut Session,
) -> ApiResult<()> {
    let Some(trail) = trail else { return Ok(()) };
    trail.found(context.creates.get(), |caller| policies(session, caller, context))
}

fn policies(session: &mut Session, caller: &Caller, context: &Context<'_>) -> ApiResult<Policies> {
    let request = context.request;
    let acl = match context.acl.get() {
        Some(acl) => Arc::clone(acl),
        None => Acl::of(session, caller, request.now)?,
    };
    let granting =
        context.allowed.get().map(|needed| acl.granting(request.op, &request.path, needed));
    Ok(Policies {
        granting: granting.into_iter().flatten().map(str::to_owned).collect(),
        inherited: acl.inherited().to_vec(),
    })
}

/// Whether what comes next changes something, here or elsewhere.
pub(super) fn has_effect(step: &ApiResult<Step>, session: &mut Session) -> bool {
    match step {
        Ok(Step::Answer(_)) => !session.txn().is_read_only(),
        Ok(_) => true,
        Err(_) => false,
    }
}

/// Puts the request on record before it has an effect.
pub(super) async fn request(trail: &mut Option<Box<Trail>>, request: &Request) -> ApiResult<()> {
    match trail {
        Some(trail) => trail.request(request).await,
        None => Ok(()),
    }
}

/// The trail that the answer goes on record by, if it has to.
pub(super) fn resume(
    unsealed: &Unsealed,
    request: &Request,
    trail: Option<Box<Trail>>,
) -> ApiResult<Option<Box<Trail>>> {
    unsealed.audit.after(request, unsealed);
    unsealed.quotas.after(request, unsealed);
    let mut trail = Trail::resume(trail, &unsealed.audit);
    if trail.as_ref().is_some_and(|trail| !trail.knows()) {
        know(&mut trail, &mut unsealed.session(), request)?;
    }
    Ok(trail)
}

/// Puts the answer on record before it leaves; without a record it does not.
pub(super) async fn answer(
    unsealed: &Unsealed,
    request: &Request,
    trail: Option<Box<Trail>>,
    result: &ApiResult<Response>,
) -> ApiResult<()> {
    match resume(unsealed, request, trail)? {
        Some(mut trail) => trail.answer(request, result).await,
        None => Ok(()),
    }
}
