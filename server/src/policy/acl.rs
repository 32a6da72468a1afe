//! All that one caller may do: the policies of the token and of its identity, templates filled in.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;

use super::matcher::Match;
use super::{Capabilities, Grant, Policy, ROOT, entry, key};
use crate::barrier::{Session, ViewError};
use crate::engine::stamp::Stamp;
use crate::identity::{self, Subject};
use crate::keyspace::CORE;
use crate::logical::{Caller, Operation};

/// The policies of one caller at one point in time.
pub struct Acl {
    root: bool,
    /// Policies and entity of the caller.
    whose: (Vec<String>, String),
    held: Vec<Held>,
    /// Names that the caller has by its identity alone.
    inherited: Vec<String>,
    /// It holds from when it was made until the first of its rules ends.
    made: Stamp,
    until: Option<Stamp>,
}

/// One policy of a caller.
struct Held {
    name: String,
    policy: Arc<Policy>,
    /// Its rules that hold for this caller at this time, templates filled in.
    own: Option<Policy>,
}

impl Held {
    fn parts(&self) -> impl Iterator<Item = &Policy> {
        [&*self.policy].into_iter().chain(&self.own)
    }
}

impl Acl {
    /// Of a caller at a time. Whoever's entity is disabled or gone may do nothing.
    ///
    /// # Errors
    /// See [`ViewError`].
    pub fn of(
        session: &mut Session,
        caller: &Caller,
        now: SystemTime,
    ) -> Result<Arc<Self>, ViewError> {
        let at = now.into();
        if caller.token_id.is_empty() {
            return Self::made(session, caller, at).map(Arc::new);
        }
        let fits = |acl: &Self| acl.is_of(caller) && acl.holds(at);
        session.remembered(&caller.token_id, fits, |session| Self::made(session, caller, at))
    }

    fn made(session: &mut Session, caller: &Caller, now: Stamp) -> Result<Self, ViewError> {
        let mut acl = Self {
            root: false,
            whose: (caller.policies.clone(), caller.entity_id.clone()),
            held: Vec::new(),
            inherited: Vec::new(),
            made: now,
            until: None,
        };
        if caller.policies.iter().any(|n| n == ROOT) {
            acl.root = true;
            return Ok(acl);
        }
        let subject = match caller.entity_id.as_str() {
            "" => None,
            id => match identity::subject(session, id)? {
                Some(subject) if subject.disabled() => return Ok(acl),
                None if !identity::was_merged(session, id)? => return Ok(acl),
                subject => subject,
            },
        };
        let inherited = subject.as_ref().map_or(&[][..], |s| s.policies());
        let mut core = session.view(CORE);
        let inherited = inherited.iter().filter(|n| !caller.policies.contains(n));
        acl.inherited = inherited.cloned().collect();
        acl.held.reserve(caller.policies.len() + acl.inherited.len());
        for name in caller.policies.iter().chain(&acl.inherited) {
            let Some(policy) = core.cached(&key(name), entry::compile)? else { continue };
            acl.held.push(Held { name: name.clone(), policy, own: None });
        }
        acl.fill_in(subject.as_ref(), now);
        Ok(acl)
    }

    fn is_of(&self, caller: &Caller) -> bool {
        self.whose.0 == caller.policies && self.whose.1 == caller.entity_id
    }

    fn holds(&self, at: Stamp) -> bool {
        self.made <= at && self.until.is_none_or(|end| at < end)
    }

    fn fill_in(&mut self, subject: Option<&Subject>, now: Stamp) {
        for Held { policy, own, .. } in &mut self.held {
            for rule in policy.conditional() {
                if let Some(path) = rule.pattern(subject, now) {
                    self.until = rule.expires.into_iter().chain(self.until).min();
                    own.get_or_insert_default().add(super::Rule { path, ..rule.clone() });
                }
            }
        }
    }

    /// What is granted on exactly this path.
    pub fn on(&self, path: &str) -> Grant {
        if self.root { Grant::ALL } else { merge(self.all(), path) }
    }

    /// What is granted on a path for a verb.
    pub fn granted(&self, op: Operation, path: &str) -> Grant {
        if self.root { Grant::ALL } else { self.on(&self.place(op, path)) }
    }

    /// The path whose rule counts. LIST and SCAN work on a folder: what a policy says of it by name,
    /// with its slash or without, goes before what any pattern says.
    fn place<'p>(&self, op: Operation, path: &'p str) -> Cow<'p, str> {
        if !matches!(op, Operation::List | Operation::Scan) {
            return path.into();
        }
        let bare = path.strip_suffix('/').unwrap_or(path);
        let folder = format!("{bare}/");
        let rule = |path: &str| strongest(self.all(), path).map(|found| found.is_exact(path));
        match (rule(&folder), rule(bare)) {
            (Some(false), Some(true)) | (None, _) => bare.into(),
            _ => folder.into(),
        }
    }

    /// Names of the policies that grant `needed` on a path for a verb, as [`Acl::granted`] looks it
    /// up: those that have the rule which counts there.
    pub fn granting(&self, op: Operation, path: &str, needed: Capabilities) -> Vec<&str> {
        if self.root {
            return vec![ROOT];
        }
        self.granting_on(&self.place(op, path), needed)
    }

    fn granting_on(&self, path: &str, needed: Capabilities) -> Vec<&str> {
        let all = self.held.iter().flat_map(|h| h.parts().map(|p| (h.name.as_str(), p)));
        let found: Vec<_> =
            all.filter_map(|(name, policy)| Some((name, policy.find(path)?))).collect();
        let Some((_, best)) = found.iter().max_by(|(_, a), (_, b)| a.priority(b)) else {
            return Vec::new();
        };
        let grants = |m: &Match<'_>| m.same_pattern(best) && m.grant.capabilities.allows(needed);
        let mut names: Vec<&str> =
            found.iter().filter(|(_, m)| grants(m)).map(|(name, _)| *name).collect();
        names.dedup();
        names
    }

    /// Names of the policies that the caller has by its identity alone.
    pub fn inherited(&self) -> &[String] {
        &self.inherited
    }

    /// Whether anything is granted below `folder`, which ends in a slash.
    pub fn touches(&self, folder: &str) -> bool {
        self.root || self.all().any(|p| p.touches(folder))
    }

    /// Whether this is the root policy.
    pub fn is_root(&self) -> bool {
        self.root
    }

    fn all(&self) -> impl Iterator<Item = &Policy> {
        self.held.iter().flat_map(Held::parts)
    }
}

/// The most specific rule of all policies, united with the same pattern of the others.
pub(super) fn merge<'p>(policies: impl Iterator<Item = &'p Policy>, path: &str) -> Grant {
    strongest(policies, path).map_or(Grant::NONE, |found| found.grant)
}

fn strongest<'p>(policies: impl Iterator<Item = &'p Policy>, path: &str) -> Option<Match<'p>> {
    let mut best: Option<Match<'p>> = None;
    for found in policies.filter_map(|p| p.find(path)) {
        match &mut best {
            Some(b) if b.same_pattern(&found) => b.grant = b.grant.union(&found.grant),
            Some(b) if b.priority(&found).is_gt() => {}
            _ => best = Some(found),
        }
    }
    best
}
