//! Where in a page a key hash stands.

use std::cmp::Ordering;

use super::group::{Entry, hash_of};
use crate::digest::KeyHash;

/// Position of `hash` among sorted entries, or where it would be.
///
/// Hashes under a prefix of `bits` bits are spread evenly, so the place that the next bits
/// point at is off by little, and few cache lines are touched.
pub(super) fn find(entries: &[Entry], bits: u8, hash: &KeyHash) -> Result<usize, usize> {
    let head = hash.head();
    let below = |at: usize| {
        let own = hash_of(&entries[at]);
        own.head().cmp(&head).then_with(|| own.cmp(hash))
    };
    let len = u32::try_from(entries.len()).unwrap_or(0);
    let mut at = usize::try_from(share(head, usize::from(bits), len)).unwrap_or(0);
    if at < entries.len() && below(at) == Ordering::Less {
        while at < entries.len() && below(at) == Ordering::Less {
            at += 1;
        }
    } else {
        while at > 0 && below(at - 1) != Ordering::Less {
            at -= 1;
        }
    }
    if at < entries.len() && below(at) == Ordering::Equal { Ok(at) } else { Err(at) }
}

/// Of so many, the one that the bits of `head` below the first `bits` point at.
pub(super) fn share(head: u64, bits: usize, of: u32) -> u32 {
    let share = u32::try_from(bits).ok().and_then(|bits| head.checked_shl(bits)).unwrap_or(0) >> 32;
    u32::try_from((share * u64::from(of)) >> 32).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn among_no_entries_a_key_would_be_the_first() {
        assert_eq!(find(&[], 0, &KeyHash([7; KeyHash::BYTES])), Err(0));
    }
}
