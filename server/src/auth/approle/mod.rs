//! `approle`: roles for machines, by a role id and a secret id.

mod fields;
mod login;
mod role;
mod secret;
mod secrets;

use crate::logical::{Access, Method, Operation, Route};
use crate::sys::CoreHandler;

pub(super) use login::renew;

/// The routes. What is about secret ids runs here first: whether a role's are this cluster's own is
/// for the handler to find out.
pub(super) static ROUTES: &[Route<CoreHandler>] = &[
    Route {
        pattern: "login",
        summary: "Log in with a role id and a secret id",
        access: Access::Public,
        exists: None,
        methods: &[Method::local(Operation::Write, login::login)],
    },
    route("role", "List the roles", &[Method::local(Operation::List, role::list)]),
    Route {
        pattern: "role/{role}",
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
        "role/{role}/role-id",
        "Show or set the id of a role",
        &[
            Method::local(Operation::Read, role::read_id),
            Method::primary(Operation::Write, role::write_id),
        ],
    ),
    route(
        "role/{role}/secret-id",
        "Make a secret id, or list the accessors of all",
        &[
            Method::local(Operation::List, secrets::list),
            Method::local(Operation::Write, secrets::generate),
        ],
    ),
    route(
        "role/{role}/custom-secret-id",
        "Take a secret id that was chosen elsewhere",
        &[Method::local(Operation::Write, secrets::custom)],
    ),
    route(
        "role/{role}/secret-id/lookup",
        "Show a secret id",
        &[Method::local(Operation::Write, secrets::lookup)],
    ),
    route(
        "role/{role}/secret-id/destroy",
        "Destroy a secret id",
        &[
            Method::local(Operation::Write, secrets::destroy),
            Method::local(Operation::Delete, secrets::destroy),
        ],
    ),
    route(
        "role/{role}/secret-id-accessor/lookup",
        "Show a secret id by its accessor",
        &[Method::local(Operation::Write, secrets::lookup_accessor)],
    ),
    route(
        "role/{role}/secret-id-accessor/destroy",
        "Destroy a secret id by its accessor",
        &[
            Method::local(Operation::Write, secrets::destroy_accessor),
            Method::local(Operation::Delete, secrets::destroy_accessor),
        ],
    ),
    route(
        "tidy/secret-id",
        "Remove expired secret ids at once",
        &[Method::local(Operation::Write, secrets::tidy)],
    ),
    route(
        "role/{role}/{field}",
        "Show, set or reset one field of a role",
        &[
            Method::local(Operation::Read, fields::read),
            Method::primary(Operation::Write, fields::write),
            Method::primary(Operation::Delete, fields::delete),
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
