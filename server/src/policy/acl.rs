//! All that one caller may do: the policies of the token and of its identity, templates filled in.

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
    policies: Vec<Arc<Policy>>,
    /// Rules that hold for this caller at this time, templates filled in.
    own: Policy,
    /// It holds from when it was made until the first of its rules ends.
    made: Stamp,
    until: Option<Stamp>,
}

impl Acl {
    /// Of a caller at a time. Whoever's entity is disabled may do nothing.
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
            policies: Vec::new(),
            own: Policy::default(),
            made: now,
            until: None,
        };
        if caller.policies.iter().any(|n| n == ROOT) {
            acl.root = true;
            return Ok(acl);
        }
        let subject = match caller.entity_id.as_str() {
            "" => None,
            id => identity::subject(session, id)?,
        };
        if subject.as_ref().is_some_and(Subject::disabled) {
            return Ok(acl);
        }
        let inherited = subject.as_ref().map_or(&[][..], |s| s.policies());
        let mut core = session.view(CORE);
        acl.policies.reserve(caller.policies.len() + inherited.len());
        for name in &caller.policies {
            acl.policies.extend(core.cached(&key(name), entry::compile)?);
        }
        for name in inherited.iter().filter(|n| !caller.policies.contains(n)) {
            acl.policies.extend(core.cached(&key(name), entry::compile)?);
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
        for rule in self.policies.iter().flat_map(|p| p.conditional()) {
            if let Some(path) = rule.pattern(subject, now) {
                self.until = rule.expires.into_iter().chain(self.until).min();
                self.own.add(super::Rule { path, ..rule.clone() });
            }
        }
    }

    /// What is granted on exactly this path.
    pub fn on(&self, path: &str) -> Grant {
        if self.root { Grant::ALL } else { merge(self.all(), path) }
    }

    /// What is granted on a path for a verb. LIST and SCAN work on a folder, so the path is looked up with
    /// its trailing slash and, failing that, without.
    pub fn granted(&self, op: Operation, path: &str) -> Grant {
        if !matches!(op, Operation::List | Operation::Scan) {
            return self.on(path);
        }
        let bare = path.strip_suffix('/').unwrap_or(path);
        let folder = self.on(&format!("{bare}/"));
        if folder.capabilities == Capabilities::NONE { self.on(bare) } else { folder }
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
        self.policies.iter().map(|p| &**p).chain([&self.own])
    }
}

/// The most specific rule of all policies, united with the same pattern of the others.
pub(super) fn merge<'p>(policies: impl Iterator<Item = &'p Policy>, path: &str) -> Grant {
    let mut best: Option<Match<'p>> = None;
    for found in policies.filter_map(|p| p.find(path)) {
        match &mut best {
            Some(b) if b.same_pattern(&found) => b.grant = b.grant.union(&found.grant),
            Some(b) if b.priority(&found).is_gt() => {}
            _ => best = Some(found),
        }
    }
    best.map_or(Grant::NONE, |b| b.grant)
}
