//! `cert`: TLS client certificates.
//!
//! The listener asks clients for a certificate and makes sure that they hold its key; whom it is
//! trusted from stands in the roles here. A role names authorities, or certificates of clients
//! themselves, and what else has to be in the certificate.
//!
//! | key in the mount's keyspace | value |
//! |---|---|
//! | `cert/<name in lower case>` | [`role::Role`] |
//! | `crl/<name in lower case>` | serial numbers in decimal |
//! | `config` | [`config::Config`] |

mod client;
mod config;
mod crl;
mod login;
mod role;
mod rules;
mod trust;

use crate::logical::{Access, Method, Operation, Route};
use crate::sys::CoreHandler;

pub(super) use login::renew;

/// The routes.
pub(super) static ROUTES: &[Route<CoreHandler>] = &[
    Route {
        pattern: "login",
        summary: "Log in with the certificate of the TLS connection",
        access: Access::Public,
        exists: None,
        methods: &[Method::local(Operation::Write, login::login)],
    },
    route("certs", "List the roles", &[Method::local(Operation::List, role::list)]),
    Route {
        pattern: "certs/{name}",
        summary: "Show, make, change or delete a role",
        access: Access::Token,
        exists: Some(role::exists),
        methods: &[
            Method::local(Operation::Read, role::read),
            Method::primary(Operation::Write, role::write),
            Method::primary(Operation::Delete, role::delete),
        ],
    },
    route(
        "crls",
        "List the certificate revocation lists",
        &[Method::local(Operation::List, crl::list)],
    ),
    route(
        "crls/{name}",
        "Show, set or delete a certificate revocation list",
        &[
            Method::local(Operation::Read, crl::read),
            Method::primary(Operation::Write, crl::write),
            Method::primary(Operation::Delete, crl::delete),
        ],
    ),
    route(
        "config",
        "Show or change what holds for all roles",
        &[
            Method::local(Operation::Read, config::read),
            Method::primary(Operation::Write, config::write),
        ],
    ),
];

const fn route(
    pattern: &'static str,
    summary: &'static str,
    methods: &'static [Method<CoreHandler>],
) -> Route<CoreHandler> {
    Route { pattern, summary, access: Access::Token, exists: None, methods }
}
