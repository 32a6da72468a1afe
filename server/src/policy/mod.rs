//! Policies: what a token may do.
//!
//! A policy is CORE/`policy/<name>`; it is compiled once per version. The set of names is fixed when
//! a token is made, what identity adds is looked up at every request, as is their text; a name
//! without a text grants nothing.

mod acl;
mod builtin;
mod capability;
mod draft;
mod entry;
mod grant;
pub(crate) mod hcl;
mod limits;
mod matcher;
mod parse;
mod pattern;
mod rule;
mod shown;
mod template;

use std::time::SystemTime;

use crate::barrier::{Session, ViewError};
use crate::logical::{Caller, Operation};

pub use acl::Acl;

pub use builtin::{DEFAULT, ROOT, WRAPPING, create_defaults};
pub use capability::Capabilities;
pub use draft::ParseError;
pub use entry::{NAME_MAX, PolicyEntry, WriteError, delete, names, read, write};
pub use grant::Grant;
pub use limits::{Limits, glob};
pub use matcher::{Match, Policy};
pub use parse::parse;
pub use rule::Rule;
pub use shown::patterns;

/// Policies a token may have at most; more are refused when it is made.
pub const POLICIES_PER_TOKEN_MAX: usize = 1024;

fn key(name: &str) -> String {
    format!("policy/{name}")
}

/// What the caller may do with a verb on a path at a time.
///
/// # Errors
/// See [`ViewError`].
pub fn granted(
    session: &mut Session,
    caller: &Caller,
    op: Operation,
    path: &str,
    now: SystemTime,
) -> Result<Grant, ViewError> {
    Ok(Acl::of(session, caller, now)?.granted(op, path))
}
