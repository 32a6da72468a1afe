//! What attempts at a call know, and what they come to.

use std::cell::{Cell, OnceCell};
use std::sync::Arc;

use super::Request;
use crate::auth::Lockout;
use crate::cluster::Cluster;
use crate::handler::{SysCall, SysHandler};
use crate::logical::{Caller, Response, Served};
use crate::mount::Scope;
use crate::policy::{Acl, Capabilities};
use crate::replication::Role;

/// What comes after an attempt.
pub enum Step {
    /// Commit, then answer.
    Answer(Response),
    /// Take a use of the token with this storage id, then come back.
    Spend(String),
    /// A handler that waits.
    Wait(SysHandler, SysCall),
    /// The primary's business; this caller was authorised here.
    Forward(Caller),
    /// A login that was accepted here and has something to write that only the primary may.
    Login(Caller),
}

/// Everything about the request that does not change from attempt to attempt.
pub(super) struct Context<'a> {
    pub(super) cluster: &'a Arc<Cluster>,
    pub(super) lockout: &'a Lockout,
    pub(super) request: &'a Request,
    pub(super) role: Role,
    pub(super) scope: Scope,
    /// What an attempt found: nothing yet where the request writes.
    pub(super) creates: Cell<bool>,
    /// What the caller's policies allowed, if they were asked.
    pub(super) allowed: Cell<Option<Capabilities>>,
    /// The caller's policies, as they were asked.
    pub(super) acl: OnceCell<Arc<Acl>>,
}

impl Context<'_> {
    /// On a secondary the primary serves what writes replicated data.
    pub(super) fn forwarded(&self, local: bool, served: Served) -> bool {
        matches!(self.role, Role::Secondary { .. }) && !local && served == Served::ByPrimary
    }
}
