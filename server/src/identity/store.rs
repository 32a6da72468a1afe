//! Entities and groups in storage, each written together with its indexes.
//!
//! | key in IDENTITY | value |
//! |---|---|
//! | `entity/<id>` | [`Entity`], its aliases in it |
//! | `entity-name/<name in lower case>` | the entity's id |
//! | `alias/<alias id>` | the entity's id |
//! | `alias-of/<mount accessor>/<alias name>` | the entity's id |
//! | `group/<id>` | [`Group`], its alias in it |
//! | `group-name/<name in lower case>` | the group's id |
//! | `group-alias/<alias id>` | the group's id |
//! | `group-alias-of/<mount accessor>/<alias name>` | the group's id |
//! | `groups-of/<entity id>` | ids of the groups that it is in directly |
//! | `parents-of/<group id>` | ids of the groups that it is in directly |
//! | `merged/<entity id>` | the id of the entity that it went into |

use std::sync::Arc;

use super::entry::{Entity, Group};
use super::index::{Kind, groups_key, groups_of, index_aliases, index_members, index_name, view};
use crate::barrier::{Session, ViewError};

/// An entity.
///
/// # Errors
/// See [`ViewError`].
pub fn entity(session: &mut Session, id: &str) -> Result<Option<Arc<Entity>>, ViewError> {
    view(session).cached_json(&Kind::Entity.key(id))
}

/// A group.
///
/// # Errors
/// See [`ViewError`].
pub fn group(session: &mut Session, id: &str) -> Result<Option<Arc<Group>>, ViewError> {
    view(session).cached_json(&Kind::Group.key(id))
}

/// Writes an entity with its indexes; `before` is what it replaces.
pub(super) fn store_entity(
    session: &mut Session,
    entity: &Entity,
    before: Option<&Entity>,
) -> Result<(), ViewError> {
    let old = before.map_or(&[][..], |b| &b.aliases);
    index_name(session, Kind::Entity, &entity.id, &entity.name, before.map(|b| &*b.name))?;
    index_aliases(session, Kind::Entity, &entity.id, &entity.aliases, old)?;
    view(session).put_json(&Kind::Entity.key(&entity.id), entity)
}

/// Removes an entity from the store and from its groups.
pub(super) fn remove_entity(session: &mut Session, entity: &Entity) -> Result<(), ViewError> {
    for id in groups_of(session, Kind::Entity, &entity.id)?.iter() {
        if let Some(group) = group(session, id)? {
            let mut changed = (*group).clone();
            changed.member_entity_ids.retain(|m| *m != entity.id);
            view(session).put_json(&Kind::Group.key(id), &changed)?;
        }
    }
    index_aliases(session, Kind::Entity, &entity.id, &[], &entity.aliases)?;
    let mut view = view(session);
    view.delete(&groups_key(Kind::Entity, &entity.id));
    view.delete(&Kind::Entity.name_key(&entity.name));
    view.delete(&Kind::Entity.key(&entity.id));
    Ok(())
}

/// Writes a group with its indexes; `before` is what it replaces.
pub(super) fn store_group(
    session: &mut Session,
    group: &Group,
    before: Option<&Group>,
) -> Result<(), ViewError> {
    let alias = |g: &Group| g.alias.iter().cloned().collect::<Vec<_>>();
    index_name(session, Kind::Group, &group.id, &group.name, before.map(|b| &*b.name))?;
    let old = before.map(alias).unwrap_or_default();
    index_aliases(session, Kind::Group, &group.id, &alias(group), &old)?;
    let none = Vec::new();
    let (entities, groups) =
        before.map_or((&none, &none), |b| (&b.member_entity_ids, &b.member_group_ids));
    index_members(session, Kind::Entity, &group.id, &group.member_entity_ids, entities)?;
    index_members(session, Kind::Group, &group.id, &group.member_group_ids, groups)?;
    view(session).put_json(&Kind::Group.key(&group.id), group)
}

/// Removes a group from the store and from the groups that it is in.
pub(super) fn remove_group(session: &mut Session, gone: &Group) -> Result<(), ViewError> {
    for id in groups_of(session, Kind::Group, &gone.id)?.iter() {
        if let Some(parent) = group(session, id)? {
            let mut changed = (*parent).clone();
            changed.member_group_ids.retain(|m| *m != gone.id);
            view(session).put_json(&Kind::Group.key(id), &changed)?;
        }
    }
    index_members(session, Kind::Entity, &gone.id, &[], &gone.member_entity_ids)?;
    index_members(session, Kind::Group, &gone.id, &[], &gone.member_group_ids)?;
    index_aliases(session, Kind::Group, &gone.id, &[], gone.alias.as_slice())?;
    let mut view = view(session);
    view.delete(&groups_key(Kind::Group, &gone.id));
    view.delete(&Kind::Group.name_key(&gone.name));
    view.delete(&Kind::Group.key(&gone.id));
    Ok(())
}

/// Notes that an entity went into another one: what was issued to it stays good.
pub(super) fn note_merged(session: &mut Session, id: &str, into: &str) -> Result<(), ViewError> {
    view(session).put_json(&merged_key(id), &into)
}

/// Whether an entity that is not there went into another one.
///
/// # Errors
/// See [`ViewError`].
pub fn was_merged(session: &mut Session, id: &str) -> Result<bool, ViewError> {
    Ok(view(session).cached_json::<String>(&merged_key(id))?.is_some())
}

fn merged_key(id: &str) -> String {
    format!("merged/{id}")
}
