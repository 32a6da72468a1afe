//! Rate-limit quotas: how many requests one address may send in an interval.
//!
//! The rules are replicated (CORE/`quota/<name>`, CORE/`quota-config`); what was used up is counted
//! by each cluster for itself, in memory. Of the rules that match a request the one for its role
//! counts, and else the one with the longest path. Without rules a request costs one look at a
//! pointer.

mod bucket;
mod routes;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};

use crate::auth;
use crate::barrier::{Session, ViewError};
use crate::cluster::Unsealed;
use crate::dispatch::Request;
use crate::keyspace::CORE;
use crate::logical::{ApiError, ApiResult, Operation};
use crate::mount::{Scope, route};
use bucket::Bucket;

pub use bucket::Standing;
pub use routes::ROUTES;

/// Addresses whose use is remembered at most; when there are more, all start anew.
const ADDRESSES_MAX: usize = 100_000;
/// Seconds: no window is longer (a hundred years).
const INTERVAL_MAX: u64 = 3_153_600_000;
/// Rules at most.
const RULES_MAX: usize = 1024;
const PREFIX: &str = "quota/";
const CONFIG_KEY: &str = "quota-config";
/// Never limited when the configuration does not say otherwise.
const EXEMPT: [&str; 7] = [
    "sys/generate-recovery-token/attempt",
    "sys/generate-recovery-token/update",
    "sys/generate-root/attempt",
    "sys/generate-root/update",
    "sys/health",
    "sys/seal-status",
    "sys/unseal",
];

/// CORE/`quota/<name>`. Times are seconds.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
struct Rule {
    name: String,
    /// Where it counts: everywhere when empty, a mount with its slash, or a path in one.
    path: String,
    rate: f64,
    interval: u64,
    /// How long an address that went too far is refused altogether.
    block_interval: u64,
    /// Of logins: the role that it counts for alone; empty for any.
    role: String,
    /// Kept and shown; there is one namespace.
    inheritable: bool,
}

/// CORE/`quota-config`.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
struct Config {
    enable_rate_limit_audit_logging: bool,
    enable_rate_limit_response_headers: bool,
    rate_limit_exempt_paths: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enable_rate_limit_audit_logging: false,
            enable_rate_limit_response_headers: false,
            rate_limit_exempt_paths: EXEMPT.map(str::to_owned).to_vec(),
        }
    }
}

#[derive(Default, PartialEq)]
struct Rules {
    /// Those of roles first, then the longest path.
    rules: Vec<Rule>,
    config: Config,
}

/// The rules in force and what was used up.
#[derive(Default)]
pub struct Quotas {
    rules: ArcSwap<Rules>,
    buckets: Mutex<HashMap<(String, Option<IpAddr>), Bucket>>,
}

impl Quotas {
    /// Lets a request in, or not.
    ///
    /// # Errors
    /// 429; 500.
    pub fn admit(&self, request: &Request, unsealed: &Unsealed) -> ApiResult<()> {
        let rules = self.rules.load();
        if rules.rules.is_empty() {
            return Ok(());
        }
        let path = request.path.as_str();
        let asked = rules.role(request, unsealed)?;
        let fits = |rule: &&Rule| rule.covers(path) && (rule.role.is_empty() || rule.role == asked);
        let Some(rule) = rules.rules.iter().find(fits) else { return Ok(()) };
        if rules.config.rate_limit_exempt_paths.iter().any(|exempt| exempts(exempt, path)) {
            return Ok(());
        }
        let from = request.remote.map(|remote| remote.ip());
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= ADDRESSES_MAX {
            buckets.clear();
        }
        let now = std::time::Instant::now();
        let bucket =
            buckets.entry((rule.name.clone(), from)).or_insert_with(|| Bucket::full(rule, now));
        let standing = bucket.take(rule, now);
        let refused = standing.retry_after.is_some();
        if rules.config.enable_rate_limit_response_headers {
            // The first word counts, and there is one a request.
            let _ = request.standing.set(Box::new(standing));
        }
        if !refused {
            return Ok(());
        }
        Err(ApiError::new(429, format!("request path {path:?}: rate limit quota exceeded")))
    }

    /// Takes up what is stored.
    ///
    /// # Errors
    /// The rules cannot be read; those in force stay.
    pub fn refresh(&self, session: &mut Session) -> Result<(), ViewError> {
        let rules = load(session)?;
        let old = self.rules.load();
        if **old == rules {
            return Ok(());
        }
        self.rules.store(Arc::new(rules));
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(())
    }

    /// As [`Quotas::refresh`], after a request that may have changed the rules.
    pub fn after(&self, request: &Request, unsealed: &Unsealed) {
        let changes = matches!(request.op, Operation::Write | Operation::Delete)
            && (request.path.starts_with("sys/quotas/"));
        if changes && let Err(e) = self.refresh(&mut unsealed.session()) {
            tracing::error!("the quotas cannot be read: {e}");
        }
    }

    /// Forgets addresses that have not asked for a while.
    pub fn tidy(&self) {
        let now = std::time::Instant::now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.retain(|_, bucket| !bucket.is_stale(now));
    }
}

impl Rules {
    /// The role that a request logs in by, where there are rules for roles; nothing for none.
    fn role(&self, request: &Request, unsealed: &Unsealed) -> ApiResult<String> {
        let asked = |rule: &&Rule| !rule.role.is_empty() && rule.covers(&request.path);
        if request.op != Operation::Write || !self.rules.iter().any(|rule| asked(&rule)) {
            return Ok(String::new());
        }
        let mut session = unsealed.session();
        let Some((mount, "login")) = route(&mut session, Scope::Here, &request.path)? else {
            return Ok(String::new());
        };
        let role = auth::role_of(&mount, &mut session, &request.body)?;
        Ok(role.unwrap_or_default())
    }
}

impl Rule {
    /// Requests in a window: at least one, so that a rule cannot lock out whoever would change it.
    fn limit(&self) -> u64 {
        // What a rate is beyond 2^53 does not matter.
        let whole = self.rate.ceil().clamp(1.0, 9e15);
        format!("{whole:.0}").parse().unwrap_or(u64::MAX)
    }

    fn covers(&self, path: &str) -> bool {
        self.path.is_empty()
            || match self.path.strip_suffix('*') {
                Some(prefix) => path.starts_with(prefix),
                None if self.path.ends_with('/') => path.starts_with(&self.path),
                None => path == self.path,
            }
    }
}

fn exempts(exempt: &str, path: &str) -> bool {
    match exempt.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => path == exempt,
    }
}

fn load(session: &mut Session) -> Result<Rules, ViewError> {
    let mut core = session.view(CORE);
    let config = core.get_json(CONFIG_KEY)?.unwrap_or_default();
    let mut rules: Vec<Rule> = Vec::new();
    for key in core.scan_unvalidated(PREFIX, None, RULES_MAX) {
        rules.extend(core.get_json::<Rule>(&key)?);
    }
    let rank = |rule: &Rule| (rule.role.is_empty(), Reverse(rule.path.len()), rule.name.clone());
    rules.sort_by_cached_key(rank);
    Ok(Rules { rules, config })
}
