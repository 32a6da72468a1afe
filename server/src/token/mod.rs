//! Tokens: who calls. They are local to their cluster.

mod batch;
mod create;
mod entry;
mod id;
mod issue;
mod lease;
mod lifetime;
mod request;
mod revocation;
mod role;
mod routes;
mod store;
pub mod sweep;
mod takes;
mod terms;
mod uses;

pub use create::create_root;
pub use entry::{Token, TokenEntry};
pub use id::{create_salt, generate_accessor, generate_id, storage_id};
pub use issue::{NewToken, issue};
pub use lease::ROUTES as LEASE_ROUTES;
pub use lifetime::capped;
pub use revocation::{revoke, revoke_prefix};
pub use routes::ROUTES;
pub(crate) use store::accessor_key;
pub use store::{expiry_prefix, id_of_accessor, load, lookup};
pub use uses::{Spent, spend};
