//! Tokens: who calls. They are local to their cluster.

mod batch;
mod create;
mod entry;
mod issue;
mod lease;
mod lifetime;
mod request;
mod role;
mod routes;
pub mod sweep;
mod takes;
mod terms;

pub use create::create_root;
pub(crate) use entry::accessor_key;
pub use entry::{
    Token, TokenEntry, create_salt, generate_accessor, generate_id, id_of_accessor, load, lookup,
    storage_id,
};
pub use issue::{NewToken, issue};
pub use lease::ROUTES as LEASE_ROUTES;
pub use lifetime::{Spent, capped, revoke, revoke_prefix, spend};
pub use routes::ROUTES;
