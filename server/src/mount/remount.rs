//! A mount under another path. The keyspace stays, so no data moves.

use super::change::{RESERVED, SINGLETONS, bad_path, entries, save};
use super::{AUTH_KEY, LOCAL_AUTH_KEY, LOCAL_KEY, MOUNTS_KEY, MountError};
use crate::barrier::Session;

/// Moves a mount from one path to another, both with their slash at the end and, for auth methods,
/// with `auth/`. Answers with the key of its table.
///
/// # Errors
/// [`MountError`]; nothing is written then.
pub fn remount(session: &mut Session, from: &str, to: &str) -> Result<&'static str, MountError> {
    let refused = |message: String| Err(MountError::Refused(message));
    let (keys, source, target): (&[&'static str], _, _) =
        match (from.strip_prefix("auth/"), to.strip_prefix("auth/")) {
            (Some(source), Some(target)) => (&[AUTH_KEY, LOCAL_AUTH_KEY], source, target),
            (None, None) => (&[MOUNTS_KEY, LOCAL_KEY], from, to),
            (Some(_), None) => {
                return refused(format!("cannot remount auth mount to non-auth mount {to:?}"));
            }
            (None, Some(_)) => return refused(format!("cannot remount to destination {to}")),
        };
    if target.is_empty()
        || bad_path(target)
        || RESERVED.iter().any(|r| to.starts_with(r) && *r != "auth/")
    {
        return refused(format!("cannot remount to destination {to}"));
    }
    for key in keys {
        for other in entries(session, key)? {
            let clash = other.path.starts_with(target) || target.starts_with(&other.path);
            if clash && other.path != source {
                return refused(format!("path already in use at {:?}", other.path));
            }
        }
    }
    for key in keys {
        let mut table = entries(session, key)?;
        let Some(entry) = table.iter_mut().find(|e| e.path == source) else { continue };
        if SINGLETONS.contains(&entry.kind.as_str()) {
            return refused(format!("cannot remount {from:?}"));
        }
        target.clone_into(&mut entry.path);
        save(session, key, table)?;
        return Ok(key);
    }
    refused(format!("no matching mount at {from:?}"))
}
