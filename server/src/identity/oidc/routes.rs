//! What `identity/oidc/` answers.

use super::{config, keys, role, token};
use crate::handler::CoreRoute;
use crate::logical::{Method, Operation};

/// Reads and tokens are served locally, changes by the primary.
pub const ROUTES: &[CoreRoute] = &[
    CoreRoute::new(
        "oidc/config",
        "Show or set who signs",
        &[
            Method::local(Operation::Read, config::read),
            Method::primary(Operation::Write, config::write),
        ],
    )
    .takes(config::CONFIG),
    CoreRoute::new(
        "oidc/.well-known/openid-configuration",
        "What verifiers need to know",
        &[Method::local(Operation::Read, config::discovery)],
    )
    .public()
    .takes(&[]),
    CoreRoute::new(
        "oidc/.well-known/keys",
        "The public keys that tokens are verified with",
        &[Method::local(Operation::Read, config::keys)],
    )
    .public()
    .takes(&[]),
    CoreRoute::new("oidc/key", "List the keys", &[Method::local(Operation::List, keys::list)])
        .takes(&[]),
    CoreRoute::new(
        "oidc/key/{name}",
        "Show, make, change or delete a key",
        &[
            Method::local(Operation::Read, keys::read),
            Method::primary(Operation::Write, keys::write),
            Method::primary(Operation::Delete, keys::delete),
        ],
    )
    .takes(keys::KEY),
    CoreRoute::new(
        "oidc/key/{name}/rotate",
        "Let the next key sign",
        &[Method::primary(Operation::Write, keys::rotate)],
    )
    .takes(keys::ROTATE),
    CoreRoute::new("oidc/role", "List the roles", &[Method::local(Operation::List, role::list)])
        .takes(&[]),
    CoreRoute::new(
        "oidc/role/{name}",
        "Show, make, change or delete a role",
        &[
            Method::local(Operation::Read, role::read),
            Method::primary(Operation::Write, role::write),
            Method::primary(Operation::Delete, role::delete),
        ],
    )
    .creates(role::exists)
    .takes(role::ROLE),
    CoreRoute::new(
        "oidc/token/{name}",
        "A signed token about the caller",
        &[Method::local(Operation::Read, token::issue)],
    )
    .takes(&[]),
    CoreRoute::new(
        "oidc/introspect",
        "Whether a token is valid",
        &[Method::local(Operation::Write, token::introspect)],
    )
    .takes(token::INTROSPECT),
];
