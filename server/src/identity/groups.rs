//! `identity/group` and `identity/lookup/group`.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::body;
use super::entities::looked_up;
use super::entry::Group;
use super::index::{self, Kind};
use super::store;
use crate::barrier::Session;
use crate::handler::CoreCall;
use crate::logical::{ApiError, ApiResult, Pairs, Response, Scalar, Words};

/// Members of one group at most.
const MEMBERS_MAX: usize = 100_000;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    id: Scalar,
    name: Scalar,
    r#type: Scalar,
    metadata: Option<Pairs>,
    policies: Option<Words>,
    member_entity_ids: Option<Words>,
    member_group_ids: Option<Words>,
}

/// `identity/group`.
pub(super) fn write(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let body: Body = core.call.parse()?;
    let id = body.id.0.clone();
    if id.is_empty() {
        write_named(core, session, body)
    } else {
        write_known(core, session, &id, body)
    }
}

/// `identity/group/id/<id>`.
pub(super) fn write_by_id(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let body: Body = core.call.parse()?;
    write_known(core, session, core.call.param("id"), body)
}

/// `identity/group/name/<name>`.
pub(super) fn write_by_name(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let mut body: Body = core.call.parse()?;
    core.call.param("name").clone_into(&mut body.name.0);
    write_named(core, session, body)
}

fn write_named(core: &CoreCall<'_>, session: &mut Session, body: Body) -> ApiResult<Response> {
    if !body.name.0.is_empty()
        && let Some(id) = index::id_of_name(session, Kind::Group, &body.name.0)?
    {
        return write_known(core, session, &id, body);
    }
    body::name(&body.name.0)?;
    let external = match body.r#type.0.as_str() {
        "" | "internal" => false,
        "external" => true,
        other => return Err(ApiError::bad_request(format!("invalid group type {other:?}"))),
    };
    let mut group = Group::new(&body.name.0, external, core.call.now.into());
    change(session, &mut group, body)?;
    store::store_group(session, &group, None)?;
    Response::data(&json!({ "id": group.id, "name": group.name }))
}

fn write_known(
    core: &CoreCall<'_>,
    session: &mut Session,
    id: &str,
    body: Body,
) -> ApiResult<Response> {
    let before =
        store::group(session, id)?.ok_or_else(|| ApiError::bad_request("invalid group ID"))?;
    let mut group = (*before).clone();
    let kind = if group.external { "external" } else { "internal" };
    if !body.r#type.0.is_empty() && body.r#type.0 != kind {
        return Err(ApiError::bad_request("group type cannot be changed"));
    }
    if !body.name.0.is_empty() {
        body::name(&body.name.0)?;
        let owner = index::id_of_name(session, Kind::Group, &body.name.0)?;
        if owner.is_some_and(|owner| owner != id) {
            return Err(ApiError::bad_request("group name is already in use"));
        }
        group.name.clone_from(&body.name.0);
    }
    change(session, &mut group, body)?;
    group.modify_index += 1;
    group.updated = core.call.now.into();
    store::store_group(session, &group, Some(&before))?;
    Ok(Response::empty())
}

fn change(session: &mut Session, group: &mut Group, body: Body) -> ApiResult<()> {
    if let Some(given) = body.metadata {
        group.metadata = body::metadata(given)?;
    }
    if let Some(given) = body.policies {
        group.policies = body::policies(given.0)?;
    }
    if let Some(Words(ids)) = body.member_entity_ids {
        if group.external && !ids.is_empty() {
            return Err(ApiError::bad_request(
                "member entities can't be set manually for external groups",
            ));
        }
        for id in &ids {
            if store::entity(session, id)?.is_none() {
                return Err(ApiError::listed(400, format!("invalid entity ID {id:?}")));
            }
        }
        group.member_entity_ids = once(ids)?;
    }
    if let Some(Words(ids)) = body.member_group_ids {
        for id in &ids {
            if store::group(session, id)?.is_none() {
                return Err(ApiError::listed(400, format!("invalid member group ID {id:?}")));
            }
            if contains(session, id, &group.id)? {
                return Err(ApiError::bad_request(format!(
                    "cyclic relationship detected for member group ID {id:?}"
                )));
            }
        }
        group.member_group_ids = once(ids)?;
    }
    Ok(())
}

