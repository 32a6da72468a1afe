//! What the routes take.

use crate::logical::Field;

pub(super) const CREATE: &[Field] = &[
    Field::text("display_name", "Name to show"),
    Field::text("entity_alias", "Alias of the entity that it is for"),
    Field::text("explicit_max_ttl", "No renewal prolongs beyond this time"),
    Field::text("id", "Its id"),
    Field::text("lease", "Old name of `ttl`"),
    Field::pairs("meta", "Free notes"),
    Field::flag("no_default_policy", "Whether it goes without the policy `default`"),
    Field::flag("no_parent", "Whether it has no parent"),
    Field::integer("num_uses", "How often it may be used, 0 for any number"),
    Field::text("period", "Each renewal prolongs by this time"),
    Field::words("policies", "Names of policies"),
    Field::flag("renewable", "Whether it can be renewed"),
    Field::text("ttl", "How long it lives"),
    Field::text("type", "Its type"),
];

pub(super) const ROLES: &[Field] = &[
    Field::words("allowed_entity_aliases", "Aliases that tokens may be made for"),
    Field::words("allowed_policies", "Policies that tokens may have"),
    Field::words("allowed_policies_glob", "The same, with `*`"),
    Field::words("bound_cidrs", "Old name of `token_bound_cidrs`"),
    Field::words("disallowed_policies", "Policies that tokens may not have"),
    Field::words("disallowed_policies_glob", "The same, with `*`"),
    Field::text("explicit_max_ttl", "No renewal prolongs beyond this time"),
    Field::flag("orphan", "Whether tokens have no parent"),
    Field::text("path_suffix", "Last part of the path of its tokens"),
    Field::text("period", "Each renewal prolongs by this time"),
    Field::flag("renewable", "Whether it can be renewed"),
    Field::words("token_bound_cidrs", "Address blocks that tokens may be used from"),
    Field::seconds("token_explicit_max_ttl", "No renewal prolongs tokens beyond this time"),
    Field::flag("token_no_default_policy", "Whether tokens go without the policy `default`"),
    Field::integer("token_num_uses", "How often tokens may be used, 0 for any number"),
    Field::seconds("token_period", "Each renewal prolongs tokens by this time"),
    Field::text("token_type", "Type of tokens"),
];

pub(super) const LOOKUP_SELF: &[Field] = &[Field::text("token", "The token")];

pub(super) const LOOKUP_ACCESSOR: &[Field] = &[Field::text("accessor", "The accessor")];

pub(super) const RENEW_SELF: &[Field] =
    &[Field::seconds("increment", "By how much to prolong"), Field::text("token", "The token")];

pub(super) const RENEW_ACCESSOR: &[Field] = &[
    Field::text("accessor", "The accessor"),
    Field::seconds("increment", "By how much to prolong"),
];
