//! What records say beside the request itself: who it is from, and what became of it.

use std::sync::Arc;

use crate::logical::Caller;
use crate::mount::Mount;
use crate::token::Token;

/// Who a request is from.
#[derive(Default)]
pub enum Who {
    /// No token, or none that is known.
    #[default]
    Nobody,
    /// A token of this cluster.
    Token(Arc<Token>),
    /// Somebody whom a secondary let in.
    Forwarded(Caller),
}

/// What the records say beside the request itself.
#[derive(Default)]
pub struct Facts {
    /// The caller.
    pub who: Who,
    /// What answers.
    pub mount: Option<Arc<Mount>>,
    /// The secondary that the call came through.
    pub forwarded_from: Option<String>,
    /// There was nothing yet where the request writes.
    pub creates: bool,
    /// The caller's.
    pub policies: Policies,
}

/// Names of policies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policies {
    /// Those that let the request through; none where it is open to anyone.
    pub granting: Vec<String>,
    /// Those that the caller has by its identity alone.
    pub inherited: Vec<String>,
}

/// Whether the request was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its token's policies allow it.
    Allowed,
    /// They do not, or there is no token.
    Denied,
}
