//! The rules of a key: which versions may be used, which are kept, and what may leave.

use super::super::fields::Fields;
use super::describe::info;
use super::key::{self, Stored};
use super::ready::load_stored;
use crate::barrier::View;
use crate::logical::{ApiError, ApiResult, Call, Response};

/// Shortest time between rotations on their own, in seconds.
const AUTO_ROTATE_MIN: i64 = 3600;

pub(super) fn configure(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let name = call.param("name");
    let mut stored = load_stored(view, name)?.ok_or_else(|| {
        ApiError::bad_request(format!("no existing key named {name} could be found"))
    })?;
    let fields = Fields::of(call)?;
    let forced = set_minimums(&mut stored, &fields)?;
    if let Some(allowed) = fields.flag("deletion_allowed")? {
        stored.deletion_allowed = allowed;
    }
    // These two are one-way: what may have left cannot be called back.
    stored.exportable |= fields.flag("exportable")?.unwrap_or(false);
    stored.allow_plaintext_backup |= fields.flag("allow_plaintext_backup")?.unwrap_or(false);
    if let Some(seconds) = auto_rotate_period(&fields)? {
        let rotates = stored.imported.is_none_or(|imported| imported.allow_rotation);
        if seconds != 0 && !rotates {
            return Err(ApiError::bad_request(
                "cannot set auto rotation on an imported key that does not allow rotation",
            ));
        }
        stored.auto_rotate_period = seconds;
    }
    key::store(view, name, &stored)?;
    let response = info(name, &stored, None)?;
    Ok(if forced {
        response.warn("transit key numbering starts at 1; forcing minimum to 1")
    } else {
        response
    })
}

/// Sets the minimum versions; true if a minimum of 0 was made 1.
fn set_minimums(stored: &mut Stored, fields: &Fields<'_>) -> ApiResult<bool> {
    let latest = stored.latest;
    let minimum = |field: &str, what: &str| -> ApiResult<Option<u32>> {
        let Some(n) = fields.integer(field)? else { return Ok(None) };
        if n < 0 {
            return Err(ApiError::bad_request(format!("min {what} version cannot be negative")));
        }
        let version = u32::try_from(n).ok().filter(|version| *version <= latest);
        version.map(Some).ok_or_else(|| {
            ApiError::bad_request(format!(
                "cannot set min {what} version of {n}, latest key version is {latest}"
            ))
        })
    };
    let decryption = minimum("min_decryption_version", "decryption")?;
    let encryption = minimum("min_encryption_version", "encryption")?;
    let forced = decryption == Some(0);
    let min_decryption = decryption.map_or(stored.min_decryption, |n| n.max(1));
    let min_encryption = encryption.unwrap_or(stored.min_encryption);
    if min_encryption > 0 && min_encryption < min_decryption {
        return Err(ApiError::bad_request(format!(
            "cannot set min encryption/decryption values; min encryption version of \
             {min_encryption} must be greater than or equal to min decryption version of \
             {min_decryption}"
        )));
    }
    if min_decryption < stored.min_available {
        return Err(ApiError::bad_request(
            "min decryption version should not be less then min available version",
        ));
    }
    if min_encryption > 0 && min_encryption < stored.min_available {
        return Err(ApiError::bad_request(
            "min encryption version should not be less then min available version",
        ));
    }
    stored.min_decryption = min_decryption;
    stored.min_encryption = min_encryption;
    Ok(forced)
}

pub(super) fn auto_rotate_period(fields: &Fields<'_>) -> ApiResult<Option<i64>> {
    let period = fields.seconds("auto_rotate_period")?;
    if period.is_some_and(|seconds| seconds != 0 && seconds < AUTO_ROTATE_MIN) {
        return Err(ApiError::bad_request(
            "auto rotate period must be 0 to disable or at least an hour",
        ));
    }
    Ok(period)
}

/// Removes versions for good.
pub(super) fn trim(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let name = call.param("name");
    let mut stored =
        load_stored(view, name)?.ok_or_else(|| ApiError::bad_request("invalid key name"))?;
    let wanted = Fields::of(call)?.integer("min_available_version")?;
    let wanted = wanted.ok_or_else(|| ApiError::bad_request("missing min_available_version"))?;
    let refuse = |why: &str| Err(ApiError::bad_request(format!("minimum available version {why}")));
    if wanted <= 0 {
        return refuse("should be positive");
    }
    if wanted < i64::from(stored.min_available) {
        return refuse("cannot be decremented");
    }
    if stored.min_encryption == 0 {
        return refuse("cannot be set when minimum encryption version is not set");
    }
    if wanted > i64::from(stored.min_encryption) {
        return refuse("cannot be greater than minmum encryption version");
    }
    if wanted > i64::from(stored.min_decryption) {
        return refuse("cannot be greater than minimum decryption version");
    }
    stored.min_available = u32::try_from(wanted).map_err(ApiError::internal)?;
    stored.versions.retain(|n, _| *n >= stored.min_available);
    key::store(view, name, &stored)?;
    info(name, &stored, None)
}
