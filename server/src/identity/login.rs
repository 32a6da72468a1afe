//! What a login does to identity: the entity of who logged in, and the external groups it is in.

use std::sync::Arc;

use super::entry::{Alias, Entity, Metadata};
use super::index::{self, Kind};
use super::store;
use crate::barrier::{Session, ViewError};
use crate::engine::stamp::Stamp;

/// Who logged in, as the auth method knows them.
pub struct Arrival<'a> {
    /// Accessor of the auth mount.
    pub mount_accessor: &'a str,
    /// Name there.
    pub name: &'a str,
    /// Kept with the alias.
    pub metadata: &'a Metadata,
    /// Groups there, for external groups; `None` when the method knows of none.
    pub groups: Option<&'a [String]>,
}

/// The entity of who logged in, made if there was none. Writes nothing when nothing changed, so
/// that most logins on a secondary need not ask the primary.
///
/// # Errors
/// See [`ViewError`].
pub fn arrive(
    session: &mut Session,
    arrival: &Arrival<'_>,
    now: Stamp,
) -> Result<Arc<Entity>, ViewError> {
    let kind = Kind::Entity;
    let known = index::id_of_alias_name(session, kind, arrival.mount_accessor, arrival.name)?;
    let known = match known {
        Some(id) => store::entity(session, &id)?,
        None => None,
    };
    let entity = if let Some(entity) = known {
        refresh(session, entity, arrival, now)?
    } else {
        let mut entity = Entity::new("", now);
        let mut alias = Alias::new(arrival.mount_accessor, arrival.name, now);
        alias.metadata.clone_from(arrival.metadata);
        entity.aliases.push(alias);
        store::store_entity(session, &entity, None)?;
        Arc::new(entity)
    };
    if let Some(groups) = arrival.groups {
        join(session, &entity.id, arrival.mount_accessor, groups, now)?;
    }
    Ok(entity)
}

fn refresh(
    session: &mut Session,
    entity: Arc<Entity>,
    arrival: &Arrival<'_>,
    now: Stamp,
) -> Result<Arc<Entity>, ViewError> {
    let mine = |a: &Alias| a.mount_accessor == arrival.mount_accessor && a.name == arrival.name;
    let stale = entity.aliases.iter().any(|a| mine(a) && a.metadata != *arrival.metadata);
    if !stale {
        return Ok(entity);
    }
    let mut changed = (*entity).clone();
    for alias in changed.aliases.iter_mut().filter(|a| mine(a)) {
        alias.metadata.clone_from(arrival.metadata);
        alias.updated = now;
    }
    store::store_entity(session, &changed, Some(&entity))?;
    Ok(Arc::new(changed))
}

/// Makes the external groups of a mount that an entity is in exactly those that are named.
fn join(
    session: &mut Session,
    entity_id: &str,
    mount_accessor: &str,
    names: &[String],
    now: Stamp,
) -> Result<(), ViewError> {
    let mut wanted = Vec::new();
    for name in names {
        wanted.extend(index::id_of_alias_name(session, Kind::Group, mount_accessor, name)?);
    }
    let current = index::groups_of(session, Kind::Entity, entity_id)?;
    let touched = wanted.iter().filter(|id| !current.contains(id));
    let touched: Vec<String> = touched.chain(current.iter()).cloned().collect();
    for id in touched {
        let Some(group) = store::group(session, &id)? else { continue };
        let ours = group.alias.as_ref().is_some_and(|a| a.mount_accessor == mount_accessor);
        let inside = group.member_entity_ids.iter().any(|m| m == entity_id);
        if !group.external || !ours || inside == wanted.contains(&id) {
            continue;
        }
        let mut changed = (*group).clone();
        if inside {
            changed.member_entity_ids.retain(|m| m != entity_id);
        } else {
            changed.member_entity_ids.push(entity_id.to_owned());
        }
        changed.modify_index += 1;
        changed.updated = now;
        store::store_group(session, &changed, Some(&group))?;
    }
    Ok(())
}
