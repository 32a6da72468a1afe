//! From a path to the mount that answers it.

use std::collections::HashMap;
use std::sync::Arc;

use strongroom_storage::KeyspaceId;

use super::{AUTH_KEY, DEFAULT_LEASE_TTL, LOCAL_KEY, MAX_LEASE_TTL, MOUNTS_KEY, MountEntry, Table};
use crate::barrier::{Session, ViewError};
use crate::engine;
use crate::keyspace::{CORE, LOCAL};
use crate::logical::{EngineHandler, MountInfo, Route};
use crate::sys::CoreHandler;
use crate::token;

/// What answers the calls to a mount.
#[derive(Clone, Copy)]
pub enum Target {
    /// A secrets engine with a keyspace of its own.
    Engine(&'static [Route<EngineHandler>]),
    /// A part of the core: tokens.
    Core(&'static [Route<CoreHandler>]),
    /// `sys/`.
    System,
    /// A type that this version does not have.
    Unknown,
}

/// A mount, ready to be called.
pub struct Mount {
    /// What handlers see of it.
    pub info: MountInfo,
    /// Where its data lives.
    pub keyspace: KeyspaceId,
    /// What answers.
    pub target: Target,
    /// As stored.
    pub entry: MountEntry,
}

/// A mount table by full path (`secret/`, `auth/token/`).
#[derive(Default)]
pub struct Router(HashMap<Box<str>, Arc<Mount>>);

impl Router {
    fn decode(stored: &[u8], prefix: &str) -> Option<Self> {
        let table: Table = serde_json::from_slice(stored).ok()?;
        let mounts = table.entries.into_iter().map(|entry| {
            let mount = Mount::new(entry, prefix);
            (mount.info.path.as_str().into(), Arc::new(mount))
        });
        Some(Self(mounts.collect()))
    }

    /// The mount with the longest path that `path` is in, and the rest of `path`. A path that is a
    /// mount's but for the slash at the end is in it.
    fn find<'p>(&self, path: &'p str) -> Option<(Arc<Mount>, &'p str)> {
        if !path.ends_with('/')
            && let Some(mount) = self.0.get(format!("{path}/").as_str())
        {
            return Some((Arc::clone(mount), ""));
        }
        path.rmatch_indices('/').find_map(|(at, _)| {
            let (mount_path, rest) = path.split_at(at + 1);
            self.0.get(mount_path).map(|mount| (Arc::clone(mount), rest))
        })
    }

    /// All mounts, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Mount>> {
        self.0.values()
    }
}

impl Mount {
    fn new(entry: MountEntry, prefix: &str) -> Self {
        let options = entry.options.clone().unwrap_or_default();
        let target = match (prefix, entry.kind.as_str()) {
            ("", "system") => Target::System,
            ("auth/", "token") => Target::Core(token::ROUTES),
            ("", kind) => engine::routes(kind, &options).map_or(Target::Unknown, Target::Engine),
            _ => Target::Unknown,
        };
        let or = |own: u64, default| if own == 0 { default } else { own };
        let info = MountInfo {
            path: format!("{prefix}{}", entry.path),
            accessor: entry.accessor.clone(),
            options,
            default_lease_ttl: or(entry.config.default_lease_ttl, DEFAULT_LEASE_TTL),
            max_lease_ttl: or(entry.config.max_lease_ttl, MAX_LEASE_TTL),
            local: entry.local,
        };
        Self { info, keyspace: entry.keyspace(), target, entry }
    }
}

/// Which tables a call may be routed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// A client of this cluster: all.
    Here,
    /// A call that a secondary forwarded: a local mount of this cluster is not its business.
    Replicated,
}

/// The mount that answers `path`, and the path below it.
///
/// # Errors
/// See [`ViewError`].
pub fn route<'p>(
    session: &mut Session,
    scope: Scope,
    path: &'p str,
) -> Result<Option<(Arc<Mount>, &'p str)>, ViewError> {
    let key = if path.starts_with("auth/") { AUTH_KEY } else { MOUNTS_KEY };
    let table = router(session, key)?;
    let shared = table.find(path);
    if scope == Scope::Replicated {
        return Ok(shared.filter(|(mount, _)| !mount.info.local));
    }
    let local = router(session, LOCAL_KEY)?.find(path);
    // A local mount never lies in a replicated one of the same name, nor the other way, but what
    // the primary mounts later may; then the longer path answers.
    Ok(match (shared, local) {
        (Some(a), Some(b)) if b.0.info.path.len() > a.0.info.path.len() => Some(b),
        (None, b) => b,
        (a, _) => a,
    })
}

/// The decoded table stored under `key`; empty when there is none.
///
/// # Errors
/// See [`ViewError`].
pub fn router(session: &mut Session, key: &str) -> Result<Arc<Router>, ViewError> {
    let (keyspace, prefix) = match key {
        LOCAL_KEY => (LOCAL, ""),
        AUTH_KEY => (CORE, "auth/"),
        _ => (CORE, ""),
    };
    let table = session.view(keyspace).cached(key, |stored| Router::decode(stored, prefix))?;
    Ok(table.unwrap_or_default())
}
