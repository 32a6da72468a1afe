//! From a path to the mount that answers it.

use std::collections::HashMap;
use std::sync::Arc;

use strongroom_storage::KeyspaceId;

use super::{AUTH_KEY, LOCAL_AUTH_KEY, LOCAL_KEY, MOUNTS_KEY, MountEntry, Table};
use crate::barrier::{Session, ViewError};
use crate::config::LeaseTimes;
use crate::handler::CoreHandler;
use crate::keyspace::{CORE, LOCAL};
use crate::logical::{EngineHandler, MountInfo, Route};
use crate::{auth, engine, identity, token};

/// What answers the calls to a mount.
#[derive(Clone, Copy)]
pub enum Target {
    /// A secrets engine with a keyspace of its own.
    Engine(&'static [Route<EngineHandler>]),
    /// A part of the core that works on more than its own keyspace: auth methods, identity.
    Core(&'static [Route<CoreHandler>]),
    /// As `Core`, but each cluster's own: tokens.
    Own(&'static [Route<CoreHandler>]),
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
pub struct Router {
    paths: HashMap<Box<str>, Arc<Mount>>,
    /// Slashes of the mount that has the most.
    deepest: usize,
    accessors: HashMap<Box<str>, Arc<Mount>>,
}

impl Router {
    fn decode(stored: &[u8], prefix: &str, times: LeaseTimes) -> Option<Self> {
        let table: Table = serde_json::from_slice(stored).ok()?;
        let mut router = Self::default();
        for entry in table.entries {
            let mount = Arc::new(Mount::new(entry, prefix, times));
            router.accessors.insert(mount.info.accessor.as_str().into(), Arc::clone(&mount));
            router.deepest = router.deepest.max(mount.info.path.matches('/').count());
            router.paths.insert(mount.info.path.as_str().into(), mount);
        }
        Some(router)
    }

    /// The mount with the longest path that `path` is in, and the rest of `path`. A path that is a
    /// mount's but for the slash at the end is in it.
    fn find<'p>(&self, path: &'p str) -> Option<(Arc<Mount>, &'p str)> {
        if self.paths.is_empty() {
            return None;
        }
        // By bytes: a search for a character costs more than such short texts do.
        let slashes = path.bytes().enumerate().filter(|(_, byte)| *byte == b'/');
        let (mut found, mut depth) = (None, 0);
        for (at, _) in slashes.take(self.deepest) {
            depth += 1;
            let (mount_path, rest) = path.split_at(at + 1);
            if let Some(mount) = self.paths.get(mount_path) {
                found = Some((mount, rest));
            }
        }
        if depth < self.deepest
            && !path.ends_with('/')
            && let Some(mount) = self.paths.get([path, "/"].concat().as_str())
        {
            return Some((Arc::clone(mount), ""));
        }
        found.map(|(mount, rest)| (Arc::clone(mount), rest))
    }

    /// All mounts, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Mount>> {
        self.paths.values()
    }
}

impl Mount {
    fn new(entry: MountEntry, prefix: &str, times: LeaseTimes) -> Self {
        let options = entry.options.clone().unwrap_or_default();
        let target = match (prefix, entry.kind.as_str()) {
            ("", "system") => Target::System,
            ("auth/", "token") => Target::Own(token::ROUTES),
            ("auth/", kind) => auth::routes(kind).map_or(Target::Unknown, Target::Core),
            ("", "identity") => Target::Core(identity::ROUTES),
            ("", kind) => engine::routes(kind, &options).map_or(Target::Unknown, Target::Engine),
            _ => Target::Unknown,
        };
        let or = |own: u64, default| if own == 0 { default } else { own };
        let info = MountInfo {
            path: format!("{prefix}{}", entry.path),
            accessor: entry.accessor.clone(),
            options,
            default_lease_ttl: or(entry.config.default_lease_ttl, times.default),
            max_lease_ttl: or(entry.config.max_lease_ttl, times.max),
            local: entry.local,
            token_type: entry.config.token_type.clone(),
            lockout: entry.config.user_lockout_config,
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
    let auth = path.starts_with("auth/");
    let (key, own) = if auth { (AUTH_KEY, LOCAL_AUTH_KEY) } else { (MOUNTS_KEY, LOCAL_KEY) };
    let table = router(session, key)?;
    let shared = table.find(path);
    if scope == Scope::Replicated {
        return Ok(shared.filter(|(mount, _)| !mount.info.local));
    }
    let local = router(session, own)?.find(path);
    // A local mount never lies in a replicated one of the same name, nor the other way, but what
    // the primary mounts later may; then the longer path answers.
    Ok(match (shared, local) {
        (Some(a), Some(b)) if b.0.info.path.len() > a.0.info.path.len() => Some(b),
        (None, b) => b,
        (a, _) => a,
    })
}

/// The auth method with this accessor.
///
/// # Errors
/// See [`ViewError`].
pub fn auth_by_accessor(
    session: &mut Session,
    accessor: &str,
) -> Result<Option<Arc<Mount>>, ViewError> {
    for key in [AUTH_KEY, LOCAL_AUTH_KEY] {
        if let Some(mount) = router(session, key)?.accessors.get(accessor) {
            return Ok(Some(Arc::clone(mount)));
        }
    }
    Ok(None)
}

/// The decoded table stored under `key`; empty when there is none.
///
/// # Errors
/// See [`ViewError`].
pub fn router(session: &mut Session, key: &str) -> Result<Arc<Router>, ViewError> {
    let (keyspace, prefix) = match key {
        LOCAL_KEY => (LOCAL, ""),
        LOCAL_AUTH_KEY => (LOCAL, "auth/"),
        AUTH_KEY => (CORE, "auth/"),
        _ => (CORE, ""),
    };
    let times = session.lease_times();
    let decode = |stored: &[u8]| Router::decode(stored, prefix, times);
    let table = session.view(keyspace).cached(key, decode)?;
    Ok(table.unwrap_or_default())
}
