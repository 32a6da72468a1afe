//! From KV version 1 to version 2, in place: every secret becomes the first version of itself.
//!
//! All of it is part of the caller's transaction, so that a mount is one or the other for everyone. Whoever
//! writes to it meanwhile comes before or after: the transaction holds the mount's table and its names.

use std::time::SystemTime;

use zeroize::Zeroizing;

use super::super::stamp::Stamp;
use super::config::Config;
use super::meta::Meta;
use super::{store_meta, version_key};
use crate::barrier::View;
use crate::logical::ApiResult;

/// Rewrites every secret of the mount that `view` shows.
///
/// # Errors
/// What cannot be read or sealed; the transaction must not be committed then.
pub(crate) fn add_versions(view: &mut View<'_>, now: SystemTime) -> ApiResult<()> {
    let now = Stamp::from(now);
    let (mut ours, others): (Vec<String>, Vec<String>) =
        view.scan("", None, usize::MAX).into_iter().partition(|path| reads_as_version_2(path));
    // What may lie where another secret goes is out of the way first.
    let mut held: Vec<(String, Zeroizing<Vec<u8>>)> = Vec::with_capacity(ours.len());
    for path in ours.drain(..) {
        if let Some(secret) = take(view, &path)? {
            held.push((path, secret));
        }
    }
    for path in others {
        if let Some(secret) = take(view, &path)? {
            put(view, &path, &secret, now)?;
        }
    }
    for (path, secret) in held {
        put(view, &path, &secret, now)?;
    }
    Ok(())
}

/// Whether version 2 has keys of its own where this path is.
fn reads_as_version_2(path: &str) -> bool {
    path == "config" || path.starts_with("metadata/") || path.starts_with("version/")
}

fn take(view: &mut View<'_>, path: &str) -> ApiResult<Option<Zeroizing<Vec<u8>>>> {
    let secret = view.get(path)?;
    view.delete(path);
    Ok(secret)
}

fn put(view: &mut View<'_>, path: &str, secret: &[u8], now: Stamp) -> ApiResult<()> {
    let mut meta = Meta::new(now);
    meta.add_version(&Config::default(), now);
    meta.oldest = meta.current;
    view.put(&version_key(path, meta.current), secret)?;
    store_meta(view, path, meta)
}
