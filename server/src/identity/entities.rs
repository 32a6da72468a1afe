//! `identity/entity` and `identity/lookup/entity`.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::body::{self, LIST_MAX};
use super::entry::Entity;
use super::index::{self, Kind};
use super::store;
use super::subject::subject;
use crate::barrier::Session;
use crate::handler::CoreCall;
use crate::logical::{ApiError, ApiResult, Flag, Pairs, Response, Scalar, Words};

/// Entities that one call merges or deletes at most.
pub(super) const BATCH_MAX: usize = 1000;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    id: Scalar,
    name: Scalar,
    metadata: Option<Pairs>,
    policies: Option<Words>,
    disabled: Option<Flag>,
}

/// `identity/entity`.
pub(super) fn write(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let body: Body = core.call.parse()?;
    let id = body.id.0.clone();
    if id.is_empty() {
        write_named(core, session, body)
    } else {
        write_known(core, session, &id, body)
    }
}

/// `identity/entity/id/<id>`.
pub(super) fn write_by_id(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let body: Body = core.call.parse()?;
    write_known(core, session, core.call.param("id"), body)
}

/// `identity/entity/name/<name>`.
pub(super) fn write_by_name(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let mut body: Body = core.call.parse()?;
    core.call.param("name").clone_into(&mut body.name.0);
    write_named(core, session, body)
}

fn write_named(core: &CoreCall<'_>, session: &mut Session, body: Body) -> ApiResult<Response> {
    if !body.name.0.is_empty()
        && let Some(id) = index::id_of_name(session, Kind::Entity, &body.name.0)?
    {
        return write_known(core, session, &id, body);
    }
    body::name(&body.name.0)?;
    let mut entity = Entity::new(&body.name.0, core.call.now.into());
    change(&mut entity, body)?;
    store::store_entity(session, &entity, None)?;
    Response::data(&json!({ "id": entity.id, "name": entity.name, "aliases": null }))
}

fn write_known(
    core: &CoreCall<'_>,
    session: &mut Session,
    id: &str,
    body: Body,
) -> ApiResult<Response> {
    let before = store::entity(session, id)?
        .ok_or_else(|| ApiError::bad_request("entity not found from id"))?;
    let mut entity = (*before).clone();
    if !body.name.0.is_empty() {
        body::name(&body.name.0)?;
        let owner = index::id_of_name(session, Kind::Entity, &body.name.0)?;
        if owner.is_some_and(|owner| owner != id) {
            return Err(ApiError::bad_request("entity name is already in use"));
        }
        entity.name.clone_from(&body.name.0);
    }
    change(&mut entity, body)?;
    entity.updated = core.call.now.into();
    store::store_entity(session, &entity, Some(&before))?;
    Ok(Response::empty())
}

fn change(entity: &mut Entity, body: Body) -> ApiResult<()> {
    if let Some(given) = body.metadata {
        entity.metadata = body::metadata(given)?;
    }
    if let Some(given) = body.policies {
        entity.policies = body::policies(given.0)?;
    }
    if let Some(Flag(disabled)) = body.disabled {
        entity.disabled = disabled;
    }
    Ok(())
}

/// `identity/entity/id/<id>`.
pub(super) fn read_by_id(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let shown = show(session, core.call.param("id"))?.ok_or_else(ApiError::not_found)?;
    Response::data(&shown)
}

/// `identity/entity/name/<name>`.
pub(super) fn read_by_name(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let id = index::id_of_name(session, Kind::Entity, core.call.param("name"))?;
    let shown = show(session, &id.ok_or_else(ApiError::not_found)?)?;
    Response::data(&shown.ok_or_else(ApiError::not_found)?)
}

fn show(session: &mut Session, id: &str) -> ApiResult<Option<Value>> {
    let Some(entity) = store::entity(session, id)? else { return Ok(None) };
    let mut aliases = Vec::new();
    for alias in &entity.aliases {
        aliases.push(body::show_inner_alias(session, alias, &entity.id)?);
    }
    let Some(subject) = subject(session, id)? else { return Ok(None) };
    let (direct, inherited) = (subject.direct_group_ids(), subject.inherited_group_ids());
    let groups: Vec<&str> = direct.iter().chain(&inherited).copied().collect();
    Ok(Some(json!({
        "id": entity.id,
        "name": entity.name,
        "aliases": aliases,
        "metadata": body::or_null(&entity.metadata),
        "policies": entity.policies,
        "disabled": entity.disabled,
        "merged_entity_ids":
            if entity.merged.is_empty() { Value::Null } else { json!(entity.merged) },
        "namespace_id": "root",
        "direct_group_ids": direct,
        "inherited_group_ids": inherited,
        "group_ids": groups,
        "creation_time": entity.created.rfc3339(),
        "last_update_time": entity.updated.rfc3339(),
    })))
}

