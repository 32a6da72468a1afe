//! `identity/entity/merge`: aliases and group memberships move to one entity.
//!
//! Its policies stay its own: whoever merges must not grant by it what the other entities were granted.

use serde::Deserialize;
use serde_json::{Value, json};

use super::body;
use super::entities::BATCH_MAX;
use super::entry::{Alias, Entity};
use super::index::{self, Kind};
use super::store;
use crate::barrier::Session;
use crate::engine::stamp::Stamp;
use crate::handler::CoreCall;
use crate::logical::{ApiError, ApiResult, Response, Scalar, Words};

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    from_entity_ids: Words,
    to_entity_id: Scalar,
    conflicting_alias_ids_to_keep: Words,
}

/// `identity/entity/merge`.
pub(super) fn merge(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let Body { from_entity_ids, to_entity_id, conflicting_alias_ids_to_keep } =
        core.call.parse()?;
    if to_entity_id.0.is_empty() {
        return Err(ApiError::bad_request("missing entity id to merge to"));
    }
    if from_entity_ids.0.is_empty() {
        return Err(ApiError::bad_request("missing entity ids to merge from"));
    }
    if from_entity_ids.0.len() > BATCH_MAX {
        return Err(ApiError::bad_request("too many entity ids to merge from: 1000 is the limit"));
    }
    let before = store::entity(session, &to_entity_id.0)?
        .ok_or_else(|| ApiError::bad_request("entity id to merge to is invalid"))?;
    let mut target = (*before).clone();
    let now = Stamp::from(core.call.now);
    for id in from_entity_ids.0 {
        if id == target.id {
            return Err(ApiError::bad_request(
                "to_entity_id should not be present in from_entity_ids",
            ));
        }
        let from = store::entity(session, &id)?
            .ok_or_else(|| ApiError::bad_request("entity id to merge from is invalid"))?;
        let aliases = settle(session, &mut target, &from, &conflicting_alias_ids_to_keep.0)?;
        take_over(session, &mut target, &from, aliases, now)?;
    }
    target.updated = now;
    store::store_entity(session, &target, Some(&before))?;
    Ok(Response::empty())
}

/// The aliases that come over. Of two for one auth method the one in `keep` stays.
fn settle(
    session: &mut Session,
    target: &mut Entity,
    from: &Entity,
    keep: &[String],
) -> ApiResult<Vec<Alias>> {
    let mut coming = from.aliases.clone();
    let mut clashes = Vec::new();
    for theirs in &from.aliases {
        let same = |own: &Alias| own.mount_accessor == theirs.mount_accessor;
        let Some(own) = target.aliases.iter().find(|own| same(own)).cloned() else { continue };
        match (keep.contains(&own.id), keep.contains(&theirs.id)) {
            (true, false) => coming.retain(|a| a.id != theirs.id),
            (false, true) => target.aliases.retain(|a| a.id != own.id),
            _ => {
                clashes.push(shown(session, target, &own)?);
                clashes.push(shown(session, from, theirs)?);
            }
        }
    }
    if clashes.is_empty() {
        return Ok(coming);
    }
    let data = serde_json::value::to_raw_value(&clashes).map_err(ApiError::internal)?;
    let message = format!(
        "toEntity and at least one fromEntity have aliases with the same mount accessor: merge entity \
         {:?} alone and say which aliases to keep in conflicting_alias_ids_to_keep",
        from.id
    );
    Err(ApiError { data: Some(data), ..ApiError::listed(400, message) })
}

fn shown(session: &mut Session, entity: &Entity, alias: &Alias) -> ApiResult<Value> {
    let (path, kind) = body::mount_of(session, &alias.mount_accessor)?.unwrap_or_default();
    Ok(json!({
        "alias": alias.name,
        "alias_id": alias.id,
        "entity": entity.name,
        "entity_id": entity.id,
        "mount": kind,
        "mount_path": path,
    }))
}

fn take_over(
    session: &mut Session,
    target: &mut Entity,
    from: &Entity,
    aliases: Vec<Alias>,
    now: Stamp,
) -> ApiResult<()> {
    for id in index::groups_of(session, Kind::Entity, &from.id)?.iter() {
        let Some(group) = store::group(session, id)? else { continue };
        if !group.member_entity_ids.contains(&target.id) {
            let mut changed = (*group).clone();
            changed.member_entity_ids.push(target.id.clone());
            changed.modify_index += 1;
            changed.updated = now;
            store::store_group(session, &changed, Some(&group))?;
        }
    }
    store::remove_entity(session, from)?;
    target.aliases.extend(aliases.into_iter().map(|mut alias| {
        alias.merged_from.push(from.id.clone());
        alias
    }));
    target.merged.push(from.id.clone());
    store::note_merged(session, &from.id, &target.id)?;
    Ok(())
}
