//! KV version 2: secrets with versions, soft delete, and metadata of their own.
//!
//! | key in the mount's keyspace | value |
//! |---|---|
//! | `config` | [`config::Config`] |
//! | `metadata/<path>` | [`meta::Meta`]: settings and one record per version |
//! | `version/<path>/<n>` | the data of one version, as the client wrote it |
//!
//! A path in `version/` ends in a number, so no two secrets share an entry. Every change rewrites the
//! metadata in the same transaction, so versions are consistent with it at all times. Destroying or
//! pruning a version deletes its entry.

mod config;
mod data;
mod meta;
mod metadata;
mod patch;
mod subkeys;
mod upgrade;
mod versions;

use std::sync::Arc;

use serde_json::value::RawValue;
use zeroize::Zeroizing;

pub(crate) use self::upgrade::add_versions;

use self::config::Config;
use self::meta::{Meta, VersionInfo};
use super::stamp::Stamp;
use crate::barrier::View;
use crate::logical::{ApiError, ApiResult, Call, EngineRoute, Field, Method, Operation, Response};

const CONFIG: &[Field] = &[
    Field::flag("metadata_cas_required", "The same for metadata"),
    Field::flag("cas_required", "Whether writes have to name the version that they replace"),
    Field::text("delete_version_after", "Versions are deleted after this time"),
    Field::integer("max_versions", "Versions to keep, 0 for the default"),
];
const DATA: &[Field] = &[
    Field::object("data", "The secret"),
    Field::object("options", "Options"),
    Field::integer("version", "Version, 0 for the newest").query(),
];
const SUBKEYS: &[Field] = &[
    Field::integer("depth", "How deep to look, 0 for all").query(),
    Field::integer("version", "Version, 0 for the newest").query(),
];
const LISTED: &[Field] = &[
    Field::text("after", "List what comes after this name").query(),
    Field::integer("limit", "List so many at most").query(),
];
const DELETE: &[Field] = &[Field::any("versions", "Numbers of versions")];
const METADATA: &[Field] = &[
    Field::integer("metadata_cas", "Version of the metadata that it replaces"),
    Field::flag("metadata_cas_required", "The same for metadata"),
    Field::text("after", "List what comes after this name").query(),
    Field::flag("cas_required", "Whether writes have to name the version that they replace"),
    Field::object("custom_metadata", "Free notes"),
    Field::text("delete_version_after", "Versions are deleted after this time"),
    Field::integer("limit", "List so many at most").query(),
    Field::integer("max_versions", "Versions to keep, 0 for the default"),
];

pub(super) static ROUTES: &[EngineRoute] = &[
    EngineRoute::new(
        "config",
        "Settings for all secrets of the mount.",
        &[
            Method::local(Operation::Read, config::read),
            Method::primary(Operation::Write, config::write),
        ],
    )
    .takes(CONFIG),
    EngineRoute::new(
        "data/{path..}",
        "Read, write, patch and soft-delete a secret.",
        &[
            Method::local(Operation::Read, data::read),
            Method::primary(Operation::Write, data::write),
            Method::primary(Operation::Patch, data::patch),
            Method::primary(Operation::Delete, versions::delete_latest),
        ],
    )
    .creates(exists)
    .takes(DATA),
    EngineRoute::new(
        "delete/{path..}",
        "Soft-delete versions of a secret.",
        &[Method::primary(Operation::Write, versions::delete)],
    )
    .takes(DELETE),
    EngineRoute::new(
        "undelete/{path..}",
        "Bring soft-deleted versions back.",
        &[Method::primary(Operation::Write, versions::undelete)],
    )
    .takes(DELETE),
    EngineRoute::new(
        "destroy/{path..}",
        "Remove versions for good.",
        &[Method::primary(Operation::Write, versions::destroy)],
    )
    .takes(DELETE),
    EngineRoute::new(
        "subkeys/{path..}",
        "The structure of a secret without its values.",
        &[Method::local(Operation::Read, subkeys::read)],
    )
    .takes(SUBKEYS),
    EngineRoute::new(
        "metadata/{path..}",
        "List secrets; read, set and delete their metadata.",
        &[
            Method::local(Operation::List, metadata::list_folder),
            Method::local(Operation::Scan, metadata::scan_folder),
            Method::local(Operation::Read, metadata::read),
            Method::primary(Operation::Write, metadata::write),
            Method::primary(Operation::Patch, metadata::patch),
            Method::primary(Operation::Delete, metadata::delete),
        ],
    )
    .creates(exists)
    .takes(METADATA),
    EngineRoute::new(
        "detailed-metadata/{path..}",
        "List secrets with their metadata.",
        &[
            Method::local(Operation::List, metadata::list_detailed),
            Method::local(Operation::Scan, metadata::scan_detailed),
        ],
    )
    .takes(LISTED),
    EngineRoute::new(
        "{path..}",
        "Anything else is a path of KV version 1.",
        &[
            Method::local(Operation::Read, not_versioned),
            Method::local(Operation::List, not_versioned),
            Method::local(Operation::Scan, not_versioned),
            Method::local(Operation::Write, not_versioned),
            Method::local(Operation::Patch, not_versioned),
            Method::local(Operation::Delete, not_versioned),
        ],
    ),
];

