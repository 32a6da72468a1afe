//! The indexes that find entities and groups: by name, by alias, by member.
//!
//! Whoever stores an entity or a group brings them up to date in the same transaction.

use std::sync::Arc;

use super::entry::Alias;
use crate::barrier::{Session, View, ViewError};
use crate::keyspace::IDENTITY;

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

    pub(super) fn name_key(self, name: &str) -> String {
        format!("{}{}", self.name_prefix(), name.to_lowercase())
    }
}

pub(super) fn view(session: &mut Session) -> View<'_> {
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

/// Ids of the groups that an entity or a group is in directly.
pub(super) fn groups_of(
    session: &mut Session,
    kind: Kind,
    id: &str,
) -> Result<Arc<Vec<String>>, ViewError> {
    Ok(view(session).cached_json(&groups_key(kind, id))?.unwrap_or_default())
}

pub(super) fn groups_key(kind: Kind, id: &str) -> String {
    match kind {
        Kind::Entity => format!("groups-of/{id}"),
        Kind::Group => format!("parents-of/{id}"),
    }
}

pub(super) fn index_name(
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

pub(super) fn index_aliases(
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

pub(super) fn index_members(
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
