//! What the routes take.

use crate::auth::token_fields;
use crate::logical::Field;

pub(super) const LOGIN: &[Field] =
    &[Field::text("role_id", "Id of the role"), Field::text("secret_id", "The secret id")];

pub(super) const ROLE: &[Field] = token_fields![
    Field::flag("bind_secret_id", "Whether logging in takes a secret id"),
    Field::words("bound_cidr_list", "Old name of `secret_id_bound_cidrs`"),
    Field::flag("local_secret_ids", "Whether secret ids stay in this cluster"),
    Field::seconds("period", "Each renewal prolongs by this time"),
    Field::words("policies", "Names of policies"),
    Field::text("role_id", "Id of the role"),
    Field::words("secret_id_bound_cidrs", "Address blocks that may log in"),
    Field::integer("secret_id_num_uses", "Logins with one secret id, 0 for any number"),
    Field::seconds("secret_id_ttl", "How long a secret id is good for")
];

pub(super) const ROLE_ROLE_ID: &[Field] = &[Field::text("role_id", "Id of the role")];

pub(super) const ROLE_SECRET_ID: &[Field] = &[
    Field::text("after", "List what comes after this name").query(),
    Field::words("cidr_list", "Address blocks that may use it"),
    Field::integer("limit", "List so many at most").query(),
    Field::any("metadata", "Free notes"),
    Field::integer("num_uses", "How often it may be used, 0 for any number"),
    Field::words("token_bound_cidrs", "Address blocks that tokens may be used from"),
    Field::seconds("ttl", "How long it lives"),
];

pub(super) const ROLE_CUSTOM_SECRET_ID: &[Field] = &[
    Field::words("cidr_list", "Address blocks that may use it"),
    Field::any("metadata", "Free notes"),
    Field::integer("num_uses", "How often it may be used, 0 for any number"),
    Field::text("secret_id", "The secret id"),
    Field::words("token_bound_cidrs", "Address blocks that tokens may be used from"),
    Field::seconds("ttl", "How long it lives"),
];

pub(super) const ROLE_SECRET_ID_LOOKUP: &[Field] = &[Field::text("secret_id", "The secret id")];

pub(super) const ROLE_SECRET_ID_ACCESSOR_LOOKUP: &[Field] =
    &[Field::text("secret_id_accessor", "Accessor of the secret id")];
