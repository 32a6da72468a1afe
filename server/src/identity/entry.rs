//! Stored entities and groups, and the indexes that find them.
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

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::barrier::{Session, View, ViewError};
use crate::engine::stamp::Stamp;
use crate::keyspace::IDENTITY;

/// Text by name.
pub type Metadata = BTreeMap<String, String>;

/// Someone, whichever way they log in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entity {
    /// A uuid.
    pub id: String,
    /// Unique but for case.
    pub name: String,
    /// For templates.
    pub metadata: Metadata,
    /// Added to those of the token.
    pub policies: Vec<String>,
    /// Its tokens may do nothing.
    pub disabled: bool,
    /// Who it is for each auth method; at most one a mount.
    pub aliases: Vec<Alias>,
    /// Entities that went into this one.
    pub merged: Vec<String>,
    /// When it was made.
    pub created: Stamp,
    /// When it was changed.
    pub updated: Stamp,
}

/// The name of an entity or of an external group for one auth method.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Alias {
    /// A uuid.
    pub id: String,
    /// Accessor of the auth mount.
    pub mount_accessor: String,
    /// The name there.
    pub name: String,
    /// As the last login gave it.
    pub metadata: Metadata,
    /// As the operator gave it.
    pub custom_metadata: Metadata,
    /// Ids of the entities that were merged away and had it.
    #[serde(default)]
    pub merged_from: Vec<String>,
    /// When it was made.
    pub created: Stamp,
    /// When it was changed.
    pub updated: Stamp,
}

/// A group of entities and groups.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Group {
    /// A uuid.
    pub id: String,
    /// Unique but for case.
    pub name: String,
    /// Logins decide who is in it, by its alias.
    pub external: bool,
    /// For templates.
    pub metadata: Metadata,
    /// Added to those of its members.
    pub policies: Vec<String>,
    /// Entities in it.
    pub member_entity_ids: Vec<String>,
    /// Groups in it.
    pub member_group_ids: Vec<String>,
    /// Only of an external group.
    pub alias: Option<Alias>,
    /// Counts changes, from 1.
    pub modify_index: u64,
    /// When it was made.
    pub created: Stamp,
    /// When it was changed.
    pub updated: Stamp,
}

impl Entity {
    /// A new one without aliases. An empty name becomes `entity_<8 hex>`.
    pub fn new(name: &str, now: Stamp) -> Self {
        let name = match name {
            "" => format!("entity_{:08x}", Uuid::new_v4().as_fields().0),
            name => name.to_owned(),
        };
        Self {
            id: Uuid::new_v4().to_string(),
            name,
            metadata: Metadata::new(),
            policies: Vec::new(),
            disabled: false,
            aliases: Vec::new(),
            merged: Vec::new(),
            created: now,
            updated: now,
        }
    }
}

impl Group {
    /// A new one without members. An empty name becomes `group_<8 hex>`.
    pub fn new(name: &str, external: bool, now: Stamp) -> Self {
        let name = match name {
            "" => format!("group_{:08x}", Uuid::new_v4().as_fields().0),
            name => name.to_owned(),
        };
        Self {
            id: Uuid::new_v4().to_string(),
            name,
            external,
            metadata: Metadata::new(),
            policies: Vec::new(),
            member_entity_ids: Vec::new(),
            member_group_ids: Vec::new(),
            alias: None,
            modify_index: 1,
            created: now,
            updated: now,
        }
    }
}

impl Alias {
    /// A new one.
    pub fn new(mount_accessor: &str, name: &str, now: Stamp) -> Self {
        Self {
            id: Uuid::new_v4().to_string(),
            mount_accessor: mount_accessor.to_owned(),
            name: name.to_owned(),
            metadata: Metadata::new(),
            custom_metadata: Metadata::new(),
            merged_from: Vec::new(),
            created: now,
            updated: now,
        }
    }
}

/// Which of the two kinds of things with names and aliases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Entity,
    Group,
}

