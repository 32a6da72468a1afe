//! Who calls, and may they.

use std::sync::{Arc, LazyLock};

use super::Request;
use super::context::Context;
use crate::auth::admit_address;
use crate::barrier::Session;
use crate::logical::{Access, ApiError, ApiResult, Caller};
use crate::policy::{Acl, Capabilities};
use crate::token::{self, Token};

static NOBODY: LazyLock<Caller> = LazyLock::new(Caller::default);

/// The token that the client sent, if it is valid and may be used from where the client is.
pub(super) fn identify(session: &mut Session, request: &Request) -> ApiResult<Option<Arc<Token>>> {
    let token = request.token.as_deref().map_or("", String::as_str);
    if token.is_empty() {
        return Ok(None);
    }
    let found = token::lookup(session, token, request.now)?;
    let address = request.remote.map(|r| r.ip());
    Ok(found.filter(|t| admit_address(&t.entry.bound_cidrs, address)))
}

/// A caller whom the route is open to.
pub(super) struct Admitted<'c> {
    pub(super) caller: &'c Caller,
    /// Keys that a LIST answers at most.
    pub(super) page_max: Option<usize>,
}

/// The caller, if the route is open to them. `exists` tells an update from a create.
///
/// # Errors
/// 403.
pub(super) fn authorise<'c>(
    context: &Context<'_>,
    session: &mut Session,
    access: Access,
    caller: Option<&'c Caller>,
    exists: bool,
) -> ApiResult<Admitted<'c>> {
    let request = context.request;
    let anyone = || Admitted { caller: caller.unwrap_or(&NOBODY), page_max: None };
    if request.open {
        return Ok(anyone());
    }
    let mut needed = match access {
        Access::Public | Access::Always => return Ok(anyone()),
        Access::Token => Capabilities::NONE,
        Access::Sudo => Capabilities::SUDO,
    };
    let caller = caller.ok_or_else(ApiError::permission_denied)?;
    let verb = Capabilities::needed(request.op, exists);
    needed = needed.union(verb);
    let acl = Acl::of(session, caller, request.now)?;
    let granted = acl.granted(request.op, &request.path);
    // An attempt asks once, or twice the same.
    let _ = context.acl.set(acl);
    let fits = || {
        granted.fits(request.op, &request.body, &request.query, request.wrap_ttl)
            && granted.fits_page(request.op, &request.query)
    };
    if granted.capabilities.allows(needed) && fits() {
        context.allowed.set(Some(verb));
        Ok(Admitted { caller, page_max: granted.page_max(request.op) })
    } else {
        Err(ApiError::forbidden())
    }
}
