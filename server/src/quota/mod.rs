//! Rate-limit quotas: how many requests one address may send in an interval.
//!
//! The rules are replicated (CORE/`quota/<name>`, CORE/`quota-config`); what was used up is counted
//! by each cluster for itself, in memory. Of the rules that match a request the one with the longest
//! path counts. Without rules a request costs one look at a pointer.

mod bucket;
mod routes;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};

use crate::barrier::{Session, ViewError};
use crate::cluster::Unsealed;
use crate::dispatch::Request;
use crate::keyspace::CORE;
use crate::logical::{ApiError, ApiResult, Operation};
use bucket::Bucket;

pub use routes::ROUTES;

/// Addresses whose use is remembered at most; when there are more, all start anew.
const ADDRESSES_MAX: usize = 100_000;
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
    role: String,
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
    /// Longest path first.
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
    /// 429.
    pub fn admit(&self, request: &Request) -> ApiResult<()> {
        let rules = self.rules.load();
        let path = request.path.as_str();
        let Some(rule) = rules.rules.iter().find(|rule| rule.covers(path)) else { return Ok(()) };
        if rules.config.rate_limit_exempt_paths.iter().any(|exempt| exempts(exempt, path)) {
            return Ok(());
        }
        let from = request.remote.map(|remote| remote.ip());
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= ADDRESSES_MAX {
            buckets.clear();
        }
        let bucket = buckets.entry((rule.name.clone(), from)).or_insert_with(|| Bucket::full(rule));
        if bucket.take(rule, std::time::Instant::now()) {
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

impl Rule {
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
    rules.sort_by(|a, b| b.path.len().cmp(&a.path.len()).then_with(|| a.name.cmp(&b.name)));
    Ok(Rules { rules, config })
}
