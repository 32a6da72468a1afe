//! From a request to an answer.
//!
//! In this order: who calls, may they, which mount answers, and where: here or on the primary. A
//! handler runs on a transaction; what it wrote is durable before the answer leaves. When another
//! transaction came in between, everything is run again, the check of the token included.
//!
//! A read or an encryption waits for nothing on its way. Futures of what others may wait for are
//! boxed, and those that it goes through stay where they were made (`pin!`): a future that is awaited
//! as it is gets copied whole, twice.

mod authorise;
mod context;
mod flight;
mod handler;
mod page;
mod record;
mod remote;
mod request;
mod run;
mod wrap;

use std::cell::{Cell, OnceCell};
use std::pin::pin;
use std::sync::Arc;

use strongroom_storage::CommitError;

use crate::audit::Trail;
use crate::barrier::{Alone, Session};
use crate::cluster::{Cluster, Unsealed};
use crate::handler::{SysCall, SysHandler};
use crate::logical::{ApiError, ApiResult, Operation, Response};
use crate::mount::Scope;
use crate::replication::Role;
use crate::sys;
use crate::token::{self, Spent};

pub use context::Step;
pub use flight::{Flight, Flights};
pub use remote::execute_forwarded;
pub use request::Request;

/// Conflicts that a call survives before it is given back to the client.
const TRIES: usize = 128;

/// Answers a client.
///
/// # Errors
/// The answer, as an error.
pub async fn handle(cluster: &Arc<Cluster>, request: &Request) -> ApiResult<Response> {
    let flight = cluster.flights().enter(request);
    let result = pin!(carry_out(cluster, request)).await;
    let status = result.as_ref().map_or_else(|e| e.status, |answer| answer.status.unwrap_or(200));
    cluster.meters().handled(verb(request.op), flight.began.elapsed(), status);
    result
}

/// The place of a verb in [`crate::telemetry::Meters::VERBS`].
fn verb(op: Operation) -> usize {
    match op {
        Operation::Read | Operation::Head => 0,
        Operation::List | Operation::Scan => 1,
        Operation::Write => 2,
        Operation::Patch => 3,
        Operation::Delete => 4,
    }
}

async fn carry_out(cluster: &Arc<Cluster>, request: &Request) -> ApiResult<Response> {
    if let Some((run, call)) = sys::find_always(cluster, request)? {
        return Box::pin(to_the_end(run, call)).await;
    }
    let unsealed = cluster.unsealed()?;
    unsealed.quotas.admit(request, &unsealed)?;
    let mut trail = Trail::begin(&unsealed.audit);
    let mut result = pin!(answer(cluster, &unsealed, request, &mut trail)).await;
    if let (Some(ttl), Ok(answer)) = (request.wrap_ttl, &mut result)
        && answer.wrap_info.is_none()
    {
        result = Box::pin(wrap::wrap(&unsealed, request, ttl, std::mem::take(answer))).await;
    }
    if let Some(mut trail) = record::resume(&unsealed, request, trail)? {
        Box::pin(trail.answer(request, &result)).await?;
    }
    result
}

async fn answer(
    cluster: &Arc<Cluster>,
    unsealed: &Unsealed,
    request: &Request,
    trail: &mut Option<Box<Trail>>,
) -> ApiResult<Response> {
    let call = Call { cluster, unsealed, request, role: unsealed.role() };
    match first(&call, trail)? {
        First::Done(result) => result,
        First::More(made) => Box::pin(go_on(&call, trail, made)).await,
    }
}

/// What all attempts at a call have in common.
struct Call<'c> {
    cluster: &'c Arc<Cluster>,
    unsealed: &'c Unsealed,
    request: &'c Request,
    role: Role,
}

/// An attempt that was made: what comes next, and the transaction that it was made in.
type Attempt = (ApiResult<Step>, Session);

/// What the first attempt came to.
enum First {
    /// The answer: nothing is left to do.
    Done(ApiResult<Response>),
    /// Something is, and it may have to be waited for.
    More(Box<Attempt>),
}

/// The first attempt. For most calls it is the only one, and does not pay for what may come after it.
fn first(call: &Call<'_>, trail: &mut Option<Box<Trail>>) -> ApiResult<First> {
    let (step, mut session) = attempt(call, trail, false)?;
    Ok(match step {
        Ok(Step::Answer(response)) if session.txn().is_read_only() => First::Done(Ok(response)),
        Err(e) => First::Done(Err(e)),
        step => First::More(Box::new((step, session))),
    })
}

fn attempt(call: &Call<'_>, trail: &mut Option<Box<Trail>>, spent: bool) -> ApiResult<Attempt> {
    let Call { cluster, unsealed, request, role } = *call;
    let mut session = unsealed.session();
    let found = record::know(trail, &mut session, request)?;
    let context = context::Context {
        cluster,
        lockout: &unsealed.lockout,
        request,
        role,
        scope: Scope::Here,
        creates: Cell::new(false),
        allowed: Cell::new(None),
        acl: OnceCell::new(),
    };
    let step = run::attempt(&context, &mut session, found, spent);
    record::found(trail, &context, &mut session)?;
    Ok((step, session))
}

