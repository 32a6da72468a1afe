//! `approle`: roles for machines, by a role id and a secret id.

mod fields;
mod login;
mod role;
mod secret;
mod secrets;
mod takes;

use crate::handler::CoreRoute;
use crate::logical::{Field, Method, Operation};

pub(super) use login::{renew, role_of};

/// The routes. What is about secret ids runs here first: whether a role's are this cluster's own is
/// for the handler to find out.
pub(super) static ROUTES: &[CoreRoute] = &[
    CoreRoute::new(
        "login",
        "Log in with a role id and a secret id",
        &[Method::local(Operation::Write, login::login)],
    )
    .public()
    .takes(takes::LOGIN),
    CoreRoute::new("role", "List the roles", &[Method::local(Operation::List, role::list)])
        .takes(Field::PAGE),
    CoreRoute::new(
        "role/{role}",
        "Show, make, change or delete a role",
        &[
            Method::local(Operation::Read, role::read),
            Method::primary(Operation::Write, role::write),
            Method::primary(Operation::Delete, role::delete),
        ],
    )
    .creates(role::exists)
    .takes(takes::ROLE),
    CoreRoute::new(
        "role/{role}/role-id",
        "Show or set the id of a role",
        &[
            Method::local(Operation::Read, role::read_id),
            Method::primary(Operation::Write, role::write_id),
        ],
    )
    .takes(takes::ROLE_ROLE_ID),
    CoreRoute::new(
        "role/{role}/secret-id",
        "Make a secret id, or list the accessors of all",
        &[
            Method::local(Operation::List, secrets::list),
            Method::local(Operation::Write, secrets::generate),
        ],
    )
    .takes(takes::ROLE_SECRET_ID),
    CoreRoute::new(
        "role/{role}/custom-secret-id",
        "Take a secret id that was chosen elsewhere",
        &[Method::local(Operation::Write, secrets::custom)],
    )
    .takes(takes::ROLE_CUSTOM_SECRET_ID),
    CoreRoute::new(
        "role/{role}/secret-id/lookup",
        "Show a secret id",
        &[Method::local(Operation::Write, secrets::lookup)],
    )
    .takes(takes::ROLE_SECRET_ID_LOOKUP),
    CoreRoute::new(
        "role/{role}/secret-id/destroy",
        "Destroy a secret id",
        &[
            Method::local(Operation::Write, secrets::destroy),
            Method::local(Operation::Delete, secrets::destroy),
        ],
    )
    .takes(takes::ROLE_SECRET_ID_LOOKUP),
    CoreRoute::new(
        "role/{role}/secret-id-accessor/lookup",
        "Show a secret id by its accessor",
        &[Method::local(Operation::Write, secrets::lookup_accessor)],
    )
    .takes(takes::ROLE_SECRET_ID_ACCESSOR_LOOKUP),
    CoreRoute::new(
        "role/{role}/secret-id-accessor/destroy",
        "Destroy a secret id by its accessor",
        &[
            Method::local(Operation::Write, secrets::destroy_accessor),
            Method::local(Operation::Delete, secrets::destroy_accessor),
        ],
    )
    .takes(takes::ROLE_SECRET_ID_ACCESSOR_LOOKUP),
    CoreRoute::new(
        "tidy/secret-id",
        "Remove expired secret ids at once",
        &[Method::local(Operation::Write, secrets::tidy)],
    )
    .takes(&[]),
    CoreRoute::new(
        "role/{role}/{field}",
        "Show, set or reset one field of a role",
        &[
            Method::local(Operation::Read, fields::read),
            Method::primary(Operation::Write, fields::write),
            Method::primary(Operation::Delete, fields::delete),
        ],
    )
    .takes(takes::ROLE),
];
