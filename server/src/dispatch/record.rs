//! Where a call meets its audit trail.

use super::authorise::identify;
use super::run::Context;
use super::{Request, Step};
use crate::audit::{Facts, Trail, Who};
use crate::barrier::Session;
use crate::cluster::Unsealed;
use crate::logical::{ApiResult, Caller, Response};
use crate::mount::{self, Scope};

/// Tells the trail who calls and what answers, as the store says in this transaction.
pub(super) fn know(
    trail: &mut Option<Trail>,
    session: &mut Session,
    request: &Request,
) -> ApiResult<()> {
    let Some(trail) = trail else { return Ok(()) };
    trail.know(|| {
        let who = identify(session, request)?.map_or(Who::Nobody, Who::Token);
        let mount = mount::route(session, Scope::Here, &request.path)?.map(|(mount, _)| mount);
        Ok(Facts { who, mount, forwarded_from: None, creates: false })
    })
}

/// As [`know`], for a call that a secondary forwarded.
pub(super) fn know_forwarded(
    trail: &mut Option<Trail>,
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
            creates: false,
        })
    })
}

/// Tells the trail whether the attempt found nothing yet where it writes.
pub(super) fn creates(trail: &mut Option<Trail>, context: &Context<'_>) {
    if let Some(trail) = trail {
        trail.creates(context.creates.get());
    }
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
pub(super) async fn request(trail: &mut Option<Trail>, request: &Request) -> ApiResult<()> {
    match trail {
        Some(trail) => trail.request(request).await,
        None => Ok(()),
    }
}

/// Puts the answer on record before it leaves; without a record it does not.
pub(super) async fn answer(
    unsealed: &Unsealed,
    request: &Request,
    trail: Option<Trail>,
    result: ApiResult<Response>,
) -> ApiResult<Response> {
    unsealed.audit.after(request, unsealed);
    unsealed.quotas.after(request, unsealed);
    let mut trail = Trail::resume(trail, &unsealed.audit);
    if trail.is_some() {
        know(&mut trail, &mut unsealed.session(), request)?;
    }
    if let Some(trail) = &mut trail {
        Box::pin(trail.answer(request, &result)).await?;
    }
    result
}
