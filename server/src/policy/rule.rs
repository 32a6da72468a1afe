//! A rule of a policy, and where and when it holds.

use super::{Capabilities, Limits, template};
use crate::engine::stamp::Stamp;
use crate::identity::Subject;

/// One `path` block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// Without leading slash; may end in `*` and hold `+` segments.
    pub path: String,
    /// What it grants.
    pub capabilities: Capabilities,
    /// What it asks of calls.
    pub limits: Limits,
    /// `path` holds templates.
    pub template: bool,
    /// It grants nothing from then on.
    pub expires: Option<Stamp>,
}

impl Rule {
    /// Its pattern for someone at a time; `None` when it has ended, or when a template in it has no value.
    pub(super) fn pattern(&self, subject: Option<&Subject>, now: Stamp) -> Option<String> {
        if self.expires.is_some_and(|end| end <= now) {
            return None;
        }
        if !self.template {
            return Some(self.path.clone());
        }
        let subject = subject?;
        // What is stored was checked when it was written.
        template::expand(&self.path, |name| subject.value(name)).ok().flatten()
    }
}
