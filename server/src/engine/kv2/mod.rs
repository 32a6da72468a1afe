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
mod versions;

use serde_json::value::RawValue;

use self::config::Config;
use self::meta::{Meta, VersionInfo};
use super::stamp::Stamp;
use crate::barrier::View;
use crate::logical::{
    Access, ApiError, ApiResult, Call, EngineHandler, Method, Operation, Response, Route,
};

pub(super) static ROUTES: &[Route<EngineHandler>] = &[
    Route {
        pattern: "config",
        summary: "Settings for all secrets of the mount.",
        access: Access::Token,
        exists: None,
        methods: &[
            Method::local(Operation::Read, config::read),
            Method::primary(Operation::Write, config::write),
        ],
    },
    Route {
        pattern: "data/{path..}",
        summary: "Read, write, patch and soft-delete a secret.",
        access: Access::Token,
        exists: Some(exists),
        methods: &[
            Method::local(Operation::Read, data::read),
            Method::primary(Operation::Write, data::write),
            Method::primary(Operation::Patch, data::patch),
            Method::primary(Operation::Delete, versions::delete_latest),
        ],
    },
    Route {
        pattern: "delete/{path..}",
        summary: "Soft-delete versions of a secret.",
        access: Access::Token,
        exists: None,
        methods: &[Method::primary(Operation::Write, versions::delete)],
    },
    Route {
        pattern: "undelete/{path..}",
        summary: "Bring soft-deleted versions back.",
        access: Access::Token,
        exists: None,
        methods: &[Method::primary(Operation::Write, versions::undelete)],
    },
    Route {
        pattern: "destroy/{path..}",
        summary: "Remove versions for good.",
        access: Access::Token,
        exists: None,
        methods: &[Method::primary(Operation::Write, versions::destroy)],
    },
    Route {
        pattern: "subkeys/{path..}",
        summary: "The structure of a secret without its values.",
        access: Access::Token,
        exists: None,
        methods: &[Method::local(Operation::Read, subkeys::read)],
    },
    Route {
        pattern: "metadata/{path..}",
        summary: "List secrets; read, set and delete their metadata.",
        access: Access::Token,
        exists: Some(exists),
        methods: &[
            Method::local(Operation::List, metadata::list_folder),
            Method::local(Operation::Scan, metadata::scan_folder),
            Method::local(Operation::Read, metadata::read),
            Method::primary(Operation::Write, metadata::write),
            Method::primary(Operation::Patch, metadata::patch),
            Method::primary(Operation::Delete, metadata::delete),
        ],
    },
    Route {
        pattern: "detailed-metadata/{path..}",
        summary: "List secrets with their metadata.",
        access: Access::Token,
        exists: None,
        methods: &[
            Method::local(Operation::List, metadata::list_detailed),
            Method::local(Operation::Scan, metadata::scan_detailed),
        ],
    },
    Route {
        pattern: "{path..}",
        summary: "Anything else is a path of KV version 1.",
        access: Access::Token,
        exists: None,
        methods: &[
            Method::local(Operation::Read, not_versioned),
            Method::local(Operation::List, not_versioned),
            Method::local(Operation::Scan, not_versioned),
            Method::local(Operation::Write, not_versioned),
            Method::local(Operation::Patch, not_versioned),
            Method::local(Operation::Delete, not_versioned),
        ],
    },
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
        Operation::Read => "get",
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
    format!("metadata/{path}")
}

fn version_key(path: &str, version: u64) -> String {
    format!("version/{path}/{version}")
}

fn load_meta(view: &mut View<'_>, path: &str) -> ApiResult<Option<Meta>> {
    Ok(view.get_json(&meta_key(path))?)
}

fn store_meta(view: &mut View<'_>, path: &str, meta: &Meta) -> ApiResult<()> {
    Ok(view.put_json(&meta_key(path), meta)?)
}

/// What a read of one version finds.
enum Found {
    /// The secret or the version is not there.
    Nothing,
    /// The version was deleted or destroyed; what is known of it.
    Gone(VersionInfo),
    /// The version and its data.
    Here(VersionInfo, Box<RawValue>),
}

/// Version `wanted` of a secret; 0 means the current one.
fn find_version(view: &mut View<'_>, path: &str, wanted: u64, now: Stamp) -> ApiResult<Found> {
    let Some(meta) = load_meta(view, path)? else { return Ok(Found::Nothing) };
    let number = if wanted == 0 { meta.current } else { wanted };
    let Some(version) = meta.versions.get(&number) else { return Ok(Found::Nothing) };
    let info = meta.info(number, version);
    if version.is_gone(now) {
        return Ok(Found::Gone(info));
    }
    let data = read_version(view, path, number)?;
    Ok(Found::Here(info, data))
}

/// The data of a version that the metadata says is there.
fn read_version(view: &mut View<'_>, path: &str, version: u64) -> ApiResult<Box<RawValue>> {
    view.get_json(&version_key(path, version))?
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
