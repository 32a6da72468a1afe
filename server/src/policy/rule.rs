//! Where and when a rule holds.

use super::{Rule, template};
use crate::engine::stamp::Stamp;
use crate::identity::Subject;

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
