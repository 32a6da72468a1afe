//! How the core's own handlers are called: what of a request each of the two kinds gets.
//!
//! A [`CoreHandler`] works on one transaction like an engine does and is run, repeated, committed and
//! forwarded by dispatch; a [`SysHandler`] is asynchronous and changes the cluster itself (init, seal,
//! replication). Whoever answers (`sys`, tokens, auth methods, identity, quotas) builds on this, and
//! knows nothing of the others.

mod core;
mod system;

pub use self::core::{CoreCall, CoreHandler, CoreRoute};
pub use self::system::{SysCall, SysFuture, SysHandler, SysRoute};
