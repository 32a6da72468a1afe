//! Keys that rotate by themselves once their latest version is as old as `auto_rotate_period`.

use std::time::SystemTime;

use serde::Deserialize;

use super::super::stamp::Stamp;
use super::key::{self, Imported, Stored};
use crate::barrier::View;
use crate::logical::ApiResult;

/// Keys that one call looks at.
const BATCH: usize = 256;

/// What a look at a key needs: most keys never rotate by themselves, and are not decoded.
#[derive(Deserialize)]
struct Peek {
    auto_rotate_period: i64,
}

/// One part of a round.
pub(crate) struct Part {
    /// How many keys were rotated.
    pub(crate) rotated: usize,
    /// Where the next part goes on; `None` after the last.
    pub(crate) next: Option<String>,
}

/// Looks at some of a mount's keys, and rotates those that are due. Nothing is committed.
///
/// # Errors
/// As reading and writing of keys.
pub(crate) fn rotate_due(
    view: &mut View<'_>,
    after: Option<&str>,
    now: SystemTime,
) -> ApiResult<Part> {
    let entries = view.scan_unvalidated(&key::entry(""), after, BATCH);
    let mut rotated = 0;
    for entry in &entries {
        let Some(plain) = view.get(entry)? else { continue };
        if serde_json::from_slice(&plain).is_ok_and(|peek: Peek| peek.auto_rotate_period > 0)
            && let Ok(mut stored) = serde_json::from_slice::<Stored>(&plain)
            && is_due(&stored, now.into())
        {
            stored.rotate(now.into())?;
            view.put_json(entry, &stored)?;
            rotated += 1;
        }
    }
    let next = if entries.len() == BATCH { entries.into_iter().last() } else { None };
    Ok(Part { rotated, next })
}

fn is_due(stored: &Stored, now: Stamp) -> bool {
    let latest = stored.versions.get(&stored.latest);
    let may = stored.imported.is_none_or(|Imported { allow_rotation, .. }| allow_rotation);
    may && !stored.soft_deleted
        && latest.is_some_and(|v| v.created.plus_seconds(stored.auto_rotate_period) <= now)
}
