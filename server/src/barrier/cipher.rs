//! Sealing of values: AES-256-GCM under subkeys of the keyring.
//!
//! Stored form of a value:
//!
//! | bytes | field |
//! |---|---|
//! | 1 | version, 1 |
//! | 4 | term, big-endian |
//! | 16 | salt of the process that sealed it |
//! | 8 | counter under that salt, big-endian |
//! | n | ciphertext |
//! | 16 | tag |
//!
//! The key is `HKDF-SHA256(term key, salt, "strongroom/barrier/v1")`; the 96-bit nonce is four zero
//! bytes and the counter. A salt is drawn anew by every process and every rotation, and a counter is
//! never stored, so neither a restored backup nor another cluster that shares the keyring can make a
//! nonce repeat. Associated data: keyspace (16 bytes), then the key, so a value cannot be moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use strongroom_storage::KeyspaceId;
use zeroize::Zeroizing;

use super::subkey::{SALT_LEN, Subkeys, derive};
use super::{BarrierError, FormerKeys, Keyring};

const VERSION: u8 = 1;
const HEADER_LEN: usize = 1 + 4 + SALT_LEN + 8;
const TAG_LEN: usize = 16;

/// What no two sealed values have in common: header and tag.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct SealId([u8; HEADER_LEN], [u8; TAG_LEN]);

impl SealId {
    /// That of a stored value; `None` where it is too short for one.
    pub(super) fn of(stored: &[u8]) -> Option<Self> {
        let (header, body) = stored.split_first_chunk()?;
        Some(Self(*header, *body.last_chunk()?))
    }
}

struct Sealing {
    term: u32,
    salt: [u8; SALT_LEN],
    key: LessSafeKey,
    counter: AtomicU64,
}

struct State {
    ring: Keyring,
    former: FormerKeys,
    sealing: Sealing,
}

/// Seals and opens values under a keyring that can be replaced while in use.
pub struct Barrier {
    state: ArcSwap<State>,
    subkeys: Subkeys,
}

impl Barrier {
    /// A barrier under `ring`.
    ///
    /// # Errors
    /// [`BarrierError::Random`].
    pub fn new(ring: Keyring) -> Result<Self, BarrierError> {
        Self::with_former(ring, FormerKeys::default())
    }

    /// As [`Barrier::new`], with keys of terms that are gone.
    ///
    /// # Errors
    /// [`BarrierError::Random`].
    pub fn with_former(ring: Keyring, former: FormerKeys) -> Result<Self, BarrierError> {
        let sealing = Sealing::new(&ring)?;
        Ok(Self {
            state: ArcSwap::from_pointee(State { ring, former, sealing }),
            subkeys: Subkeys::default(),
        })
    }

    /// Takes a new keyring into use (a rotation, or one that arrived by replication). Keys that it
    /// lacks still open what was sealed under them.
    ///
    /// # Errors
    /// [`BarrierError::Random`]; the old keyring stays in use then.
    pub fn replace_keyring(&self, ring: Keyring) -> Result<(), BarrierError> {
        let sealing = Sealing::new(&ring)?;
        let state = self.state.load();
        let former = state.former.after(&state.ring, &ring).unwrap_or_else(|| state.former.clone());
        self.state.store(Arc::new(State { ring, former, sealing }));
        Ok(())
    }

    /// What has to be stored with a keyring before it is taken into use: the keys that it lacks, those
    /// of before among them. `None` where it lacks no more than was stored already.
    pub fn lost_by(&self, ring: &Keyring) -> Option<FormerKeys> {
        let state = self.state.load();
        state.former.after(&state.ring, ring)
    }

    /// A copy of the keyring in use; a secret.
    pub fn keyring(&self) -> Keyring {
        self.state.load().ring.clone()
    }

    /// Values sealed by this process since the keyring in use was taken into use.
    pub fn seals(&self) -> u64 {
        self.state.load().sealing.counter.load(Ordering::Relaxed)
    }

