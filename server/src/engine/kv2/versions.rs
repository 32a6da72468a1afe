//! Soft delete, undelete and destroy. Versions that are not there are passed over.

use super::super::fields::{Fields, writable};
use super::super::stamp::Stamp;
use super::meta::Version;
use super::{load_meta, no_root, store_meta, version_key};
use crate::barrier::View;
use crate::logical::{ApiError, ApiResult, Call, Response};

/// What clients match on where versions are missing; destroy says it without the capital.
const NO_VERSION: &str = "No version number provided";

/// DELETE `data/:path`: the current version.
pub(super) fn delete_latest(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let path = call.param("path");
    if path.is_empty() && !call.path.ends_with('/') {
        return no_root(call);
    }
    let now = Stamp::from(call.now);
    let Some(mut meta) = load_meta(view, path)? else { return Ok(Response::empty()) };
    let current = meta.current;
    if let Some(version) = meta.versions.get_mut(&current)
        && soft_delete(version, now)
    {
        store_meta(view, path, meta)?;
    }
    Ok(Response::empty())
}

/// POST `delete/:path`.
pub(super) fn delete(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let now = Stamp::from(call.now);
    change(call, view, NO_VERSION, |version| soft_delete(version, now)).map(|_| Response::empty())
}

/// POST `undelete/:path`.
pub(super) fn undelete(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let restore = |version: &mut Version| !version.destroyed && version.deletion.take().is_some();
    change(call, view, NO_VERSION, restore).map(|_| Response::empty())
}

/// POST `destroy/:path`: the data leaves the store.
pub(super) fn destroy(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let none = "no version number provided";
    let destroyed =
        change(call, view, none, |version| !std::mem::replace(&mut version.destroyed, true))?;
    for number in destroyed {
        view.delete(&version_key(call.param("path"), number));
    }
    Ok(Response::empty())
}

fn soft_delete(version: &mut Version, now: Stamp) -> bool {
    if version.is_gone(now) {
        return false;
    }
    version.deletion = Some(now);
    true
}

/// Applies `apply` to the versions that the body names; returns the numbers of those it changed.
/// `none` is what a body without versions is answered with.
fn change(
    call: &Call<'_>,
    view: &mut View<'_>,
    none: &str,
    apply: impl Fn(&mut Version) -> bool,
) -> ApiResult<Vec<u64>> {
    let path = writable(call.param("path"))?;
    let numbers = Fields::of(call)?.integers("versions")?.unwrap_or_default();
    if numbers.is_empty() {
        return Err(ApiError::bad_request(none));
    }
    let Some(mut meta) = load_meta(view, path)? else { return Ok(Vec::new()) };
    let mut changed = Vec::new();
    for number in numbers {
        if meta.versions.get_mut(&number).is_some_and(&apply) {
            changed.push(number);
        }
    }
    if !changed.is_empty() {
        store_meta(view, path, meta)?;
    }
    Ok(changed)
}
