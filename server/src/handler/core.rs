//! Handlers that work on one transaction.

use strongroom_storage::KeyspaceId;

use crate::auth::Lockout;
use crate::barrier::Session;
use crate::config::Config;
use crate::logical::{ApiResult, Call, Peer, Response, Route};

/// A handler that works on one transaction; the same rules as for an engine's handler.
pub type CoreHandler = fn(&CoreCall<'_>, &mut Session) -> ApiResult<Response>;

/// A route that works on one transaction.
pub type CoreRoute = Route<CoreHandler>;

/// One call to a [`CoreHandler`].
pub struct CoreCall<'a> {
    /// The call as engines see it.
    pub call: Call<'a>,
    /// The client's token as it was sent, or empty; a secret.
    pub token: &'a str,
    /// The answer will be wrapped.
    pub wrapped: bool,
    /// Keyspace of the mount.
    pub keyspace: KeyspaceId,
    /// Where it comes from.
    pub peer: Peer,
    /// Names that failed to log in here.
    pub lockout: &'a Lockout,
    /// What the server was told at start.
    pub config: &'a Config,
}