/// `identity/entity/id`.
pub(super) fn list_ids(_core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let mut info = Map::new();
    for id in body::keys_below(session, Kind::Entity.prefix()).into_iter().take(LIST_MAX) {
        if let Some(entity) = store::entity(session, &id)? {
            let aliases: Vec<Value> = entity
                .aliases
                .iter()
                .map(|a| json!({"id": a.id, "mount_accessor": a.mount_accessor, "name": a.name}))
                .collect();
            let mut one = json!({ "name": entity.name });
            if !aliases.is_empty() {
                one["aliases"] = aliases.into();
            }
            info.insert(id, one);
        }
    }
    body::list_with_info(&info)
}

/// `identity/entity/name`.
pub(super) fn list_names(_core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    Response::list(&body::keys_below(session, Kind::Entity.name_prefix()))
}

/// How many entities there are.
pub fn count(session: &mut Session) -> usize {
    body::keys_below(session, Kind::Entity.prefix()).len()
}

/// `identity/entity/id/<id>`.
pub(super) fn delete_by_id(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    delete(session, core.call.param("id"))?;
    Ok(Response::empty())
}

/// `identity/entity/name/<name>`.
pub(super) fn delete_by_name(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    if let Some(id) = index::id_of_name(session, Kind::Entity, core.call.param("name"))? {
        delete(session, &id)?;
    }
    Ok(Response::empty())
}

fn delete(session: &mut Session, id: &str) -> ApiResult<()> {
    if let Some(entity) = store::entity(session, id)? {
        store::remove_entity(session, &entity)?;
    }
    Ok(())
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Batch {
    entity_ids: Words,
}

/// `identity/entity/batch-delete`.
pub(super) fn delete_many(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let ids = core.call.parse::<Batch>()?.entity_ids.0;
    if ids.is_empty() {
        return Err(ApiError::bad_request("missing entity ids to delete"));
    }
    if ids.len() > BATCH_MAX {
        return Err(ApiError::bad_request("too many entity ids to delete: 1000 is the limit"));
    }
    for id in ids {
        delete(session, &id)?;
    }
    Ok(Response::empty())
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Lookup {
    id: Scalar,
    name: Scalar,
    alias_id: Scalar,
    alias_name: Scalar,
    alias_mount_accessor: Scalar,
}

/// The id that a lookup asks for; the kind decides where names are looked up.
pub(super) fn looked_up(
    core: &CoreCall<'_>,
    session: &mut Session,
    kind: Kind,
) -> ApiResult<Option<String>> {
    let body: Lookup = core.call.parse()?;
    let given = |s: &Scalar| !s.0.is_empty();
    let by_alias = given(&body.alias_name) || given(&body.alias_mount_accessor);
    let ways = [given(&body.id), given(&body.name), given(&body.alias_id), by_alias];
    if ways.iter().filter(|way| **way).count() > 1 {
        return Err(ApiError::bad_request(
            "query parameter conflict; please supply distinct set of query parameters",
        ));
    }
    if given(&body.id) {
        return Ok(Some(body.id.0));
    }
    if given(&body.name) {
        return Ok(index::id_of_name(session, kind, &body.name.0)?);
    }
    if given(&body.alias_id) {
        return Ok(index::id_of_alias(session, kind, &body.alias_id.0)?);
    }
    match (given(&body.alias_name), given(&body.alias_mount_accessor)) {
        (true, true) => {
            let (accessor, name) = (&body.alias_mount_accessor.0, &body.alias_name.0);
            Ok(index::id_of_alias_name(session, kind, accessor, name)?)
        }
        (false, false) => Err(ApiError::bad_request("query parameter not supplied")),
        _ => Err(ApiError::bad_request(
            "both 'alias_name' and 'alias_mount_accessor' needs to be set",
        )),
    }
}

/// `identity/lookup/entity`.
pub(super) fn lookup(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let Some(id) = looked_up(core, session, Kind::Entity)? else { return Ok(Response::empty()) };
    match show(session, &id)? {
        Some(shown) => Response::data(&shown),
        None => Ok(Response::empty()),
    }
}
