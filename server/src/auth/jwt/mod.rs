//! `jwt`: tokens that others have signed (RFC 7519), by keys that stand in the configuration.
//!
//! A role says which tokens may log in by it: for whom they are, and what they claim. Keys are not
//! fetched, and the flows of `OpenID` Connect are not there; a configuration or role that asks for
//! either is refused.
//!
//! | key in the mount's keyspace | value |
//! |---|---|
//! | `config` | [`config::Config`] |
//! | `role/<name in lower case>` | [`role::Role`] |

mod claims;
mod config;
mod key;
mod login;
mod role;
mod signed;
#[cfg(test)]
mod tests;
mod times;

use crate::logical::{Access, Method, Operation, Route};
use crate::sys::CoreHandler;

pub(super) use login::renew;

/// The routes.
pub(super) static ROUTES: &[Route<CoreHandler>] = &[
    Route {
        pattern: "login",
        summary: "Log in with a signed token",
        access: Access::Public,
        exists: None,
        methods: &[Method::local(Operation::Write, login::login)],
    },
    route(
        "config",
        "Show or set the keys that tokens are signed with",
        &[
            Method::local(Operation::Read, config::read),
            Method::primary(Operation::Write, config::write),
        ],
    ),
    route("role", "List the roles", &[Method::local(Operation::List, role::list)]),
    Route {
        pattern: "role/{name}",
        summary: "Show, make, change or delete a role",
        access: Access::Token,
        exists: Some(role::exists),
        methods: &[
            Method::local(Operation::Read, role::read),
            Method::primary(Operation::Write, role::write),
            Method::primary(Operation::Delete, role::delete),
        ],
    },
];

const fn route(
    pattern: &'static str,
    summary: &'static str,
    methods: &'static [Method<CoreHandler>],
) -> Route<CoreHandler> {
    Route { pattern, summary, access: Access::Token, exists: None, methods }
}
