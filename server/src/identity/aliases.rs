//! `identity/entity-alias` and `identity/group-alias`.

use serde::Deserialize;
use serde_json::{Map, json};

use super::body;
use super::entry::{Alias, Entity, Group};
use super::index::{self, Kind};
use super::store;
use crate::barrier::Session;
use crate::engine::stamp::Stamp;
use crate::handler::CoreCall;
use crate::logical::{ApiError, ApiResult, Pairs, Response, Scalar};

/// What a list does not say of an alias.
const LEFT_OUT: &[&str] =
    &["id", "creation_time", "last_update_time", "namespace_id", "merged_from_canonical_ids"];

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    id: Scalar,
    name: Scalar,
    canonical_id: Scalar,
    /// The old name of `canonical_id`.
    entity_id: Scalar,
    mount_accessor: Scalar,
    custom_metadata: Option<Pairs>,
}

impl Body {
    fn of(core: &CoreCall<'_>) -> ApiResult<Self> {
        let mut body: Self = core.call.parse()?;
        if !core.call.param("id").is_empty() {
            core.call.param("id").clone_into(&mut body.id.0);
        }
        if body.canonical_id.0.is_empty() {
            body.canonical_id = std::mem::take(&mut body.entity_id);
        }
        Ok(body)
    }

    /// Whether nothing else is noted than what an alias has. Without its id, notes that are not given
    /// again count as a change.
    fn keeps_notes_of(&self, known: &Alias) -> bool {
        match &self.custom_metadata {
            Some(given) => given.0 == known.custom_metadata,
            None => !self.id.0.is_empty() || known.custom_metadata.is_empty(),
        }
    }

    /// What the alias is to be; `known` is what it was.
    fn alias(self, session: &mut Session, known: Option<&Alias>, now: Stamp) -> ApiResult<Alias> {
        let mut alias = match known {
            Some(known) => known.clone(),
            None => Alias::new("", "", now),
        };
        if !self.name.0.is_empty() {
            body::name(&self.name.0)?;
            alias.name = self.name.0;
        }
        if !self.mount_accessor.0.is_empty() {
            alias.mount_accessor = self.mount_accessor.0;
        }
        if alias.name.is_empty() || alias.mount_accessor.is_empty() {
            return Err(ApiError::bad_request(
                "'id' or 'mount_accessor' and 'name' must be provided",
            ));
        }
        if body::mount_of(session, &alias.mount_accessor)?.is_none() {
            return Err(ApiError::bad_request(format!(
                "invalid mount accessor {:?}",
                alias.mount_accessor
            )));
        }
        if let Some(given) = self.custom_metadata {
            alias.custom_metadata = body::metadata(given)?;
        }
        alias.updated = now;
        Ok(alias)
    }
}

/// `identity/entity-alias`: makes an alias, with an entity of its own if none is named, or changes
/// the one with this id or name.
pub(super) fn write_entity(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let body = Body::of(core)?;
    let now = Stamp::from(core.call.now);
    let (accessor, name) = (&body.mount_accessor.0, &body.name.0);
    let owner = if body.id.0.is_empty() {
        index::id_of_alias_name(session, Kind::Entity, accessor, name)?
    } else {
        let owner = index::id_of_alias(session, Kind::Entity, &body.id.0)?;
        Some(owner.ok_or_else(|| ApiError::bad_request("invalid alias ID provided"))?)
    };
    let before = match &owner {
        Some(id) => store::entity(session, id)?,
        None => None,
    };
    let known = before.as_ref().and_then(|entity| {
        entity
            .aliases
            .iter()
            .find(|a| a.id == body.id.0 || (a.mount_accessor == *accessor && a.name == *name))
    });
    let wanted = body.canonical_id.0.clone();
    let same_notes = known.is_some_and(|known| body.keeps_notes_of(known));
    let alias = body.alias(session, known, now)?;
    // Whoever says again what is there already is told nothing.
    let silent = same_notes
        && known.is_some_and(|k| k.name == alias.name && k.mount_accessor == alias.mount_accessor)
        && (wanted.is_empty() || owner.as_ref() == Some(&wanted));
    let taken = index::id_of_alias_name(session, Kind::Entity, &alias.mount_accessor, &alias.name)?;
    if taken.is_some() && taken != owner {
        return Err(ApiError::bad_request(
            "alias with combination of mount accessor and name already exists",
        ));
    }
    let id = alias.id.clone();
    let canonical = put(session, alias, before.as_deref(), &wanted, now)?;
    if silent {
        return Ok(Response::empty());
    }
    Response::data(&json!({ "id": id, "canonical_id": canonical }))
}