impl Kind {
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Entity => "entity/",
            Self::Group => "group/",
        }
    }

    pub(super) fn name_prefix(self) -> &'static str {
        match self {
            Self::Entity => "entity-name/",
            Self::Group => "group-name/",
        }
    }

    pub(super) fn alias_prefix(self) -> &'static str {
        match self {
            Self::Entity => "alias/",
            Self::Group => "group-alias/",
        }
    }

    fn alias_of(self, mount_accessor: &str, name: &str) -> String {
        match self {
            Self::Entity => format!("alias-of/{mount_accessor}/{name}"),
            Self::Group => format!("group-alias-of/{mount_accessor}/{name}"),
        }
    }

    pub(super) fn key(self, id: &str) -> String {
        format!("{}{id}", self.prefix())
    }

    fn name_key(self, name: &str) -> String {
        format!("{}{}", self.name_prefix(), name.to_lowercase())
    }
}

fn view(session: &mut Session) -> View<'_> {
    session.view(IDENTITY)
}

fn text(session: &mut Session, key: &str) -> Result<Option<String>, ViewError> {
    Ok(view(session).get(key)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// The id behind a name.
pub(super) fn id_of_name(
    session: &mut Session,
    kind: Kind,
    name: &str,
) -> Result<Option<String>, ViewError> {
    text(session, &kind.name_key(name))
}

/// The id of what an alias belongs to.
pub(super) fn id_of_alias(
    session: &mut Session,
    kind: Kind,
    alias_id: &str,
) -> Result<Option<String>, ViewError> {
    text(session, &format!("{}{alias_id}", kind.alias_prefix()))
}

/// The id of what an auth method knows by a name.
pub(super) fn id_of_alias_name(
    session: &mut Session,
    kind: Kind,
    mount_accessor: &str,
    name: &str,
) -> Result<Option<String>, ViewError> {
    text(session, &kind.alias_of(mount_accessor, name))
}

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

/// Ids of the groups that an entity or a group is in directly.
pub(super) fn groups_of(
    session: &mut Session,
    kind: Kind,
    id: &str,
) -> Result<Arc<Vec<String>>, ViewError> {
    Ok(view(session).cached_json(&groups_key(kind, id))?.unwrap_or_default())
}

fn groups_key(kind: Kind, id: &str) -> String {
    match kind {
        Kind::Entity => format!("groups-of/{id}"),
        Kind::Group => format!("parents-of/{id}"),
    }
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

fn index_name(
    session: &mut Session,
    kind: Kind,
    id: &str,
    name: &str,
    before: Option<&str>,
) -> Result<(), ViewError> {
    if before == Some(name) {
        return Ok(());
    }
    let mut view = view(session);
    if let Some(before) = before {
        view.delete(&kind.name_key(before));
    }
    view.put(&kind.name_key(name), id.as_bytes())
}

fn index_aliases(
    session: &mut Session,
    kind: Kind,
    id: &str,
    now: &[Alias],
    before: &[Alias],
) -> Result<(), ViewError> {
    let same = |a: &Alias, b: &Alias| {
        a.id == b.id && a.name == b.name && a.mount_accessor == b.mount_accessor
    };
    let mut view = view(session);
    for gone in before.iter().filter(|b| !now.iter().any(|n| same(n, b))) {
        view.delete(&format!("{}{}", kind.alias_prefix(), gone.id));
        view.delete(&kind.alias_of(&gone.mount_accessor, &gone.name));
    }
    for new in now.iter().filter(|n| !before.iter().any(|b| same(n, b))) {
        view.put(&format!("{}{}", kind.alias_prefix(), new.id), id.as_bytes())?;
        view.put(&kind.alias_of(&new.mount_accessor, &new.name), id.as_bytes())?;
    }
    Ok(())
}

fn index_members(
    session: &mut Session,
    kind: Kind,
    group: &str,
    now: &[String],
    before: &[String],
) -> Result<(), ViewError> {
    let changes = before
        .iter()
        .filter(|b| !now.contains(b))
        .map(|gone| (gone, false))
        .chain(now.iter().filter(|n| !before.contains(n)).map(|new| (new, true)));
    for (member, joins) in changes {
        let mut groups = (*groups_of(session, kind, member)?).clone();
        groups.retain(|g| g != group);
        if joins {
            groups.push(group.to_owned());
        }
        let key = groups_key(kind, member);
        if groups.is_empty() {
            view(session).delete(&key);
        } else {
            view(session).put_json(&key, &groups)?;
        }
    }
    Ok(())
}
