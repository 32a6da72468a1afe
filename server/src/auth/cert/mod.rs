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

use super::token_fields;
use crate::handler::CoreRoute;
use crate::logical::{Field, Method, Operation};

pub(super) use login::{renew, role_of};

const LOGIN: &[Field] = &[Field::text("name", "The one role to try")];
const CERTS: &[Field] = token_fields![
    Field::words("allowed_common_names", "Common names that fit, with `*`"),
    Field::words("allowed_dns_sans", "DNS names that fit, with `*`"),
    Field::words("allowed_email_sans", "Mail addresses that fit, with `*`"),
    Field::words("allowed_metadata_extensions", "Extensions that become metadata"),
    Field::words("allowed_names", "Names of any kind that fit, with `*`"),
    Field::words("allowed_organizational_units", "Organisational units that fit, with `*`"),
    Field::words("allowed_uri_sans", "URIs that fit, with `*`"),
    Field::words("bound_cidrs", "Old name of `token_bound_cidrs`"),
    Field::text("certificate", "Certificates to trust, in PEM"),
    Field::text("display_name", "Name to show"),
    Field::seconds("lease", "Old name of `token_ttl`"),
    Field::seconds("max_ttl", "Old name of `token_max_ttl`"),
    Field::text("ocsp_ca_certificates", "Of OCSP: not supported"),
    Field::flag("ocsp_enabled", "Whether OCSP is asked: not supported"),
    Field::flag("ocsp_fail_open", "Of OCSP: not supported"),
    Field::flag("ocsp_query_all_servers", "Of OCSP: not supported"),
    Field::words("ocsp_servers_override", "Of OCSP: not supported"),
    Field::seconds("period", "Old name of `token_period`"),
    Field::words("policies", "Old name of `token_policies`"),
    Field::words("required_extensions", "Extensions that have to be there, and their values"),
    Field::seconds("ttl", "Old name of `token_ttl`"),
];
const CRLS: &[Field] = &[
    Field::text("crl", "The list, in PEM or DER"),
    Field::text("url", "Where to fetch it: not supported"),
];
const CONFIG: &[Field] = &[
    Field::flag("disable_binding", "Whether renewals take any certificate"),
    Field::flag("enable_identity_alias_metadata", "Whether metadata is kept with the alias"),
    Field::integer("ocsp_cache_size", "Of OCSP: not supported"),
];

/// The routes.
pub(super) static ROUTES: &[CoreRoute] = &[
    CoreRoute::new(
        "login",
        "Log in with the certificate of the TLS connection",
        &[Method::local(Operation::Write, login::login)],
    )
    .public()
    .takes(LOGIN),
    CoreRoute::new("certs", "List the roles", &[Method::local(Operation::List, role::list)])
        .takes(&[]),
    CoreRoute::new(
        "certs/{name}",
        "Show, make, change or delete a role",
        &[
            Method::local(Operation::Read, role::read),
            Method::primary(Operation::Write, role::write),
            Method::primary(Operation::Delete, role::delete),
        ],
    )
    .creates(role::exists)
    .takes(CERTS),
    CoreRoute::new(
        "crls",
        "List the certificate revocation lists",
        &[Method::local(Operation::List, crl::list)],
    )
    .takes(&[]),
    CoreRoute::new(
        "crls/{name}",
        "Show, set or delete a certificate revocation list",
        &[
            Method::local(Operation::Read, crl::read),
            Method::primary(Operation::Write, crl::write),
            Method::primary(Operation::Delete, crl::delete),
        ],
    )
    .takes(CRLS),
    CoreRoute::new(
        "config",
        "Show or change what holds for all roles",
        &[
            Method::local(Operation::Read, config::read),
            Method::primary(Operation::Write, config::write),
        ],
    )
    .takes(CONFIG),
];