/// What comes after an attempt that is not the answer yet, further attempts included.
async fn go_on(
    call: &Call<'_>,
    trail: &mut Option<Box<Trail>>,
    first: Box<Attempt>,
) -> ApiResult<Response> {
    let Call { unsealed, request, role, .. } = *call;
    let mut used = Use::Unlimited;
    let mut made = Some(first);
    for lost in 0..TRIES {
        // What is held for this try is let go of before the token's last use is settled.
        let done = {
            let alone = unsealed.turns.try_after(lost).await;
            let (step, mut session) = match made.take() {
                Some(first) => *first,
                None => attempt(call, trail, used != Use::Unlimited)?,
            };
            if record::has_effect(&step, &mut session) {
                Box::pin(record::request(trail, request)).await?;
            }
            match step {
                Ok(Step::Spend(id)) => {
                    drop((session, alone));
                    used = Box::pin(spend(unsealed, &id)).await?;
                    continue;
                }
                Ok(Step::Answer(response)) if session.txn().is_read_only() => Ok(response),
                Ok(Step::Answer(response)) => {
                    match Box::pin(finish(unsealed, session, role, alone)).await {
                        Ok(Finished::Here) => Ok(response),
                        Ok(Finished::Elsewhere) => {
                            Box::pin(remote::forward_again(unsealed, request)).await
                        }
                        Err(CommitError::Conflict) => continue,
                        Err(e) => Err(commit_error(&e)),
                    }
                }
                Ok(Step::Wait(run, call)) => {
                    drop((session, alone));
                    Box::pin(to_the_end(run, call)).await
                }
                Ok(Step::Forward(caller)) => {
                    drop((session, alone));
                    Box::pin(remote::forward(unsealed, request, caller)).await
                }
                Ok(Step::Login(caller)) => {
                    drop((session, alone));
                    Box::pin(remote::login(unsealed, request, caller)).await
                }
                Err(e) => Err(e),
            }
        };
        if let Use::Last(id) = used {
            Box::pin(revoke(unsealed, &id)).await;
        }
        return done;
    }
    Err(busy())
}

/// Runs a handler that changes the cluster itself. It goes on when the client goes away: half a
/// change of store or of keyring would be worse than an answer that nobody reads.
async fn to_the_end(run: SysHandler, call: SysCall) -> ApiResult<Response> {
    if call.op == Operation::Read {
        return run(call).await;
    }
    let cluster = Arc::clone(&call.cluster);
    match cluster.spawn(run(call)).await {
        Ok(answer) => answer,
        Err(_) => Err(ApiError::internal("the request could not be completed")),
    }
}

/// Whether the call's token counts its uses, and which this one is.
#[derive(PartialEq, Eq)]
enum Use {
    Unlimited,
    Counted,
    Last(String),
}

enum Finished {
    /// Durable.
    Here,
    /// It would have written what only the primary may write; nothing was.
    Elsewhere,
}

async fn finish(
    unsealed: &Unsealed,
    mut session: Session,
    role: Role,
    alone: Option<Alone<'_>>,
) -> Result<Finished, CommitError> {
    if matches!(role, Role::Secondary { .. }) && session.txn().writes_replicated() {
        return Ok(Finished::Elsewhere);
    }
    unsealed.turns.commit(session, alone.as_ref()).await?;
    Ok(Finished::Here)
}

/// Takes a use of a token whose uses are counted; durable before the call runs.
async fn spend(unsealed: &Unsealed, id: &str) -> ApiResult<Use> {
    for lost in 0..TRIES {
        let alone = unsealed.turns.try_after(lost).await;
        let mut session = unsealed.session();
        let used = match token::spend(&mut session, id)? {
            Spent::Exhausted => return Err(ApiError::permission_denied()),
            Spent::Taken => Use::Counted,
            Spent::Last => Use::Last(id.to_owned()),
        };
        match unsealed.turns.commit(session, alone.as_ref()).await {
            Ok(_) => return Ok(used),
            Err(CommitError::Conflict) => {}
            Err(e) => return Err(commit_error(&e)),
        }
    }
    Err(busy())
}

/// Revokes a token after its last use. When that fails it stays unusable until it expires.
async fn revoke(unsealed: &Unsealed, id: &str) {
    for lost in 0..TRIES {
        let alone = unsealed.turns.try_after(lost).await;
        let mut session = unsealed.session();
        let revoked = token::revoke(&mut session, id);
        match (revoked, unsealed.turns.commit(session, alone.as_ref()).await) {
            (Ok(()), Err(CommitError::Conflict)) => {}
            (Ok(()), Ok(_)) => return,
            (Err(e), _) => return tracing::warn!("a used-up token was not removed: {e}"),
            (_, Err(e)) => return tracing::warn!("a used-up token was not removed: {e}"),
        }
    }
}

fn busy() -> ApiError {
    ApiError::unavailable("too many concurrent changes of the same data; try again")
}

/// A commit that failed, for the client.
pub(crate) fn commit_error(e: &CommitError) -> ApiError {
    match e {
        CommitError::Conflict => busy(),
        CommitError::UnknownKeyspace => {
            ApiError::new(404, "the mount was removed while the request ran")
        }
        CommitError::TooLarge(bytes) => ApiError::new(
            413,
            format!("the data to store is too large: {bytes} bytes; write it in smaller parts"),
        ),
        CommitError::NoSpace => ApiError::new(
            500,
            "no space left on the device of the data folder: nothing was written; free some space \
             and try again",
        ),
        CommitError::Failed(cause) => ApiError::new(
            500,
            format!("the store has failed and accepts no writes until a restart: {cause}"),
        ),
        CommitError::Closed => ApiError::unavailable("the server is stopping"),
        other => ApiError::internal(other),
    }
}
