//! Settings of a mount as clients give them: what is not given stays as it is.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::logical::{ApiError, ApiResult, Flag, Integer, Scalar, Seconds, Words};
use crate::mount::{LockoutConfig, MountConfig};

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Settings {
    /// The oldest place of the type of a mount.
    pub(super) plugin_name: Scalar,
    pub(super) default_lease_ttl: Option<Scalar>,
    max_lease_ttl: Option<Scalar>,
    force_no_cache: Option<Flag>,
    listing_visibility: Option<Scalar>,
    pub(super) token_type: Option<Scalar>,
    #[serde(rename = "user_lockout_config")]
    pub(super) lockout: Option<Lockout>,
    passthrough_request_headers: Option<Words>,
    allowed_response_headers: Option<Words>,
    audit_non_hmac_request_keys: Option<Words>,
    audit_non_hmac_response_keys: Option<Words>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Lockout {
    #[serde(rename = "lockout_threshold")]
    threshold: Option<Integer>,
    #[serde(rename = "lockout_duration")]
    duration: Option<Seconds>,
    #[serde(rename = "lockout_counter_reset")]
    counter_reset: Option<Seconds>,
    /// The name of `lockout_counter_reset` in a part of the documentation.
    #[serde(rename = "lockout_counter_reset_duration")]
    counter_reset_duration: Option<Seconds>,
    #[serde(rename = "lockout_disable")]
    disable: Option<Flag>,
}

impl Settings {
    /// Clients that tune one thing send an empty text for times that are to stay, and a flag that is
    /// for new mounts alone.
    pub(super) fn only_what_is_tuned(&mut self) {
        let given = |time: &Scalar| !time.0.is_empty();
        self.default_lease_ttl = self.default_lease_ttl.take().filter(given);
        self.max_lease_ttl = self.max_lease_ttl.take().filter(given);
        self.force_no_cache = None;
    }

    /// The names of what is given of times, types, headers and where it is shown.
    pub(super) fn given(&self) -> impl Iterator<Item = &'static str> {
        [
            ("default_lease_ttl", self.default_lease_ttl.is_some()),
            ("max_lease_ttl", self.max_lease_ttl.is_some()),
            ("listing_visibility", self.listing_visibility.is_some()),
            ("token_type", self.token_type.is_some()),
            ("passthrough_request_headers", self.passthrough_request_headers.is_some()),
            ("allowed_response_headers", self.allowed_response_headers.is_some()),
        ]
        .into_iter()
        .filter(|(_, given)| *given)
        .map(|(name, _)| name)
    }

    pub(super) fn apply(self, to: &mut MountConfig) -> ApiResult<()> {
        set(
            &mut to.default_lease_ttl,
            self.default_lease_ttl.map(|t| ttl("default", &t)).transpose()?,
        );
        set(&mut to.max_lease_ttl, self.max_lease_ttl.map(|t| ttl("max", &t)).transpose()?);
        set(&mut to.force_no_cache, self.force_no_cache.map(|f| f.0));
        if let Some(Scalar(visibility)) = self.listing_visibility {
            if !["", "unauth", "hidden"].contains(&visibility.as_str()) {
                return Err(ApiError::bad_request(format!(
                    "invalid listing_visibility {visibility}"
                )));
            }
            to.listing_visibility = visibility;
        }
        if let Some(Scalar(kind)) = self.token_type {
            if !["default-service", "default-batch", "service", "batch"].contains(&&*kind) {
                return Err(ApiError::bad_request("invalid value for 'token_type'"));
            }
            to.token_type = kind;
        }
        if let Some(lockout) = self.lockout {
            let mut config = to.user_lockout_config.unwrap_or_default();
            lockout.apply(&mut config);
            to.user_lockout_config = Some(config);
        }
        set(&mut to.passthrough_request_headers, self.passthrough_request_headers.map(|w| w.0));
        set(&mut to.allowed_response_headers, self.allowed_response_headers.map(|w| w.0));
        set(&mut to.audit_non_hmac_request_keys, self.audit_non_hmac_request_keys.map(|w| w.0));
        set(&mut to.audit_non_hmac_response_keys, self.audit_non_hmac_response_keys.map(|w| w.0));
        Ok(())
    }
}

impl Lockout {
    fn apply(self, to: &mut LockoutConfig) {
        let reset = self.counter_reset.or(self.counter_reset_duration);
        let threshold = self.threshold.and_then(|n| u64::try_from(n.0).ok());
        set(&mut to.lockout_threshold, threshold.filter(|n| *n > 0));
        set(&mut to.lockout_duration, self.duration.map(|s| s.0));
        set(&mut to.lockout_counter_reset, reset.map(|s| s.0));
        set(&mut to.lockout_disable, self.disable.map(|f| f.0));
    }
}

fn set<T>(to: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *to = value;
    }
}

/// Seconds; `system` and nothing mean the system's default.
fn ttl(which: &str, given: &Scalar) -> ApiResult<u64> {
    if matches!(given.0.as_str(), "" | "system") {
        return Ok(0);
    }
    serde_json::from_value::<Seconds>(given.0.clone().into()).map(|s| s.0).map_err(|_| {
        let given = &given.0;
        ApiError::bad_request(format!("unable to parse {which} TTL of {given}: invalid duration"))
    })
}

/// Options as text, however they were written.
pub(super) fn plain_options(options: BTreeMap<String, Scalar>) -> BTreeMap<String, String> {
    options.into_iter().map(|(k, v)| (k, v.0)).collect()
}
