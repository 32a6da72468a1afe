//! Auth methods: who may have a token.
//!
//! Each is a table of routes over the keyspace of its mount. A login answers with a [`Login`];
//! dispatch makes the token of it, see [`settle`] and [`issue`].

mod approle;
mod cidr;
mod lockout;
mod login;
mod params;
mod userpass;

use crate::logical::{ApiError, ApiResult, Response, Route};
use crate::sys::{CoreCall, CoreHandler};

pub use cidr::{Cidr, admit as admit_address, parse_all as parse_cidrs};
pub use lockout::Lockout;
pub use login::{Login, issue, settle};
pub use params::{TokenFields, TokenParams, token_type};

/// The routes of an auth method, or `None` for a kind that is not known.
pub fn routes(kind: &str) -> Option<&'static [Route<CoreHandler>]> {
    match kind {
        "approle" => Some(approle::ROUTES),
        "userpass" => Some(userpass::ROUTES),
        _ => None,
    }
}

/// The answer of a login that was accepted.
fn answer(login: Login) -> Response {
    Response { login: Some(Box::new(login)), ..Response::empty() }
}

/// Whether who logs in comes from where the tokens may be used.
fn admit(params: &TokenParams, core: &CoreCall<'_>) -> ApiResult<()> {
    if admit_address(&params.bound_cidrs, core.peer.address) {
        return Ok(());
    }
    Err(ApiError::permission_denied())
}

/// Runs what keeps a core busy for long, without holding up the other requests of this thread.
fn busy<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|h| h.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}
