//! Identity: who is behind a token, whichever way they logged in. Replicated.

mod aliases;
mod body;
mod entities;
mod entry;
mod groups;
mod login;
mod merge;
pub mod oidc;
mod routes;
mod subject;
mod takes;

pub use entities::count;
pub use entry::{Alias, Entity, Group, Metadata, entity, group, was_merged};
pub use login::{Arrival, arrive};
pub use routes::ROUTES;
pub use subject::{Subject, subject};