fn once(mut ids: Vec<String>) -> ApiResult<Vec<String>> {
    ids.sort_unstable();
    ids.dedup();
    if ids.len() > MEMBERS_MAX {
        return Err(ApiError::bad_request("too many members: 100000 is the limit"));
    }
    Ok(ids)
}

/// Whether the group `outer` is `inner` or holds it, directly or through others.
fn contains(session: &mut Session, outer: &str, inner: &str) -> ApiResult<bool> {
    let mut queue = vec![outer.to_owned()];
    let mut next = 0;
    while next < queue.len() {
        let id = queue[next].clone();
        next += 1;
        if id == inner {
            return Ok(true);
        }
        if let Some(group) = store::group(session, &id)? {
            for member in &group.member_group_ids {
                if !queue.contains(member) {
                    queue.push(member.clone());
                }
            }
        }
    }
    Ok(false)
}

/// `identity/group/id/<id>`.
pub(super) fn read_by_id(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let shown = show(session, core.call.param("id"))?.ok_or_else(ApiError::not_found)?;
    Response::data(&shown)
}

/// `identity/group/name/<name>`.
pub(super) fn read_by_name(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let id = index::id_of_name(session, Kind::Group, core.call.param("name"))?;
    let shown = show(session, &id.ok_or_else(ApiError::not_found)?)?;
    Response::data(&shown.ok_or_else(ApiError::not_found)?)
}

fn show(session: &mut Session, id: &str) -> ApiResult<Option<Value>> {
    let Some(group) = store::group(session, id)? else { return Ok(None) };
    let alias = match &group.alias {
        Some(alias) => {
            let shown = body::show_alias(session, alias, &group.id)?;
            body::without(shown, &["custom_metadata", "local", "namespace_id"])
        }
        None => json!({}),
    };
    let parents = index::groups_of(session, Kind::Group, id)?;
    let some = |list: &[String]| if list.is_empty() { Value::Null } else { json!(list) };
    Ok(Some(json!({
        "id": group.id,
        "name": group.name,
        "type": if group.external { "external" } else { "internal" },
        "alias": alias,
        "metadata": body::or_null(&group.metadata),
        "policies": some(&group.policies),
        "member_entity_ids": some(&group.member_entity_ids),
        "member_group_ids": some(&group.member_group_ids),
        "parent_group_ids": some(&parents),
        "namespace_id": "root",
        "modify_index": group.modify_index,
        "creation_time": group.created.rfc3339(),
        "last_update_time": group.updated.rfc3339(),
    })))
}

/// `identity/group/id`.
pub(super) fn list_ids(_core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let mut info = Map::new();
    for id in body::keys_below(session, Kind::Group.prefix()) {
        let Some(group) = store::group(session, &id)? else { continue };
        let parents = index::groups_of(session, Kind::Group, &id)?.len();
        let mut one = json!({
            "name": group.name,
            "num_member_entities": group.member_entity_ids.len(),
            "num_parent_groups": parents,
        });
        if let Some(alias) = &group.alias {
            one["alias"] = json!({
                "id": alias.id, "mount_accessor": alias.mount_accessor, "name": alias.name,
            });
        }
        info.insert(id, one);
    }
    body::list_with_info(&info)
}

/// `identity/group/name`.
pub(super) fn list_names(_core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    Response::list(&body::keys_below(session, Kind::Group.name_prefix()))
}

/// `identity/group/id/<id>`.
pub(super) fn delete_by_id(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    delete(session, core.call.param("id"))
}

/// `identity/group/name/<name>`.
pub(super) fn delete_by_name(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    match index::id_of_name(session, Kind::Group, core.call.param("name"))? {
        Some(id) => delete(session, &id),
        None => Ok(Response::empty()),
    }
}

fn delete(session: &mut Session, id: &str) -> ApiResult<Response> {
    if let Some(group) = store::group(session, id)? {
        store::remove_group(session, &group)?;
    }
    Ok(Response::empty())
}

/// `identity/lookup/group`.
pub(super) fn lookup(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let Some(id) = looked_up(core, session, Kind::Group)? else { return Ok(Response::empty()) };
    match show(session, &id)? {
        Some(shown) => Response::data(&shown),
        None => Ok(Response::empty()),
    }
}