/// The first segments of the routes above.
const KNOWN: &[&str] = &[
    "config",
    "data",
    "delete",
    "undelete",
    "destroy",
    "subkeys",
    "metadata",
    "detailed-metadata",
];

/// Clients of KV version 1 come here; the warning tells them what to do.
fn not_versioned(call: &Call<'_>, _: &mut View<'_>) -> ApiResult<Response> {
    let first = call.path.split('/').next().unwrap_or("");
    let config = first == "config" && (call.op == Operation::List || call.path.len() > first.len());
    if KNOWN.contains(&first) && !config {
        return Err(ApiError::unsupported_operation());
    }
    let verb = match call.op {
        Operation::Read | Operation::Head => "get",
        Operation::List => "list",
        Operation::Scan => "scan",
        Operation::Write => "put",
        Operation::Patch => "patch",
        Operation::Delete => "delete",
    };
    Ok(Response { status: Some(404), ..Response::empty() }.warn(format!(
        "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API \
         endpoints to use. If using the Vault CLI, use 'vault kv {verb}' for this operation."
    )))
}

/// 404 for `data` and `metadata` without a path; without the slash, one that says why.
fn no_root(call: &Call<'_>) -> ApiResult<Response> {
    if call.path.ends_with('/') {
        return Err(ApiError::not_found());
    }
    let response = Response { status: Some(404), ..Response::empty() }
        .warn("Non-listing operations on the root of a K/V v2 mount are not supported.");
    Ok(response)
}

/// Whether the secret has metadata: a write to it is an update then.
fn exists(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<bool> {
    Ok(view.exists(&meta_key(call.param("path")))?)
}

fn meta_key(path: &str) -> String {
    ["metadata/", path].concat()
}

fn version_key(path: &str, version: u64) -> String {
    format!("version/{path}/{version}")
}

/// A secret's metadata, to be changed.
fn load_meta(view: &mut View<'_>, path: &str) -> ApiResult<Option<Meta>> {
    let meta: Option<Arc<Meta>> = view.resealed_json(&meta_key(path))?;
    Ok(meta.map(Arc::unwrap_or_clone))
}

fn store_meta(view: &mut View<'_>, path: &str, meta: Meta) -> ApiResult<()> {
    Ok(view.reseal_json(&meta_key(path), Arc::new(meta))?)
}

/// What a read of one version finds.
enum Found {
    /// The secret or the version is not there.
    Nothing,
    /// The version was deleted or destroyed; what is known of it.
    Gone(VersionInfo),
    /// The version and its data.
    Here(VersionInfo, Arc<Data>),
}

/// Version `wanted` of a secret; 0 means the current one.
fn find_version(view: &mut View<'_>, path: &str, wanted: u64, now: Stamp) -> ApiResult<Found> {
    let meta: Option<Arc<Meta>> = view.near_json(&meta_key(path))?;
    let Some(meta) = meta else { return Ok(Found::Nothing) };
    let number = if wanted == 0 { meta.current } else { wanted };
    let Some(version) = meta.versions.get(&number) else { return Ok(Found::Nothing) };
    let info = meta.info(number, version);
    if version.is_gone(now) {
        return Ok(Found::Gone(info));
    }
    let data = read_version(view, path, number)?;
    Ok(Found::Here(info, data))
}

/// A secret in JSON; wiped when it is dropped.
struct Data(Zeroizing<String>);

impl Data {
    fn decode(stored: &[u8]) -> Option<Self> {
        let raw: &RawValue = serde_json::from_slice(stored).ok()?;
        Some(Self(Zeroizing::new(raw.get().to_owned())))
    }
}

/// The data of a version that the metadata says is there.
fn read_version(view: &mut View<'_>, path: &str, version: u64) -> ApiResult<Arc<Data>> {
    view.near(&version_key(path, version), Data::decode)?
        .ok_or_else(|| ApiError::internal("a version's data is missing"))
}

/// The `version` query parameter; what is not positive means the current version.
fn wanted_version(call: &Call<'_>) -> ApiResult<u64> {
    let wanted = super::fields::query_integer(call, "version")?.unwrap_or(0);
    Ok(u64::try_from(wanted).unwrap_or(0))
}

fn load_config(view: &mut View<'_>) -> ApiResult<Config> {
    Ok(view.cached_json::<Config>("config")?.map(|c| (*c).clone()).unwrap_or_default())
}

#[cfg(test)]
mod tests;
