//! The barrier: everything that reaches storage goes through it, encrypted and bound to its place.
//!
//! - [`Keyring`]: one AES-256 key per term; rotation adds a term, old terms still decrypt.
//! - [`FormerKeys`]: those of terms that a restored primary does not know.
//! - [`Barrier`]: seals and opens values under the keyring; no nonce ever repeats.
//! - [`Session`] and [`View`]: a storage transaction seen through the barrier;
//! - caches of what was decoded: by version in [`DecodeCache`], in front of it by thread in `near`, and by
//!   seal in `seals`;
//! - [`Turns`]: who commits when transactions keep getting into each other's way.

mod cache;
mod cipher;
mod error;
mod former;
mod keyring;
mod near;
mod seals;
mod session;
mod subkey;
#[cfg(test)]
mod testing;
mod turns;
mod view;

pub use cache::DecodeCache;
pub use cipher::Barrier;
pub use error::{BarrierError, ViewError};
pub use former::FormerKeys;
pub use keyring::{Keyring, KeyringError, RootKey};
pub use session::Session;
pub use turns::{Alone, Turns};
pub use view::View;
