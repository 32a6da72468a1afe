//! Ids: what a token is, what names it, and what it is stored under.

use zeroize::Zeroizing;

use crate::barrier::{BarrierError, Session, ViewError};
use crate::keyspace::LOCAL;

const SALT_KEY: &str = "salt";
const SALT_LEN: usize = 32;
/// Random base62 characters of a token and of an accessor: 142 bits.
const RANDOM_CHARS: usize = 24;

/// A new service token: `hvs.` and 24 random characters.
///
/// # Errors
/// The operating system gave no random bytes.
pub fn generate_id() -> Result<Zeroizing<String>, getrandom::Error> {
    let mut id = Zeroizing::new(String::with_capacity(4 + RANDOM_CHARS));
    id.push_str("hvs.");
    push_random(&mut id)?;
    Ok(id)
}

/// A new accessor.
///
/// # Errors
/// As [`generate_id`].
pub fn generate_accessor() -> Result<String, getrandom::Error> {
    let mut accessor = String::with_capacity(RANDOM_CHARS);
    push_random(&mut accessor)?;
    Ok(accessor)
}

fn push_random(to: &mut String) -> Result<(), getrandom::Error> {
    const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut left = RANDOM_CHARS;
    let mut bytes = Zeroizing::new([0_u8; 2 * RANDOM_CHARS]);
    while left > 0 {
        getrandom::fill(&mut *bytes)?;
        // Six bits each; the two values above 61 are dropped, so that all characters are alike.
        for index in bytes.iter().map(|b| usize::from(b & 63)).filter(|i| *i < BASE62.len()) {
            if left == 0 {
                break;
            }
            to.push(char::from(BASE62[index]));
            left -= 1;
        }
    }
    Ok(())
}

/// Draws the salt that tokens are hashed with before they are stored.
///
/// # Errors
/// See [`ViewError`].
pub fn create_salt(session: &mut Session) -> Result<(), ViewError> {
    let mut salt = Zeroizing::new([0; SALT_LEN]);
    getrandom::fill(&mut *salt).map_err(|_| BarrierError::Random)?;
    session.view(LOCAL).put(SALT_KEY, &*salt)
}

/// The storage id of a token: its salted hash, 64 hexadecimal digits.
///
/// # Errors
/// See [`ViewError`].
pub fn storage_id(session: &mut Session, token: &str) -> Result<String, ViewError> {
    let salt = session
        .view(LOCAL)
        .cached(SALT_KEY, |bytes| <[u8; SALT_LEN]>::try_from(bytes).ok())?
        .ok_or(ViewError::Decode)?;
    Ok(blake3::keyed_hash(&salt, token.as_bytes()).to_hex().to_string())
}
