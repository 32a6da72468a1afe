//! What a new token is given: its policies, and how long it lives.

use super::entry::TokenEntry;
use super::lifetime;
use super::request::{Body, time};
use super::role::TokenRole;
use crate::logical::{ApiError, ApiResult, Call, Texts};
use crate::policy;

/// A child's policies are its parent's or a subset of them, unless the caller is privileged.
pub(super) fn choose_policies(
    body: &Body,
    parent: &TokenEntry,
    privileged: bool,
    role: Option<&TokenRole>,
) -> ApiResult<Vec<String>> {
    let asked: Vec<String> =
        body.policies.iter().flat_map(|w| &w.0).map(|w| w.to_lowercase()).collect();
    let root_by_other = |wanted: &[String]| {
        let root = wanted.iter().any(|p| p == policy::ROOT);
        if root && !parent.is_root() { Err(not_by_root()) } else { Ok(root) }
    };
    if let Some(role) = role
        && let Some(chosen) = role.choose(&asked, body.no_default_policy.0)?
    {
        root_by_other(&chosen)?;
        return Ok(chosen);
    }
    let mut wanted: Vec<String> = match &body.policies {
        Some(Texts(words)) if !words.is_empty() => words.iter().map(|w| w.to_lowercase()).collect(),
        _ => parent.policies.clone(),
    };
    if !privileged {
        let subset = wanted.iter().all(|p| parent.policies.contains(p) || p == policy::DEFAULT);
        if !subset {
            return Err(ApiError::bad_request("child policies must be subset of parent"));
        }
    }
    if wanted.iter().any(|p| p == policy::WRAPPING) {
        return Err(ApiError::bad_request(format!("cannot assign policy {:?}", policy::WRAPPING)));
    }
    if root_by_other(&wanted)? {
        return Ok(vec![policy::ROOT.to_owned()]);
    }
    if body.no_default_policy.0 {
        wanted.retain(|p| p != policy::DEFAULT);
    } else {
        wanted.push(policy::DEFAULT.to_owned());
    }
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.len() > policy::POLICIES_PER_TOKEN_MAX {
        return Err(ApiError::bad_request("too many policies: 1024 is the limit"));
    }
    Ok(wanted)
}

fn not_by_root() -> ApiError {
    ApiError::bad_request("root tokens may not be created without parent token being root")
}

/// How long a token lives, in seconds, and what its client is told of bounds.
pub(super) struct Times {
    pub(super) ttl: u64,
    pub(super) explicit_max_ttl: u64,
    pub(super) period: u64,
    pub(super) warnings: Vec<String>,
}

/// A role bounds what is asked for, and so does the mount.
pub(super) fn choose_times(
    body: &Body,
    parent: &TokenEntry,
    policies: &[String],
    call: &Call<'_>,
    role: Option<&TokenRole>,
) -> ApiResult<Times> {
    let mut times = Times {
        ttl: time("ttl", body.ttl.as_ref().or(body.lease.as_ref()))?,
        explicit_max_ttl: time("explicit_max_ttl", body.explicit_max_ttl.as_ref())?,
        period: time("period", body.period.as_ref())?,
        warnings: Vec::new(),
    };
    if let Some(params) = role.map(|r| &r.params) {
        let Times { period, explicit_max_ttl, warnings, .. } = &mut times;
        lesser("Period", period, params.period, warnings);
        lesser("Explicit max TTL", explicit_max_ttl, params.explicit_max_ttl, warnings);
    }
    let root = policies.iter().any(|p| p == policy::ROOT);
    if root && times.ttl == 0 && times.period == 0 && times.explicit_max_ttl == 0 {
        if parent.expires.is_some() {
            return Err(ApiError::bad_request(
                "expiring root tokens cannot create non-expiring root tokens",
            ));
        }
        return Ok(times);
    }
    let max = call.mount.max_lease_ttl;
    if root && times.ttl == 0 && times.period == 0 {
        // It would live for ever: nothing that was to be expected is cut.
        times.ttl = times.explicit_max_ttl.min(max);
        return Ok(times);
    }
    if times.period > 0 {
        times.ttl = times.period;
    } else if times.ttl == 0 {
        times.ttl = call.mount.default_lease_ttl;
    }
    let max = match times.explicit_max_ttl {
        0 => max,
        explicit => explicit.min(max),
    };
    let what = if times.period > 0 { "period" } else { "TTL" };
    times.ttl = lifetime::capped(what, times.ttl, max, &mut times.warnings);
    Ok(times)
}

/// The lesser of what was asked for and what a role says, 0 for nothing; the client is told of both.
fn lesser(what: &str, asked: &mut u64, role: u64, warnings: &mut Vec<String>) {
    *asked = match (*asked, role) {
        (0, role) => role,
        (own, 0) => own,
        (own, role) => {
            let least = own.min(role);
            warnings.push(format!(
                "{what} specified both during creation call and in role; using the lesser value \
                 of {least} seconds"
            ));
            least
        }
    };
}
