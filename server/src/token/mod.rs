//! Tokens: who calls.

pub mod sweep;

use std::time::SystemTime;

use zeroize::Zeroizing;

use crate::barrier::{Session, ViewError};

/// Draws the salt that tokens are hashed with before they are stored.
///
/// # Errors
/// See [`ViewError`].
pub fn create_salt(_session: &mut Session) -> Result<(), ViewError> {
    Ok(())
}

/// Makes a root token with this id.
///
/// # Errors
/// See [`ViewError`].
pub fn create_root(_session: &mut Session, _id: &str, _now: SystemTime) -> Result<(), ViewError> {
    Ok(())
}

/// A new service token.
///
/// # Errors
/// No randomness.
pub fn generate_id() -> Result<Zeroizing<String>, getrandom::Error> {
    Ok(Zeroizing::new(String::new()))
}
