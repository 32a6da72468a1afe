//! Identity: who is behind a token, whichever way they logged in. Replicated.

mod aliases;
mod body;
mod entities;
mod entry;
mod groups;
mod index;
mod login;
mod merge;
pub mod oidc;
mod routes;
mod store;
mod subject;
mod takes;

pub use entities::count;
pub use entry::{Alias, Entity, Group, Metadata};
pub use login::{Arrival, arrive};
pub use routes::ROUTES;
pub use store::{entity, group, was_merged};
pub use subject::{Subject, subject};
