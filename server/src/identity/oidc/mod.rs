//! `identity/oidc`: tokens that tell others who someone is, signed by keys that rotate.
//!
//! | key in IDENTITY | value |
//! |---|---|
//! | `oidc/config` | `config::Config` |
//! | `oidc/key/<name>` | `key::NamedKey`, private keys in it |
//! | `oidc/role/<name>` | `role::Role` |
//!
//! All of it is replicated. Tokens are made where they are asked for; keys rotate on the primary.

mod claims;
mod config;
mod key;
mod keys;
mod role;
mod routes;
mod signer;
mod token;

use crate::barrier::View;

pub use key::{due, rotate_due};
pub use routes::ROUTES;

/// Names that one LIST answers at most.
const LIST_MAX: usize = 1_000_000;
/// Bytes of what is stored under one name.
const STORED_MAX: usize = 1 << 20;

/// The names below a prefix.
fn names(view: &mut View<'_>, prefix: &str) -> Vec<String> {
    view.list(prefix, None, LIST_MAX)
}
