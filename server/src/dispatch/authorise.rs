//! Who calls, and may they.

use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use super::Request;
use crate::barrier::Session;
use crate::logical::{Access, ApiError, ApiResult, Caller};
use crate::policy::{self, Capabilities};
use crate::token::{self, Token};

static NOBODY: LazyLock<Caller> = LazyLock::new(Caller::default);

/// The valid token that the client sent, if any.
pub(super) fn identify(
    session: &mut Session,
    token: &str,
    now: SystemTime,
) -> ApiResult<Option<Arc<Token>>> {
    if token.is_empty() {
        return Ok(None);
    }
    Ok(token::lookup(session, token, now)?)
}

/// The caller, if the route is open to them. `exists` tells an update from a create.
///
/// # Errors
/// 403.
pub(super) fn authorise<'c>(
    session: &mut Session,
    request: &Request,
    access: Access,
    caller: Option<&'c Caller>,
    exists: bool,
) -> ApiResult<&'c Caller> {
    let mut needed = match access {
        Access::Public | Access::Always => return Ok(caller.unwrap_or(&NOBODY)),
        Access::Token => Capabilities::NONE,
        Access::Sudo => Capabilities::SUDO,
    };
    let caller = caller.ok_or_else(ApiError::permission_denied)?;
    needed = needed.union(Capabilities::needed(request.op, exists));
    let granted = policy::granted(session, &caller.policies, request.op, &request.path)?;
    if granted.allows(needed) { Ok(caller) } else { Err(ApiError::forbidden()) }
}
