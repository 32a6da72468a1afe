//! Stored policies.

use serde::{Deserialize, Serialize};

use super::{ParseError, Policy, Rule, builtin, key, parse};
use crate::barrier::{Session, ViewError};
use crate::engine::stamp::Stamp;
use crate::keyspace::CORE;

/// Longest name of a policy, bytes.
pub const NAME_MAX: usize = 512;
/// Names that one LIST answers at most.
const LIST_MAX: usize = 1_000_000;

/// CORE/`policy/<name>`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PolicyEntry {
    /// As it was written.
    pub text: String,
    /// How often it was written; 0 for the root policy, which never was.
    pub version: u64,
    /// When that was last.
    pub modified: Option<Stamp>,
    /// It grants nothing from then on.
    pub expires: Option<Stamp>,
    /// Whoever writes it has to name the version that they replace.
    pub cas_required: bool,
}

impl PolicyEntry {
    /// Its rules, each with the earlier of its own end and the policy's.
    ///
    /// # Errors
    /// [`ParseError`].
    pub fn rules(&self) -> Result<Vec<Rule>, ParseError> {
        let mut rules = parse(&self.text)?;
        for rule in &mut rules {
            rule.expires = [rule.expires, self.expires].into_iter().flatten().min();
        }
        Ok(rules)
    }
}

/// The compiled form of a stored policy.
pub(super) fn compile(stored: &[u8]) -> Option<Policy> {
    let entry: PolicyEntry = serde_json::from_slice(stored).ok()?;
    entry.rules().ok().map(Policy::new)
}

/// The policy of this name.
///
/// # Errors
/// See [`ViewError`].
pub fn read(session: &mut Session, name: &str) -> Result<Option<PolicyEntry>, ViewError> {
    if name == builtin::ROOT {
        return Ok(Some(PolicyEntry::default()));
    }
    session.view(CORE).get_json(&key(name))
}

/// Why a policy was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The text is wrong.
    #[error("failed to parse policy: {0}")]
    Parse(#[from] ParseError),
    /// The store or the barrier.
    #[error(transparent)]
    View(#[from] ViewError),
}

/// Creates or replaces a policy.
///
/// # Errors
/// [`WriteError`]; nothing is written then.
pub fn write(session: &mut Session, name: &str, entry: &PolicyEntry) -> Result<(), WriteError> {
    parse(&entry.text)?;
    session.view(CORE).put_json(&key(name), entry)?;
    Ok(())
}

/// Removes a policy, if it is there.
pub fn delete(session: &mut Session, name: &str) {
    session.view(CORE).delete(&key(name));
}

/// All names, sorted, the built-in ones too.
pub fn names(session: &mut Session) -> Vec<String> {
    let mut names = session.view(CORE).scan("policy/", None, LIST_MAX);
    for name in &mut names {
        name.drain(.."policy/".len());
    }
    names.push(builtin::ROOT.to_owned());
    names.sort_unstable();
    names
}
