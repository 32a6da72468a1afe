//! Auth methods: who may have a token.
//!
//! Each is a table of routes over the keyspace of its mount. A login answers with a [`Login`];
//! dispatch makes the token of it, see [`settle`] and [`issue`]. When the token is renewed, the
//! method is asked again, see [`terms`].

mod approle;
mod cert;
mod cidr;
mod glob;
mod jwt;
mod lockout;
mod login;
mod named;
mod params;
mod renewal;
mod userpass;

use bytes::Bytes;
use strongroom_storage::KeyspaceId;

use crate::barrier::Session;
use crate::handler::{CoreCall, CoreHandler};
use crate::logical::{ApiError, ApiResult, Response, Route};
use crate::mount::Mount;

pub use cidr::{Cidr, admit as admit_address, parse_all as parse_cidrs};
pub use lockout::Lockout;
pub use login::{Login, issue, settle};
use params::token_fields;
pub use params::{TokenFields, TokenParams, doubled, token_type};
pub use renewal::{Origin, Renewal, Terms, terms};

/// An auth method.
struct AuthMethod {
    routes: &'static [Route<CoreHandler>],
    /// What the role of a token gives today; `None` when it is gone.
    renew: Renew,
    /// The role that a login with this body is for; `None` for a method without roles.
    role: Option<RoleOf>,
}

type Renew = fn(&Renewal<'_>, &mut Session) -> ApiResult<Option<TokenParams>>;

/// Finds the role in the body of a login, by what the mount's keyspace says.
type RoleOf = fn(&Bytes, KeyspaceId, &mut Session) -> ApiResult<Option<String>>;

/// The method of a kind, or `None` for a kind that is not known.
fn method(kind: &str) -> Option<AuthMethod> {
    let (routes, renew, role): (_, Renew, Option<RoleOf>) = match kind {
        "approle" => (approle::ROUTES, approle::renew, Some(approle::role_of)),
        "cert" => (cert::ROUTES, cert::renew, Some(cert::role_of)),
        "jwt" => (jwt::ROUTES, jwt::renew, Some(jwt::role_of)),
        "userpass" => (userpass::ROUTES, userpass::renew, None),
        _ => return None,
    };
    Some(AuthMethod { routes, renew, role })
}

/// Whether logins at a mount are for roles.
pub fn has_roles(mount: &Mount) -> bool {
    method(&mount.entry.kind).is_some_and(|method| method.role.is_some())
}

/// The role that a login at a mount is for, if it is for one that there is.
///
/// # Errors
/// 500. A body that says nothing useful is for no role.
pub fn role_of(mount: &Mount, session: &mut Session, body: &Bytes) -> ApiResult<Option<String>> {
    match method(&mount.entry.kind).and_then(|method| method.role) {
        Some(role) => role(body, mount.keyspace, session),
        None => Ok(None),
    }
}

/// The routes of an auth method, or `None` for a kind that is not known.
pub fn routes(kind: &str) -> Option<&'static [Route<CoreHandler>]> {
    method(kind).map(|method| method.routes)
}

/// The answer of a login that was accepted.
fn answer(login: Login) -> Response {
    Response { login: Some(Box::new(login)), ..Response::empty() }
}

/// Whether who logs in comes from where the token may be used; see [`bind`].
fn admit(login: &mut Login, core: &CoreCall<'_>) -> ApiResult<()> {
    if !admit_address(&login.params.bound_cidrs, core.peer.address) {
        return Err(ApiError::permission_denied());
    }
    bind(login, core)
}

/// With a role that says so, the token may be used from this address alone.
fn bind(login: &mut Login, core: &CoreCall<'_>) -> ApiResult<()> {
    let (params, address) = (&mut login.params, core.peer.address);
    if params.strictly_bind_ip {
        let own = address.ok_or_else(ApiError::permission_denied)?;
        params.bound_cidrs = vec![Cidr::from(own)];
    }
    Ok(())
}

/// Runs what keeps a core busy for long, without holding up the other requests of this thread.
fn busy<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|h| h.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}
