//! Mounting, unmounting, tuning.

use std::collections::BTreeMap;

use strongroom_storage::{Class, KeyspaceId};
use uuid::Uuid;

use super::{AUTH_KEY, LOCAL_AUTH_KEY, LOCAL_KEY, MOUNTS_KEY, MountConfig, MountEntry, Table};
use crate::barrier::{Session, ViewError};
use crate::keyspace::{CORE, CUBBYHOLE, IDENTITY, LOCAL};
use crate::logical::ApiError;
use crate::{auth, engine};

/// Mounts of one table at most.
const MOUNTS_MAX: usize = 10_000;
/// Longest mount path, bytes.
const PATH_MAX: usize = 512;
/// Paths that belong to the system.
pub(super) const RESERVED: [&str; 5] = ["sys/", "auth/", "identity/", "cubbyhole/", "audit/"];
/// Types of which there is exactly one mount.
pub(super) const SINGLETONS: [&str; 4] = ["cubbyhole", "identity", "system", "token"];

/// Why the tables were not changed.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// The request is wrong.
    #[error("{0}")]
    Refused(String),
    /// The store or the barrier.
    #[error(transparent)]
    View(#[from] ViewError),
}

impl From<MountError> for ApiError {
    fn from(e: MountError) -> Self {
        match e {
            MountError::Refused(message) => Self::bad_request(message),
            MountError::View(e) => e.into(),
        }
    }
}

fn refused<T>(message: impl Into<String>) -> Result<T, MountError> {
    Err(MountError::Refused(message.into()))
}

/// Writes the mount tables of a new cluster. The descriptions are those that clients look for.
///
/// # Errors
/// See [`ViewError`].
pub fn create_defaults(session: &mut Session) -> Result<(), ViewError> {
    let mut cubbyhole =
        MountEntry::new("cubbyhole/", "cubbyhole", "per-token private secret storage");
    cubbyhole.local = true;
    cubbyhole.uuid = Uuid::from_bytes(CUBBYHOLE.0);
    let mut identity = MountEntry::new("identity/", "identity", "identity store");
    identity.uuid = Uuid::from_bytes(IDENTITY.0);
    identity.config.passthrough_request_headers = vec!["Authorization".to_owned()];
    session.txn().create_keyspace(IDENTITY, Class::Replicated);
    let mut system = MountEntry::new(
        "sys/",
        "system",
        "system endpoints used for control, policy and debugging",
    );
    system.seal_wrap = true;
    system.config.passthrough_request_headers = vec!["Accept".to_owned()];
    let entries = vec![cubbyhole, identity, system];
    session.view(CORE).put_json(MOUNTS_KEY, &Table { entries })?;

    let mut token = MountEntry::new("token/", "token", "token based credentials");
    token.accessor.insert_str(0, "auth_");
    token.uuid = Uuid::from_bytes(LOCAL.0);
    "default-service".clone_into(&mut token.config.token_type);
    session.view(CORE).put_json(AUTH_KEY, &Table { entries: vec![token] })
}

/// Mounts `secret/` as KV version 2, as development mode does.
///
/// # Errors
/// See [`MountError`].
pub fn create_dev_secret(session: &mut Session) -> Result<(), MountError> {
    let mut entry = MountEntry::new("secret/", "kv", "key/value secret storage");
    entry.options = Some(BTreeMap::from([("version".to_owned(), "2".to_owned())]));
    enable(session, entry)
}

/// The stored entries of the table under `key`.
///
/// # Errors
/// See [`ViewError`].
pub fn entries(session: &mut Session, key: &str) -> Result<Vec<MountEntry>, ViewError> {
    let keyspace = keyspace_of(key);
    let table: Option<Table> = session.view(keyspace).get_json(key)?;
    Ok(table.unwrap_or_default().entries)
}

fn keyspace_of(key: &str) -> KeyspaceId {
    if key == LOCAL_KEY || key == LOCAL_AUTH_KEY { LOCAL } else { CORE }
}

pub(super) fn save(
    session: &mut Session,
    key: &str,
    entries: Vec<MountEntry>,
) -> Result<(), ViewError> {
    let keyspace = keyspace_of(key);
    session.view(keyspace).put_json(key, &Table { entries })
}

/// Adds a secrets engine and its keyspace.
///
/// # Errors
/// [`MountError`]; nothing is written then.
pub fn enable(session: &mut Session, mut entry: MountEntry) -> Result<(), MountError> {
    check_path(&entry.path)?;
    if RESERVED.iter().any(|r| entry.path.starts_with(r)) {
        return refused(format!("cannot mount {:?}", entry.path));
    }
    normalise(&mut entry)?;
    insert(session, entry, [MOUNTS_KEY, LOCAL_KEY])
}

/// Adds an auth method and its keyspace; its path is without `auth/`.
///
/// # Errors
/// [`MountError`]; nothing is written then.
pub fn enable_auth(session: &mut Session, entry: MountEntry) -> Result<(), MountError> {
    check_path(&entry.path)?;
    if entry.kind == "token" {
        return refused("token credential backend cannot be instantiated");
    }
    if auth::routes(&entry.kind).is_none() {
        return refused(format!("plugin not found in the catalog: {}", entry.kind));
    }
    insert(session, entry, [AUTH_KEY, LOCAL_AUTH_KEY])
}

