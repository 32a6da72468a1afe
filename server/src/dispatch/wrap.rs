//! Wrapping of answers, for clients that ask with `X-Vault-Wrap-TTL`.

use strongroom_storage::CommitError;
use zeroize::Zeroizing;

use super::{Request, TRIES, busy, commit_error};
use crate::cluster::Unsealed;
use crate::logical::{ApiError, ApiResult, Response};
use crate::wrapping;

/// Keeps `answer` and gives out the token for it.
pub(super) async fn wrap(
    unsealed: &Unsealed,
    request: &Request,
    ttl: u64,
    answer: Response,
) -> ApiResult<Response> {
    if answer.data.is_none() && answer.auth.is_none() {
        // Nothing to keep.
        return Ok(answer);
    }
    let payload = Zeroizing::new(serde_json::to_string(&answer).map_err(ApiError::internal)?);
    for lost in 0..TRIES {
        let alone = unsealed.turns.try_after(lost).await;
        let mut session = unsealed.session();
        let mut info =
            wrapping::wrap(&mut session, payload.clone(), ttl, &request.path, request.now)?;
        match unsealed.turns.commit(session, alone.as_ref()).await {
            Ok(_) => {
                let accessor = answer.auth.as_ref().map(|auth| &auth.accessor);
                info.wrapped_accessor.clone_from(accessor.unwrap_or(&answer.wrapped_accessor));
                return Ok(Response { wrap_info: Some(Box::new(info)), ..Response::empty() });
            }
            Err(CommitError::Conflict) => {}
            Err(e) => return Err(commit_error(&e)),
        }
    }
    Err(busy())
}
