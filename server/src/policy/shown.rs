//! What a caller may do as a list of patterns, as user interfaces show it. What is asked of single calls
//! (parameters, wrapping) is not in it.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::{Capabilities, read};
use crate::barrier::{Session, ViewError};
use crate::engine::stamp::Stamp;
use crate::identity;
use crate::logical::Caller;

/// The patterns of all policies of a caller, those of its identity included, templates filled in; united
/// where they are the same. Whoever's entity is disabled may do nothing.
///
/// # Errors
/// See [`ViewError`].
pub fn patterns(
    session: &mut Session,
    caller: &Caller,
    now: SystemTime,
) -> Result<BTreeMap<String, Capabilities>, ViewError> {
    let now = Stamp::from(now);
    let mut all: BTreeMap<String, Capabilities> = BTreeMap::new();
    let subject = match caller.entity_id.as_str() {
        "" => None,
        id => match identity::subject(session, id)? {
            Some(subject) if subject.disabled() => return Ok(all),
            None if !identity::was_merged(session, id)? => return Ok(all),
            subject => subject,
        },
    };
    let inherited = subject.as_ref().map_or(&[][..], |s| s.policies());
    for name in
        caller.policies.iter().chain(inherited.iter().filter(|n| !caller.policies.contains(n)))
    {
        let Some(entry) = read(session, name)? else { continue };
        for rule in entry.rules().unwrap_or_default() {
            let Some(path) = rule.pattern(subject.as_ref(), now) else { continue };
            let slot = all.entry(path).or_default();
            *slot = slot.union(rule.capabilities);
        }
    }
    Ok(all)
}
