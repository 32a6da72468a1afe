//! Tokens: who calls. They are local to their cluster.

mod create;
mod entry;
mod lifetime;
mod routes;
pub mod sweep;

pub use create::create_root;
pub use entry::{
    Token, TokenEntry, create_salt, generate_accessor, generate_id, id_of_accessor, load, lookup,
    storage_id,
};
pub use lifetime::{Spent, revoke, spend};
pub use routes::ROUTES;