/// Writes the alias into the entity that shall have it and takes it from the one that had it.
fn put(
    session: &mut Session,
    alias: Alias,
    before: Option<&Entity>,
    wanted: &str,
    now: Stamp,
) -> ApiResult<String> {
    let target = match (before, wanted) {
        (Some(before), "") => before.id.as_str(),
        (_, wanted) => wanted,
    };
    if let Some(before) = before.filter(|b| b.id != target) {
        let mut left = before.clone();
        left.aliases.retain(|a| a.id != alias.id);
        store::store_entity(session, &left, Some(before))?;
    }
    let known = if target.is_empty() { None } else { store::entity(session, target)? };
    if known.is_none() && !target.is_empty() {
        return Err(ApiError::bad_request("invalid canonical ID"));
    }
    let mut entity = known.as_ref().map_or_else(|| Entity::new("", now), |e| (**e).clone());
    let clash = |a: &Alias| a.mount_accessor == alias.mount_accessor && a.id != alias.id;
    if entity.aliases.iter().any(clash) {
        return Err(ApiError::bad_request(if before.is_some() {
            "Alias cannot be updated as the given entity already has an alias for this mount "
        } else {
            "Alias already exists for requested entity and mount accessor"
        }));
    }
    entity.aliases.retain(|a| a.id != alias.id);
    entity.aliases.push(alias);
    entity.updated = now;
    store::store_entity(session, &entity, known.as_deref())?;
    Ok(entity.id)
}

/// `identity/group-alias`: an alias for an external group, a new one if none is named.
pub(super) fn write_group(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let mut body = Body::of(core)?;
    if !body.id.0.is_empty() && body.canonical_id.0.is_empty() {
        let owner = index::id_of_alias(session, Kind::Group, &body.id.0)?;
        body.canonical_id.0 =
            owner.ok_or_else(|| ApiError::bad_request("invalid group alias ID"))?;
    }
    if body.id.0.is_empty() && body.name.0.is_empty() {
        return Err(ApiError::bad_request("missing alias name"));
    }
    if body.id.0.is_empty() && body.mount_accessor.0.is_empty() {
        return Err(ApiError::bad_request("missing mount_accessor"));
    }
    let now = Stamp::from(core.call.now);
    let canonical = &body.canonical_id.0;
    let before = if canonical.is_empty() { None } else { store::group(session, canonical)? };
    if before.is_none() && !canonical.is_empty() {
        return Err(ApiError::bad_request("invalid group ID given in 'canonical_id'"));
    }
    let mut group = before.as_ref().map_or_else(|| Group::new("", true, now), |g| (**g).clone());
    if !group.external {
        return Err(ApiError::bad_request("alias can't be set on an internal group"));
    }
    let alias = body.alias(session, group.alias.as_ref(), now)?;
    let taken = index::id_of_alias_name(session, Kind::Group, &alias.mount_accessor, &alias.name)?;
    if taken.is_some_and(|owner| owner != group.id) {
        return Err(ApiError::bad_request(
            "combination of mount and group alias name is already in use",
        ));
    }
    let answer = json!({ "id": alias.id, "canonical_id": group.id });
    group.alias = Some(alias);
    group.modify_index += u64::from(before.is_some());
    group.updated = now;
    store::store_group(session, &group, before.as_deref())?;
    Response::data(&answer)
}

/// `identity/entity-alias/id/<id>`.
pub(super) fn read_entity(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    read(core, session, Kind::Entity)
}

/// `identity/group-alias/id/<id>`.
pub(super) fn read_group(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    read(core, session, Kind::Group)
}

fn read(core: &CoreCall<'_>, session: &mut Session, kind: Kind) -> ApiResult<Response> {
    let id = core.call.param("id");
    let (alias, owner) = find(session, kind, id)?.ok_or_else(ApiError::not_found)?;
    Response::data(&body::show_alias(session, &alias, &owner)?)
}

fn find(session: &mut Session, kind: Kind, id: &str) -> ApiResult<Option<(Alias, String)>> {
    let Some(owner) = index::id_of_alias(session, kind, id)? else { return Ok(None) };
    let alias = match kind {
        Kind::Entity => store::entity(session, &owner)?
            .and_then(|e| e.aliases.iter().find(|a| a.id == id).cloned()),
        Kind::Group => store::group(session, &owner)?.and_then(|g| g.alias.clone()),
    };
    Ok(alias.map(|alias| (alias, owner)))
}

/// `identity/entity-alias/id`.
pub(super) fn list_entity(_core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    list(session, Kind::Entity)
}

/// `identity/group-alias/id`.
pub(super) fn list_group(_core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    list(session, Kind::Group)
}

fn list(session: &mut Session, kind: Kind) -> ApiResult<Response> {
    let mut info = Map::new();
    for id in body::keys_below(session, kind.alias_prefix()) {
        if let Some((alias, owner)) = find(session, kind, &id)? {
            let shown = body::show_alias(session, &alias, &owner)?;
            info.insert(id, body::without(shown, LEFT_OUT));
        }
    }
    body::list_with_info(&info)
}

/// `identity/entity-alias/id/<id>`.
pub(super) fn delete_entity(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let id = core.call.param("id");
    if let Some(owner) = index::id_of_alias(session, Kind::Entity, id)?
        && let Some(before) = store::entity(session, &owner)?
    {
        let mut entity = (*before).clone();
        entity.aliases.retain(|a| a.id != id);
        store::store_entity(session, &entity, Some(&before))?;
    }
    Ok(Response::empty())
}

/// `identity/group-alias/id/<id>`.
pub(super) fn delete_group(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let id = core.call.param("id");
    if let Some(owner) = index::id_of_alias(session, Kind::Group, id)?
        && let Some(before) = store::group(session, &owner)?
    {
        let mut group = (*before).clone();
        group.alias = None;
        store::store_group(session, &group, Some(&before))?;
    }
    Ok(Response::empty())
}
