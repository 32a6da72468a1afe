//! What identity knows of a caller: the entity and every group it is in.

use std::sync::Arc;

use super::entry::{Entity, Group};
use super::index::{self, Kind};
use super::store;
use crate::barrier::{Session, ViewError};

/// Groups that a caller is seen to be in at most; nested groups beyond are left out.
const GROUPS_MAX: usize = 4096;

/// An entity with its groups, direct and inherited.
pub struct Subject {
    entity: Arc<Entity>,
    groups: Vec<Arc<Group>>,
    direct: usize,
    policies: Vec<String>,
}

/// The subject behind an entity's id.
///
/// # Errors
/// See [`ViewError`].
pub fn subject(session: &mut Session, entity_id: &str) -> Result<Option<Subject>, ViewError> {
    let Some(entity) = store::entity(session, entity_id)? else { return Ok(None) };
    let direct = index::groups_of(session, Kind::Entity, entity_id)?;
    let groups = walk(session, &direct)?;
    let mut policies = entity.policies.clone();
    policies.extend(groups.iter().flat_map(|g| g.policies.iter().cloned()));
    policies.sort_unstable();
    policies.dedup();
    Ok(Some(Subject { entity, groups, direct: direct.len(), policies }))
}

/// The groups with these ids and, behind them, all that those are in.
fn walk(session: &mut Session, direct: &[String]) -> Result<Vec<Arc<Group>>, ViewError> {
    let mut groups: Vec<Arc<Group>> = Vec::new();
    let mut queue: Vec<String> = direct.to_vec();
    let mut next = 0;
    while next < queue.len() && groups.len() < GROUPS_MAX {
        let id = queue[next].clone();
        next += 1;
        let Some(group) = store::group(session, &id)? else { continue };
        groups.push(group);
        for parent in index::groups_of(session, Kind::Group, &id)?.iter() {
            if !queue.contains(parent) {
                queue.push(parent.clone());
            }
        }
    }
    Ok(groups)
}

impl Subject {
    /// The entity.
    pub fn entity(&self) -> &Entity {
        &self.entity
    }

    /// Every group that it is in, direct ones first.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().map(|group| &**group)
    }

    /// Its tokens may do nothing.
    pub fn disabled(&self) -> bool {
        self.entity.disabled
    }

    /// Policies of the entity and of its groups, sorted, each once.
    pub fn policies(&self) -> &[String] {
        &self.policies
    }

    /// Ids of the groups that it is in directly.
    pub fn direct_group_ids(&self) -> Vec<&str> {
        self.groups.iter().take(self.direct).map(|g| g.id.as_str()).collect()
    }

    /// Ids of the groups that it is in through others.
    pub fn inherited_group_ids(&self) -> Vec<&str> {
        self.groups.iter().skip(self.direct).map(|g| g.id.as_str()).collect()
    }

    /// What a template of a policy stands for.
    pub fn value(&self, name: &str) -> Option<String> {
        let rest = name.strip_prefix("identity.")?;
        if let Some(rest) = rest.strip_prefix("entity.") {
            return self.of_entity(rest);
        }
        if let Some(rest) = rest.strip_prefix("groups.ids.") {
            let group = self.groups.iter().find(|g| has_name(rest, &g.id))?;
            return match field(rest, &group.id)? {
                "name" => Some(group.name.clone()),
                rest => group.metadata.get(rest.strip_prefix("metadata.")?).cloned(),
            };
        }
        let rest = rest.strip_prefix("groups.names.")?;
        let group = self.groups.iter().find(|g| has_name(rest, &g.name))?;
        match field(rest, &group.name)? {
            "id" => Some(group.id.clone()),
            rest => group.metadata.get(rest.strip_prefix("metadata.")?).cloned(),
        }
    }

    fn of_entity(&self, rest: &str) -> Option<String> {
        if let Some(rest) = rest.strip_prefix("aliases.") {
            let (accessor, rest) = rest.split_once('.')?;
            let alias = self.entity.aliases.iter().find(|a| a.mount_accessor == accessor)?;
            return match rest.split_once('.') {
                None if rest == "id" => Some(alias.id.clone()),
                None if rest == "name" => Some(alias.name.clone()),
                Some(("metadata", key)) => alias.metadata.get(key).cloned(),
                Some(("custom_metadata", key)) => alias.custom_metadata.get(key).cloned(),
                _ => None,
            };
        }
        match rest {
            "id" => Some(self.entity.id.clone()),
            "name" => Some(self.entity.name.clone()),
            rest => self.entity.metadata.get(rest.strip_prefix("metadata.")?).cloned(),
        }
    }
}

fn field<'r>(rest: &'r str, name: &str) -> Option<&'r str> {
    rest.strip_prefix(name)?.strip_prefix('.')
}

fn has_name(rest: &str, name: &str) -> bool {
    field(rest, name).is_some()
}
