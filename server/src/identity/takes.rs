//! What the routes take.

use crate::logical::Field;

pub(super) const ENTITY: &[Field] = &[
    Field::flag("disabled", "Whether its tokens are refused"),
    Field::text("id", "Its id"),
    Field::pairs("metadata", "Free notes"),
    Field::text("name", "Its name"),
    Field::words("policies", "Names of policies"),
];

pub(super) const ENTITY_MERGE: &[Field] = &[
    Field::words(
        "conflicting_alias_ids_to_keep",
        "Aliases to keep where two are for one auth method",
    ),
    Field::flag("force", "Whether conflicts are overruled"),
    Field::words("from_entity_ids", "Entities to merge"),
    Field::text("to_entity_id", "Entity to merge into"),
];

pub(super) const ENTITY_BATCH_DELETE: &[Field] = &[Field::words("entity_ids", "Ids of entities")];

pub(super) const ENTITY_ID: &[Field] = &[
    Field::flag("disabled", "Whether its tokens are refused"),
    Field::pairs("metadata", "Free notes"),
    Field::text("name", "Its name"),
    Field::words("policies", "Names of policies"),
];

pub(super) const ENTITY_NAME: &[Field] = &[
    Field::flag("disabled", "Whether its tokens are refused"),
    Field::text("id", "Its id"),
    Field::pairs("metadata", "Free notes"),
    Field::words("policies", "Names of policies"),
];

pub(super) const LOOKUP_ENTITY: &[Field] = &[
    Field::text("alias_id", "Id of the alias"),
    Field::text("alias_mount_accessor", "Accessor of the auth method of the alias"),
    Field::text("alias_name", "Name of the alias"),
    Field::text("id", "Its id"),
    Field::text("name", "Its name"),
];

pub(super) const ENTITY_ALIAS: &[Field] = &[
    Field::text("canonical_id", "Id of the entity or group that it belongs to"),
    Field::pairs("custom_metadata", "Free notes"),
    Field::text("entity_id", "Id of the entity"),
    Field::text("id", "Its id"),
    Field::text("mount_accessor", "Accessor of the auth method"),
    Field::text("name", "Its name"),
];

pub(super) const ENTITY_ALIAS_ID: &[Field] = &[
    Field::text("canonical_id", "Id of the entity or group that it belongs to"),
    Field::pairs("custom_metadata", "Free notes"),
    Field::text("entity_id", "Id of the entity"),
    Field::text("mount_accessor", "Accessor of the auth method"),
    Field::text("name", "Its name"),
];

pub(super) const GROUP: &[Field] = &[
    Field::text("id", "Its id"),
    Field::words("member_entity_ids", "Entities in the group"),
    Field::words("member_group_ids", "Groups in the group"),
    Field::pairs("metadata", "Free notes"),
    Field::text("name", "Its name"),
    Field::words("policies", "Names of policies"),
    Field::text("type", "Its type"),
];

pub(super) const GROUP_ID: &[Field] = &[
    Field::words("member_entity_ids", "Entities in the group"),
    Field::words("member_group_ids", "Groups in the group"),
    Field::pairs("metadata", "Free notes"),
    Field::text("name", "Its name"),
    Field::words("policies", "Names of policies"),
    Field::text("type", "Its type"),
];

pub(super) const GROUP_NAME: &[Field] = &[
    Field::text("id", "Its id"),
    Field::words("member_entity_ids", "Entities in the group"),
    Field::words("member_group_ids", "Groups in the group"),
    Field::pairs("metadata", "Free notes"),
    Field::words("policies", "Names of policies"),
    Field::text("type", "Its type"),
];

pub(super) const GROUP_ALIAS: &[Field] = &[
    Field::text("canonical_id", "Id of the entity or group that it belongs to"),
    Field::text("id", "Its id"),
    Field::text("mount_accessor", "Accessor of the auth method"),
    Field::text("name", "Its name"),
];

pub(super) const GROUP_ALIAS_ID: &[Field] = &[
    Field::text("canonical_id", "Id of the entity or group that it belongs to"),
    Field::text("mount_accessor", "Accessor of the auth method"),
    Field::text("name", "Its name"),
];
