//! Pieces that the requests and answers of entities, groups and aliases share.

use serde_json::{Value, json};

use super::entry::{Alias, Metadata};
use crate::barrier::Session;
use crate::keyspace::IDENTITY;
use crate::logical::{ApiError, ApiResult, Pairs, Response};
use crate::mount;

/// Names that one LIST answers at most.
pub(super) const LIST_MAX: usize = 1_000_000;
/// Pairs of metadata at most.
const PAIRS_MAX: usize = 64;
/// Bytes of a key of metadata.
const KEY_MAX: usize = 128;
/// Bytes of a value of metadata.
const VALUE_MAX: usize = 512;
/// Bytes of a name.
const NAME_MAX: usize = 512;

/// Metadata within its documented bounds.
pub(super) fn metadata(given: Pairs) -> ApiResult<Metadata> {
    let refuse = |what: &str| Err(ApiError::bad_request(format!("invalid metadata: {what}")));
    if given.0.len() > PAIRS_MAX {
        return refuse("more than 64 pairs");
    }
    if given.0.iter().any(|(k, v)| k.is_empty() || k.len() > KEY_MAX || v.len() > VALUE_MAX) {
        return refuse("a key has 1 to 128 bytes and a value at most 512");
    }
    Ok(given.0)
}

/// A name that can be stored.
pub(super) fn name(given: &str) -> ApiResult<()> {
    if given.len() > NAME_MAX || given.contains(char::is_control) {
        return Err(ApiError::bad_request(
            "a name has at most 512 bytes and no control characters",
        ));
    }
    Ok(())
}

/// Sorted policies, each once, without `root`.
pub(super) fn policies(given: Vec<String>) -> ApiResult<Vec<String>> {
    let mut policies: Vec<String> = given.into_iter().map(|p| p.to_lowercase()).collect();
    if policies.iter().any(|p| p == crate::policy::ROOT) {
        return Err(ApiError::bad_request("policies cannot contain root"));
    }
    policies.sort_unstable();
    policies.dedup();
    Ok(policies)
}

/// An alias as the API shows it.
pub(super) fn show_alias(
    session: &mut Session,
    alias: &Alias,
    canonical_id: &str,
) -> ApiResult<Value> {
    let (path, kind) = mount_of(session, &alias.mount_accessor)?.unwrap_or_default();
    Ok(json!({
        "id": alias.id,
        "canonical_id": canonical_id,
        "name": alias.name,
        "mount_accessor": alias.mount_accessor,
        "mount_path": path,
        "mount_type": kind,
        "metadata": or_null(&alias.metadata),
        "custom_metadata": or_null(&alias.custom_metadata),
        "merged_from_canonical_ids":
            if alias.merged_from.is_empty() { Value::Null } else { json!(alias.merged_from) },
        "local": false,
        "namespace_id": "root",
        "creation_time": alias.created.rfc3339(),
        "last_update_time": alias.updated.rfc3339(),
    }))
}

/// An alias within the entity that has it.
pub(super) fn show_inner_alias(
    session: &mut Session,
    alias: &Alias,
    canonical_id: &str,
) -> ApiResult<Value> {
    Ok(without(show_alias(session, alias, canonical_id)?, &["namespace_id"]))
}

/// An object without some of its fields.
pub(super) fn without(mut shown: Value, fields: &[&str]) -> Value {
    if let Some(object) = shown.as_object_mut() {
        object.retain(|name, _| !fields.contains(&name.as_str()));
    }
    shown
}

/// Null for no metadata.
pub(super) fn or_null(metadata: &Metadata) -> Value {
    if metadata.is_empty() { Value::Null } else { json!(metadata) }
}

/// Path and type of an auth mount.
pub(super) fn mount_of(
    session: &mut Session,
    accessor: &str,
) -> ApiResult<Option<(String, String)>> {
    let found = mount::auth_by_accessor(session, accessor)?;
    Ok(found.map(|m| (m.info.path.clone(), m.entry.kind.clone())))
}

/// The keys below a prefix, without it.
pub(super) fn keys_below(session: &mut Session, prefix: &str) -> Vec<String> {
    let mut keys = session.view(IDENTITY).scan(prefix, None, LIST_MAX);
    for key in &mut keys {
        key.drain(..prefix.len());
    }
    keys
}

/// `keys` and, beside them, `key_info`; 404 when there are none.
pub(super) fn list_with_info(info: &serde_json::Map<String, Value>) -> ApiResult<Response> {
    if info.is_empty() {
        return Err(ApiError::not_found());
    }
    let keys: Vec<&String> = info.keys().collect();
    Response::data(&json!({ "keys": keys, "key_info": info }))
}
