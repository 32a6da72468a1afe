//! Where a leaf stands: the front of its key's hash.

use crate::digest::KeyHash;

/// Leading bytes of a key hash that say where a leaf stands. With 192 bits nobody finds two keys
/// for one place; the bytes that are left out are saved in every leaf and every digest.
pub(crate) const SPOT_BYTES: usize = 24;

/// Where a leaf stands.
pub(crate) type Spot = [u8; SPOT_BYTES];

/// The spot of a key hash.
#[inline]
pub(crate) fn spot(hash: &KeyHash) -> &Spot {
    match hash.0.first_chunk() {
        Some(spot) => spot,
        None => unreachable!("a key hash is longer than a spot"),
    }
}

/// Bit `at` of a spot, high end first.
#[inline]
pub(crate) fn spot_bit(spot: &Spot, at: usize) -> usize {
    usize::from(spot[at / 8] >> (7 - at % 8) & 1)
}

/// The front of a spot as a number, so that numbers order as spots do.
#[inline]
pub(crate) fn spot_head(spot: &Spot) -> u64 {
    spot.first_chunk().map_or(0, |front| u64::from_be_bytes(*front))
}
