//! When a token is valid: `exp`, `nbf` and `iat`, and how far clocks may differ.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Seconds that clocks may differ by, when a role says 0.
const SKEW: i64 = 60;
/// Seconds between the claims that a token has and those that it lacks, when a role says 0.
const LEEWAY: i64 = 150;

/// What a role says of times: seconds, 0 for the default, negative for none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Leeways {
    /// For all claims.
    pub(super) clock_skew: i64,
    /// From the others to an `exp` that is missing.
    pub(super) expiration: i64,
    /// From `exp` back to an `nbf` that is missing together with `iat`.
    pub(super) not_before: i64,
}

fn effective(seconds: i64, default: i64) -> i64 {
    if seconds == 0 { default } else { seconds.max(0) }
}

/// Checks a token at `now`, in seconds. A claim that is missing is derived from the others, so that
/// no token is valid for ever.
///
/// # Errors
/// The text for the client.
pub(super) fn check(
    claims: &Map<String, Value>,
    leeways: Leeways,
    now: i64,
) -> Result<(), &'static str> {
    let [exp, nbf, iat] = [read(claims, "exp")?, read(claims, "nbf")?, read(claims, "iat")?];
    if exp == 0 && nbf == 0 && iat == 0 {
        return Err(
            "no issued at (iat), not before (nbf), or expiration time (exp) claims in token",
        );
    }
    let skew = effective(leeways.clock_skew, SKEW);
    let ends = match exp {
        0 => iat.max(nbf).saturating_add(effective(leeways.expiration, LEEWAY)),
        exp => exp,
    };
    let begins = match (nbf, iat) {
        (0, 0) => ends.saturating_sub(effective(leeways.not_before, LEEWAY)),
        (0, iat) => iat,
        (nbf, _) => nbf,
    };
    // From its last second on a token is not valid any more (RFC 7519, section 4.1.4).
    if now >= ends.saturating_add(skew) {
        return Err("invalid expiration time (exp) claim: token is expired");
    }
    if now < begins.saturating_sub(skew) {
        return Err("invalid not before (nbf) claim: token not yet valid");
    }
    if now < iat.saturating_sub(skew) {
        return Err("invalid issued at (iat) claim: token issued in the future");
    }
    Ok(())
}

/// Seconds since the epoch, parts of one cut off; 0 for a claim that is missing.
fn read(claims: &Map<String, Value>, name: &str) -> Result<i64, &'static str> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(0),
        Some(value) => number(value).ok_or("a time claim is not a number of seconds"),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "cut off on purpose; out of range saturates")]
fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64))
}
