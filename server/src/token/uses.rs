//! Tokens that may be used a number of times.

use super::store;
use crate::barrier::{Session, ViewError};

/// Uses left of a token that is being used for the last time.
const LAST_USE: i64 = -1;

/// What came of a use of a token with limited uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// There is nothing to spend it on any more.
    Exhausted,
    /// A use was taken; more are left.
    Taken,
    /// The last use was taken; [`revoke`](super::revoke) it when the call is done.
    Last,
}

/// Takes one use of the token `id`; the caller commits before the call runs.
///
/// # Errors
/// See [`ViewError`].
pub fn spend(session: &mut Session, id: &str) -> Result<Spent, ViewError> {
    let Some(token) = store::load(session, id)? else { return Ok(Spent::Exhausted) };
    let mut changed = token.entry.clone();
    let spent = match changed.num_uses {
        LAST_USE => return Ok(Spent::Exhausted),
        1 => {
            changed.num_uses = LAST_USE;
            Spent::Last
        }
        _ => {
            changed.num_uses -= 1;
            Spent::Taken
        }
    };
    store::put(session, id, &changed, Some(&token.entry))?;
    Ok(spent)
}
