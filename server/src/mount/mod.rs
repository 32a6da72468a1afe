//! Mounts: which engine answers which path.
//!
//! The replicated tables are CORE/`mounts` and CORE/`auth`; what was mounted with `local` is in
//! LOCAL/`local-mounts` and LOCAL/`local-auth`. A mount's uuid is the id of its keyspace, made and dropped in the same
//! transaction as its entry.

mod change;
mod entry;
mod remount;
mod router;

pub use change::{
    MountError, create_defaults, create_dev_secret, disable, disable_auth, enable, enable_auth,
    entries, tune,
};
pub use entry::{LockoutConfig, MountConfig, MountEntry, Table};
pub use remount::remount;
pub use router::{Mount, Router, Scope, Target, auth_by_accessor, route, router};

/// Key of the replicated table of secrets engines in CORE.
pub const MOUNTS_KEY: &str = "mounts";
/// Key of the table of auth methods in CORE.
pub const AUTH_KEY: &str = "auth";
/// Key of the table of local mounts in LOCAL.
pub const LOCAL_KEY: &str = "local-mounts";
/// Key of the table of local auth methods in LOCAL.
pub const LOCAL_AUTH_KEY: &str = "local-auth";