    /// The stored form of `plaintext` at `key` of `keyspace`.
    ///
    /// # Errors
    /// [`BarrierError::Random`] is the only one that can come up.
    pub fn seal(
        &self,
        keyspace: KeyspaceId,
        key: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, BarrierError> {
        let state = self.state.load();
        let sealing = &state.sealing;
        let counter = sealing.counter.fetch_add(1, Ordering::Relaxed);
        assert!(counter < u64::MAX / 2, "2^63 seals under one salt");
        let mut out = Vec::with_capacity(HEADER_LEN + plaintext.len() + TAG_LEN);
        out.push(VERSION);
        out.extend_from_slice(&sealing.term.to_be_bytes());
        out.extend_from_slice(&sealing.salt);
        out.extend_from_slice(&counter.to_be_bytes());
        out.extend_from_slice(plaintext);
        let (_, body) = out.split_at_mut(HEADER_LEN);
        let tag = sealing
            .key
            .seal_in_place_separate_tag(nonce(counter), aad(keyspace, key), body)
            .map_err(|_| BarrierError::Malformed)?;
        out.extend_from_slice(tag.as_ref());
        Ok(out)
    }

    /// The plaintext of `stored`, zeroed when dropped.
    ///
    /// # Errors
    /// Refuses whatever does not authenticate at this very place.
    pub fn open(
        &self,
        keyspace: KeyspaceId,
        key: &[u8],
        mut stored: Vec<u8>,
    ) -> Result<Zeroizing<Vec<u8>>, BarrierError> {
        let (term, salt, counter) = parse_header(&stored)?;
        let open = |subkey: &LessSafeKey, stored: &mut Vec<u8>| {
            let place = aad(keyspace, key);
            let opened = subkey.open_within(nonce(counter), place, stored, HEADER_LEN..);
            opened.map(|plain| plain.len()).map_err(|_| BarrierError::Authentication)
        };
        // An attempt destroys what it is made on.
        let spare = self.state.load().former.of(term).next().map(|_| stored.clone());
        let tried = self.subkey(term, salt).and_then(|subkey| open(&subkey, &mut stored));
        let len = match (tried, spare) {
            (Ok(len), _) => len,
            (Err(e), None) => return Err(e),
            (Err(e), Some(sealed)) => {
                let state = self.state.load();
                let mut keys = state.former.of(term);
                keys.find_map(|master| {
                    let subkey = derive(master, &salt).ok()?;
                    stored.clone_from(&sealed);
                    let len = open(&subkey, &mut stored).ok()?;
                    self.subkeys.keep((term, salt), Arc::new(subkey));
                    Some(len)
                })
                .ok_or(e)?
            }
        };
        stored.truncate(len);
        Ok(Zeroizing::new(stored))
    }

    fn subkey(&self, term: u32, salt: [u8; SALT_LEN]) -> Result<Arc<LessSafeKey>, BarrierError> {
        if let Some(key) = self.subkeys.get((term, salt)) {
            return Ok(key);
        }
        let state = self.state.load();
        let master = state.ring.key(term).ok_or(BarrierError::UnknownTerm(term))?;
        let key = Arc::new(derive(master, &salt)?);
        self.subkeys.keep((term, salt), Arc::clone(&key));
        Ok(key)
    }
}

impl Sealing {
    fn new(ring: &Keyring) -> Result<Self, BarrierError> {
        let term = ring.active_term();
        let master = ring.key(term).ok_or(BarrierError::UnknownTerm(term))?;
        let mut salt = [0; SALT_LEN];
        getrandom::fill(&mut salt).map_err(|_| BarrierError::Random)?;
        Ok(Self { term, salt, key: derive(master, &salt)?, counter: AtomicU64::new(0) })
    }
}

fn nonce(counter: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[4..].copy_from_slice(&counter.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

fn aad(keyspace: KeyspaceId, key: &[u8]) -> Aad<Vec<u8>> {
    Aad::from([&keyspace.0[..], key].concat())
}

fn parse_header(stored: &[u8]) -> Result<(u32, [u8; SALT_LEN], u64), BarrierError> {
    if stored.len() < HEADER_LEN + TAG_LEN || stored[0] != VERSION {
        return Err(BarrierError::Malformed);
    }
    let mut term = [0; 4];
    let mut salt = [0; SALT_LEN];
    let mut counter = [0; 8];
    term.copy_from_slice(&stored[1..5]);
    salt.copy_from_slice(&stored[5..21]);
    counter.copy_from_slice(&stored[21..29]);
    Ok((u32::from_be_bytes(term), salt, u64::from_be_bytes(counter)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KS: KeyspaceId = KeyspaceId([7; 16]);

    #[test]
    fn values_are_bound_to_their_place_and_nonces_differ() {
        let barrier = Barrier::new(Keyring::generate(0).unwrap()).unwrap();
        let a = barrier.seal(KS, b"k", b"secret").unwrap();
        let b = barrier.seal(KS, b"k", b"secret").unwrap();
        assert_ne!(a, b);
        assert_eq!(&**barrier.open(KS, b"k", a.clone()).unwrap(), b"secret");
        assert_eq!(barrier.open(KS, b"other", a.clone()), Err(BarrierError::Authentication));
        let elsewhere = KeyspaceId([8; 16]);
        assert_eq!(barrier.open(elsewhere, b"k", a.clone()), Err(BarrierError::Authentication));
        for i in 0..a.len() {
            let mut bad = a.clone();
            bad[i] ^= 1;
            assert!(barrier.open(KS, b"k", bad).is_err(), "byte {i} changed unnoticed");
        }
        assert_eq!(barrier.open(KS, b"k", vec![1; 10]), Err(BarrierError::Malformed));
    }

    #[test]
    fn old_terms_stay_readable_after_a_rotation() {
        let barrier = Barrier::new(Keyring::generate(0).unwrap()).unwrap();
        let old = barrier.seal(KS, b"k", b"v").unwrap();
        let mut ring = barrier.keyring();
        ring.rotate(1).unwrap();
        barrier.replace_keyring(ring).unwrap();
        assert_eq!(&**barrier.open(KS, b"k", old).unwrap(), b"v");
        let new = barrier.seal(KS, b"k", b"v").unwrap();
        assert_eq!(new[4], 2);
    }

    /// What a secondary had sealed for itself could not be opened any more once its primary had been
    /// restored from before a rotation.
    #[test]
    fn terms_that_a_keyring_lost_stay_readable_also_where_their_numbers_come_again() {
        let barrier = Barrier::new(Keyring::generate(0).unwrap()).unwrap();
        let before = barrier.keyring();
        let mut rotated = before.clone();
        rotated.rotate(1).unwrap();
        barrier.replace_keyring(rotated).unwrap();
        let lost = barrier.seal(KS, b"k", b"lost").unwrap();
        let former = barrier.lost_by(&before).unwrap();
        barrier.replace_keyring(before.clone()).unwrap();
        assert!(barrier.lost_by(&before).is_none());
        let mut again = before;
        again.rotate(2).unwrap();
        barrier.replace_keyring(again.clone()).unwrap();
        let new = barrier.seal(KS, b"k", b"new").unwrap();
        assert_eq!((lost[4], new[4]), (2, 2));
        // After a restart nothing is known of subkeys.
        for barrier in [barrier, Barrier::with_former(again, former).unwrap()] {
            for _ in 0..2 {
                assert_eq!(&**barrier.open(KS, b"k", lost.clone()).unwrap(), b"lost");
                assert_eq!(&**barrier.open(KS, b"k", new.clone()).unwrap(), b"new");
            }
            assert_eq!(barrier.open(KS, b"x", lost.clone()), Err(BarrierError::Authentication));
        }
    }
}