/// Into the replicated or the local one of two tables whose paths must not overlap.
fn insert(
    session: &mut Session,
    entry: MountEntry,
    [shared_key, own_key]: [&'static str; 2],
) -> Result<(), MountError> {
    check_times(&entry.config, session.lease_times().max)?;
    let shared = entries(session, shared_key)?;
    let own = entries(session, own_key)?;
    let path = &entry.path;
    let taken = shared
        .iter()
        .chain(&own)
        .find(|e| e.path.starts_with(path.as_str()) || path.starts_with(&e.path));
    if let Some(taken) = taken {
        return refused(format!("path is already in use at {}", taken.path));
    }
    let (key, mut all, class) = if entry.local {
        (own_key, own, Class::Local)
    } else {
        (shared_key, shared, Class::Replicated)
    };
    if all.len() >= MOUNTS_MAX {
        return refused(format!("there are {MOUNTS_MAX} mounts already"));
    }
    session.txn().create_keyspace(entry.keyspace(), class);
    all.push(entry);
    Ok(save(session, key, all)?)
}

/// Whether nothing can be mounted at `path`, whatever is there.
pub(super) fn bad_path(path: &str) -> bool {
    let bad_segment = |s: &str| s.is_empty() || s == "." || s == ".." || s.trim() != s;
    path.len() > PATH_MAX
        || path.trim_end_matches('/').split('/').any(bad_segment)
        || path.contains(char::is_control)
}

fn check_path(path: &str) -> Result<(), MountError> {
    if bad_path(path) {
        return refused(format!("{path:?} is not a path that can be mounted at"));
    }
    Ok(())
}

/// Checks the type, and brings aliases of types into one form.
fn normalise(entry: &mut MountEntry) -> Result<(), MountError> {
    if SINGLETONS.contains(&entry.kind.as_str()) {
        return refused(format!("mount type of {:?} is not mountable", entry.kind));
    }
    match entry.kind.as_str() {
        "kv-v1" | "generic" => set_version(entry, "1"),
        "kv-v2" => set_version(entry, "2"),
        _ => {}
    }
    let options = entry.options.clone().unwrap_or_default();
    if engine::routes(&entry.kind, &options).is_some() {
        return Ok(());
    }
    if entry.kind == "kv" {
        return refused("option \"version\" of a kv mount must be \"1\" or \"2\"");
    }
    refused(format!("plugin not found in the catalog: {}", entry.kind))
}

/// `most`: the longest lease of mounts that do not set their own.
fn check_times(config: &MountConfig, most: u64) -> Result<(), MountError> {
    if config.max_lease_ttl == 0 && config.default_lease_ttl > most {
        return refused(format!(
            "given default lease TTL greater than system max lease TTL of {most}"
        ));
    }
    if config.max_lease_ttl != 0 && config.default_lease_ttl > config.max_lease_ttl {
        return refused("given default lease TTL greater than given max lease TTL");
    }
    Ok(())
}

fn set_version(entry: &mut MountEntry, version: &str) {
    entry.accessor = entry.accessor.replacen(&entry.kind, "kv", 1);
    "kv".clone_into(&mut entry.kind);
    let options = entry.options.get_or_insert_default();
    options.insert("version".to_owned(), version.to_owned());
}

/// Removes a mount and its data; nothing happens when there is none at `path`.
///
/// # Errors
/// [`MountError`]; nothing is written then.
pub fn disable(session: &mut Session, path: &str) -> Result<(), MountError> {
    if path.starts_with("auth/") {
        return refused(format!("cannot unmount {path:?}"));
    }
    remove(session, path, [LOCAL_KEY, MOUNTS_KEY])?;
    Ok(())
}

/// Removes an auth method and its data; what it was, if there was one at `path`.
///
/// # Errors
/// [`MountError`]; nothing is written then.
pub fn disable_auth(session: &mut Session, path: &str) -> Result<Option<MountEntry>, MountError> {
    if path == "token/" {
        return refused("token credential backend cannot be disabled");
    }
    remove(session, path, [LOCAL_AUTH_KEY, AUTH_KEY])
}

fn remove(
    session: &mut Session,
    path: &str,
    keys: [&str; 2],
) -> Result<Option<MountEntry>, MountError> {
    for key in keys {
        let mut table = entries(session, key)?;
        let Some(at) = table.iter().position(|e| e.path == path) else { continue };
        if SINGLETONS.contains(&table[at].kind.as_str()) {
            return refused(format!("cannot unmount {path:?}"));
        }
        let gone = table.remove(at);
        session.txn().drop_keyspace(gone.keyspace());
        save(session, key, table)?;
        return Ok(Some(gone));
    }
    Ok(None)
}

/// Changes a mount; `false` when there is none at `path`, which is without `auth/` for `key`
/// [`AUTH_KEY`].
///
/// # Errors
/// [`MountError`]; nothing is written then.
pub fn tune(
    session: &mut Session,
    keys: &[&str],
    path: &str,
    change: impl FnOnce(&mut MountEntry) -> Result<(), MountError>,
) -> Result<bool, MountError> {
    for key in keys {
        let mut table = entries(session, key)?;
        let Some(entry) = table.iter_mut().find(|e| e.path == path) else { continue };
        change(entry)?;
        let (most, default) = (entry.config.max_lease_ttl, entry.config.default_lease_ttl);
        if most != 0 && default > most {
            return refused(format!(
                "backend max lease TTL of {most} would be less than backend default lease TTL of \
                 {default}"
            ));
        }
        check_times(&entry.config, session.lease_times().max)?;
        save(session, key, table)?;
        return Ok(true);
    }
    Ok(false)
}
