//! `auth/token/`: what it serves, and by whom.

mod lookup;
mod renew;
mod revoke;
mod target;

use super::{create, role, takes};
use crate::barrier::Session;
use crate::handler::{CoreCall, CoreRoute};
use crate::logical::{ApiResult, Method, Operation, Response};

pub(super) use self::renew::renew_error;

/// Tokens are local to their cluster, so all but the roles is served locally.
pub static ROUTES: &[CoreRoute] = &[
    CoreRoute::new("create", "Make a token", &[Method::local(Operation::Write, create::create)])
        .takes(takes::CREATE),
    CoreRoute::new(
        "create/{role}",
        "Make a token as a role says",
        &[Method::local(Operation::Write, create::create_by_role)],
    )
    .takes(takes::CREATE),
    CoreRoute::new("roles", "List the token roles", &[Method::local(Operation::List, role::list)])
        .takes(&[]),
    CoreRoute::new(
        "roles/{name}",
        "Show, make, change or delete a token role",
        &[
            Method::local(Operation::Read, role::read),
            Method::primary(Operation::Write, role::write),
            Method::primary(Operation::Delete, role::delete),
        ],
    )
    .takes(takes::ROLES),
    CoreRoute::new(
        "tidy",
        "Look for expired tokens at once",
        &[Method::local(Operation::Write, tidy)],
    )
    .takes(&[]),
    CoreRoute::new(
        "create-orphan",
        "Make a token without a parent",
        &[Method::local(Operation::Write, create::create_orphan)],
    )
    .takes(takes::CREATE),
    CoreRoute::new(
        "lookup-self",
        "Show the calling token",
        &[
            Method::local(Operation::Read, lookup::lookup_self),
            Method::local(Operation::Write, lookup::lookup_self),
        ],
    )
    .takes(takes::LOOKUP_SELF),
    CoreRoute::new(
        "lookup",
        "Show a token",
        &[
            Method::local(Operation::Read, lookup::lookup),
            Method::local(Operation::Write, lookup::lookup),
        ],
    )
    .takes(takes::LOOKUP_SELF),
    CoreRoute::new(
        "lookup-accessor",
        "Show a token by its accessor",
        &[Method::local(Operation::Write, lookup::lookup_accessor)],
    )
    .takes(takes::LOOKUP_ACCESSOR),
    CoreRoute::new(
        "renew-self",
        "Prolong the calling token",
        &[Method::local(Operation::Write, renew::renew_self)],
    )
    .takes(takes::RENEW_SELF),
    CoreRoute::new("renew", "Prolong a token", &[Method::local(Operation::Write, renew::renew)])
        .takes(takes::RENEW_SELF),
    CoreRoute::new(
        "renew-accessor",
        "Prolong a token by its accessor",
        &[Method::local(Operation::Write, renew::renew_accessor)],
    )
    .takes(takes::RENEW_ACCESSOR),
    CoreRoute::new(
        "revoke-self",
        "Revoke the calling token and its children",
        &[Method::local(Operation::Write, revoke::revoke_self)],
    )
    .takes(&[]),
    CoreRoute::new(
        "revoke",
        "Revoke a token and its children",
        &[Method::local(Operation::Write, revoke::revoke)],
    )
    .takes(takes::LOOKUP_SELF),
    CoreRoute::new(
        "revoke-accessor",
        "Revoke a token and its children by its accessor",
        &[Method::local(Operation::Write, revoke::revoke_accessor)],
    )
    .takes(takes::LOOKUP_ACCESSOR),
    CoreRoute::new(
        "revoke-orphan",
        "Revoke a token and leave its children",
        &[Method::local(Operation::Write, revoke::revoke_orphan)],
    )
    .sudo()
    .takes(takes::LOOKUP_SELF),
    CoreRoute::new(
        "accessors",
        "List the accessors of all tokens",
        &[Method::local(Operation::List, lookup::accessors)],
    )
    .sudo()
    .takes(&[]),
];

/// Expired tokens are removed all the time; this changes nothing.
#[expect(clippy::unnecessary_wraps, reason = "the type of every handler")]
pub(in crate::token) fn tidy(_core: &CoreCall<'_>, _session: &mut Session) -> ApiResult<Response> {
    let started = "Tidy operation successfully started. Any information from the operation will \
                   be printed to the server's logs.";
    Ok(Response { status: Some(202), ..Response::empty().warn(started) })
}
