//! What a rule grants: capabilities within limits.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::limits::Limits;
use super::{Capabilities, Rule};
use crate::logical::Operation;

/// Capabilities and the limits that they come with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grant {
    /// What may be done.
    pub capabilities: Capabilities,
    limits: Option<Arc<Limits>>,
}

impl Grant {
    /// Nothing.
    pub const NONE: Self = Self { capabilities: Capabilities::NONE, limits: None };
    /// Everything, as the root policy grants it.
    pub const ALL: Self = Self { capabilities: Capabilities::ALL, limits: None };

    /// Both, for the same pattern in several rules.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let limits = match (&self.limits, &other.limits) {
            (Some(a), Some(b)) => Some(Arc::new(a.union(b))),
            (a, b) => a.clone().or_else(|| b.clone()),
        };
        Self { capabilities: self.capabilities.union(other.capabilities), limits }
    }

    /// Whether a call is within the limits. The parameters of a write are in `body`, raw JSON, those
    /// of a read in its `query`; `wrap_ttl` are the seconds for which its answer will be wrapped.
    pub fn fits(
        &self,
        op: Operation,
        body: &[u8],
        query: &[(String, String)],
        wrap_ttl: Option<u64>,
    ) -> bool {
        let Some(limits) = &self.limits else { return true };
        if !limits.allow_wrapping(wrap_ttl) {
            return false;
        }
        if !limits.about_parameters() {
            return true;
        }
        let given: Option<Map<String, Value>> = match op {
            Operation::Write | Operation::Patch if body.is_empty() => Some(Map::new()),
            Operation::Write | Operation::Patch => serde_json::from_slice(body).ok(),
            Operation::Read => {
                Some(query.iter().map(|(n, v)| (n.clone(), v.clone().into())).collect())
            }
            _ => return true,
        };
        given.is_some_and(|given| limits.allow_parameters(&given))
    }
}

impl Grant {
    /// Keys that a LIST answers at most.
    pub fn page_max(&self, op: Operation) -> Option<usize> {
        let lists = matches!(op, Operation::List | Operation::Scan);
        self.limits.as_ref().filter(|_| lists)?.page_max
    }

    /// Whether a LIST asks for no more keys than it may; one that does not say how many gets those.
    pub fn fits_page(&self, op: Operation, query: &[(String, String)]) -> bool {
        let Some(max) = self.page_max(op) else { return true };
        let asked = query.iter().find(|(name, value)| name == "limit" && !value.is_empty());
        asked.is_none_or(|(_, n)| n.parse::<usize>().is_ok_and(|n| n <= max))
    }
}

impl From<Rule> for Grant {
    fn from(rule: Rule) -> Self {
        let limits = (rule.limits != Limits::default()).then(|| Arc::new(rule.limits));
        Self { capabilities: rule.capabilities, limits }
    }
}
