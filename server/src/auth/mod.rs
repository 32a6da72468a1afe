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

use crate::barrier::Session;
use crate::logical::{ApiError, ApiResult, Response, Route};
use crate::sys::{CoreCall, CoreHandler};

pub use cidr::{Cidr, admit as admit_address, parse_all as parse_cidrs};
pub use lockout::Lockout;
pub use login::{Login, issue, settle};
use params::token_fields;
pub use params::{TokenFields, TokenParams, token_type};
pub use renewal::{Origin, Renewal, Terms, terms};

/// An auth method.
struct AuthMethod {
    routes: &'static [Route<CoreHandler>],
    /// What the role of a token gives today; `None` when it is gone.
    renew: fn(&Renewal<'_>, &mut Session) -> ApiResult<Option<TokenParams>>,
}

/// The method of a kind, or `None` for a kind that is not known.
fn method(kind: &str) -> Option<AuthMethod> {
    match kind {
        "approle" => Some(AuthMethod { routes: approle::ROUTES, renew: approle::renew }),
        "cert" => Some(AuthMethod { routes: cert::ROUTES, renew: cert::renew }),
        "jwt" => Some(AuthMethod { routes: jwt::ROUTES, renew: jwt::renew }),
        "userpass" => Some(AuthMethod { routes: userpass::ROUTES, renew: userpass::renew }),
        _ => None,
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
