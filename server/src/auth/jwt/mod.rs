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

use super::token_fields;
use crate::handler::CoreRoute;
use crate::logical::{Field, Method, Operation};

pub(super) use login::{renew, role_of};

const LOGIN: &[Field] = &[
    Field::text("jwt", "The signed token"),
    Field::text("role", "The role; the default one where none is given"),
];
const CONFIG: &[Field] = &[
    Field::text("bound_issuer", "Who has to have issued tokens"),
    Field::text("default_role", "Role of logins that name none"),
    Field::words("jwt_supported_algs", "Algorithms that signatures may have"),
    Field::words("jwt_validation_pubkeys", "Public keys, in PEM"),
    Field::text("jwks_url", "Where to fetch keys: not supported"),
    Field::text("jwks_ca_pem", "Certificates to trust there: not supported"),
    Field::text("oidc_client_id", "Of OIDC: not supported"),
    Field::text("oidc_client_secret", "Of OIDC: not supported"),
    Field::text("oidc_discovery_ca_pem", "Of OIDC: not supported"),
    Field::text("oidc_discovery_url", "Of OIDC: not supported"),
];
const ROLE: &[Field] = token_fields![
    Field::words("allowed_redirect_uris", "Of OIDC: not supported"),
    Field::words("bound_audiences", "Audiences of which tokens have to name one"),
    Field::words("bound_cidrs", "Old name of `token_bound_cidrs`"),
    Field::object("bound_claims", "Claims that have to be there, and their values"),
    Field::text("bound_claims_type", "How they are compared: `string` or `glob`"),
    Field::text("bound_subject", "The subject that tokens have to name"),
    Field::pairs("claim_mappings", "Claims that become metadata"),
    Field::text("clock_skew_leeway", "How far clocks may differ"),
    Field::text("expiration_leeway", "How long a token is taken after its end"),
    Field::text("groups_claim", "The claim that names groups"),
    Field::seconds("max_ttl", "Old name of `token_max_ttl`"),
    Field::text("not_before_leeway", "How long a token is taken before its begin"),
    Field::integer("num_uses", "Old name of `token_num_uses`"),
    Field::seconds("period", "Old name of `token_period`"),
    Field::words("policies", "Old name of `token_policies`"),
    Field::text("role_type", "`jwt`"),
    Field::flag("token_policies_template_claims", "Whether policies are made of claims"),
    Field::seconds("ttl", "Old name of `token_ttl`"),
    Field::text("user_claim", "The claim that names the user"),
    Field::flag("user_claim_json_pointer", "Whether that is a JSON pointer"),
];

/// The routes.
pub(super) static ROUTES: &[CoreRoute] = &[
    CoreRoute::new(
        "login",
        "Log in with a signed token",
        &[Method::local(Operation::Write, login::login)],
    )
    .public()
    .takes(LOGIN),
    CoreRoute::new(
        "config",
        "Show or set the keys that tokens are signed with",
        &[
            Method::local(Operation::Read, config::read),
            Method::primary(Operation::Write, config::write),
        ],
    )
    .takes(CONFIG),
    CoreRoute::new("role", "List the roles", &[Method::local(Operation::List, role::list)])
        .takes(Field::PAGE),
    CoreRoute::new(
        "role/{name}",
        "Show, make, change or delete a role",
        &[
            Method::local(Operation::Read, role::read),
            Method::primary(Operation::Write, role::write),
            Method::primary(Operation::Delete, role::delete),
        ],
    )
    .creates(role::exists)
    .takes(ROLE),
];
