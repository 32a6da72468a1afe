//! Decoded entries, and what was made of several, close at hand: some for each thread, in front of
//! the common cache.
//!
//! What is found here costs neither a hash of a key nor a walk through the index nor a lock that
//! another thread wants. It counts while nothing was written to the keyspaces that it was read from,
//! and beyond that while the index still has the same versions. What is found is a read of the
//! transaction like any other.

use std::any::Any;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use strongroom_storage::{KeyspaceId, ReadError, Sighting, Txn};

use crate::telemetry::Lanes;

/// Entries for each thread; of two that want the same place the later one has it.
const PLACES: usize = 512;

/// `None` where there is no entry.
type Decoded = Option<Arc<dyn Any + Send + Sync>>;

/// See the module's text.
#[derive(Default)]
pub(super) struct Near(Lanes<Mutex<Vec<Option<Kept>>>>);

struct Kept {
    keyspace: KeyspaceId,
    key: Box<[u8]>,
    /// All that it was made from.
    from: MadeFrom,
    decoded: Decoded,
}

/// What a look at what is close at hand gives.
pub(super) enum Found<T> {
    /// Not known here, or not of this type.
    Unknown,
    /// The transaction has nothing there.
    Nothing,
    /// It has this.
    Here(Arc<T>),
}

/// What something was made from.
pub(super) enum MadeFrom {
    /// The entry under its key.
    Entry(Sighting),
    /// Several.
    Entries(Vec<Sighting>),
}

impl MadeFrom {
    fn stands(&mut self, txn: &mut Txn) -> Result<bool, ReadError> {
        match self {
            Self::Entry(sighting) => txn.still(sighting),
            Self::Entries(sightings) => {
                for sighting in sightings {
                    if !txn.still(sighting)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }
}

impl Near {
    /// The decoded form of what the transaction has under a key.
    ///
    /// # Errors
    /// The index cannot be read.
    pub(super) fn get<T: Send + Sync + 'static>(
        &self,
        txn: &mut Txn,
        keyspace: KeyspaceId,
        key: &[u8],
    ) -> Result<Found<T>, ReadError> {
        let (_, lane) = self.0.mine();
        let mut places = lane.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Some(kept)) = places.get_mut(place(keyspace, key)) else {
            return Ok(Found::Unknown);
        };
        if kept.keyspace != keyspace || *kept.key != *key || !kept.from.stands(txn)? {
            return Ok(Found::Unknown);
        }
        Ok(match &kept.decoded {
            None => Found::Nothing,
            Some(decoded) => Arc::clone(decoded).downcast().map_or(Found::Unknown, Found::Here),
        })
    }

    /// Whether there is something under a key for the transaction; `None` where that is not known
    /// here.
    ///
    /// # Errors
    /// The index cannot be read.
    pub(super) fn exists(
        &self,
        txn: &mut Txn,
        keyspace: KeyspaceId,
        key: &[u8],
    ) -> Result<Option<bool>, ReadError> {
        let (_, lane) = self.0.mine();
        let mut places = lane.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Some(kept)) = places.get_mut(place(keyspace, key)) else { return Ok(None) };
        let known = kept.keyspace == keyspace && *kept.key == *key;
        Ok((known && kept.from.stands(txn)?).then_some(kept.decoded.is_some()))
    }

    /// Keeps what was made, or that there is none.
    pub(super) fn put<T: Send + Sync + 'static>(
        &self,
        keyspace: KeyspaceId,
        key: &[u8],
        from: MadeFrom,
        decoded: Option<Arc<T>>,
    ) {
        let (_, lane) = self.0.mine();
        let mut places = lane.lock().unwrap_or_else(PoisonError::into_inner);
        if places.is_empty() {
            places.resize_with(PLACES, || None);
        }
        let decoded = decoded.map(|decoded| decoded as Arc<dyn Any + Send + Sync>);
        let kept = Kept { keyspace, key: Box::from(key), from, decoded };
        let before = places[place(keyspace, key)].replace(kept);
        drop(places);
        drop(before);
    }
}

/// Where an entry is kept.
fn place(keyspace: KeyspaceId, key: &[u8]) -> usize {
    usize::try_from(mixed(keyspace, key) % PLACES as u64).unwrap_or(0)
}

/// The hash of an entry's name. Nothing but time depends on it, so it is quick rather than strong; the
/// seed keeps clients from choosing keys that meet.
pub(super) fn mixed(keyspace: KeyspaceId, key: &[u8]) -> u64 {
    static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0) | 1);
    let mix = |a: u64, b: u64| {
        let wide = u128::from(a ^ b) * u128::from(0x9e37_79b9_7f4a_7c15_u64);
        let [low, high] = [wide & u128::from(u64::MAX), wide >> 64];
        u64::try_from(low ^ high).unwrap_or(0)
    };
    let mut hash = *SEED;
    let (words, rest) = key.as_chunks::<8>();
    for word in words {
        hash = mix(hash, u64::from_le_bytes(*word));
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    hash = mix(hash, u64::from_le_bytes(last));
    let [low, high] = keyspace.0.as_chunks::<8>().0 else { return 0 };
    mix(hash, u64::from_le_bytes(*low) ^ u64::from_le_bytes(*high).rotate_left(32))
}

#[cfg(test)]
mod tests {
    use strongroom_storage::CommitError;

    use super::super::testing::{Case, ELSEWHERE, HERE};
    use super::super::{Session, ViewError};

    fn text(session: &mut Session, key: &str) -> Option<String> {
        let decode = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        session.view(HERE).cached(key, decode).unwrap().map(|text| (*text).clone())
    }

    #[test]
    fn what_was_written_since_is_seen_at_once_and_what_was_read_stays_so() {
        let case = Case::new();
        let seen = |want: Option<&str>| {
            for _ in 0..3 {
                let mut session = case.session();
                assert_eq!(text(&mut session, "a").as_deref(), want);
                assert_eq!(session.view(HERE).exists("a").unwrap(), want.is_some());
            }
        };
        seen(None);
        for value in [Some("1"), Some("2"), None, Some("3")] {
            let mut before = case.session();
            let old = text(&mut before, "a");
            case.write(HERE, "a", value);
            assert_eq!(text(&mut before, "a"), old, "an earlier transaction sees what it saw");
            seen(value);
            // Neither another entry nor another keyspace changes what is known of this one.
            case.write(HERE, "b", Some("x"));
            case.write(ELSEWHERE, "a", Some("x"));
            seen(value);
        }
    }

    #[test]
    fn what_is_found_close_by_is_a_read_that_conflicts() {
        let case = Case::new();
        case.write(HERE, "a", Some("1"));
        assert_eq!(text(&mut case.session(), "a").as_deref(), Some("1"));
        let mut late = case.session();
        assert_eq!(text(&mut late, "a").as_deref(), Some("1"));
        case.write(HERE, "a", Some("2"));
        late.view(HERE).put("b", b"made from a").unwrap();
        assert!(matches!(late.into_txn().commit_blocking(), Err(CommitError::Conflict)));
    }

    #[test]
    fn values_short_and_long_are_seen_as_they_were_written_last() {
        let case = Case::new();
        let read = |session: &mut Session| {
            let decode = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
            session.view(HERE).near("a", decode).unwrap().map(|text| text.len())
        };
        for len in [1, 2, 20_000, 20_001, 3] {
            case.write(HERE, "a", Some(&"x".repeat(len)));
            for _ in 0..2 {
                assert_eq!(read(&mut case.session()), Some(len));
                assert!(case.session().view(HERE).exists("a").unwrap());
            }
        }
        let mut writes = case.session();
        writes.view(HERE).put("a", b"1234").unwrap();
        assert_eq!(read(&mut writes), Some(4), "own writes count");
        drop(writes);
        case.write(HERE, "a", None);
        assert_eq!(read(&mut case.session()), None);
        assert!(!case.session().view(HERE).exists("a").unwrap());
    }

    #[test]
    fn what_is_made_of_several_is_made_again_when_one_changes() {
        let case = Case::new();
        let mut times = 0;
        let mut both = |session: &mut Session, fits: bool| {
            let make = |session: &mut Session| {
                times += 1;
                let all = ["a", "b"].map(|key| text(session, key).unwrap_or_default());
                Ok::<_, ViewError>(all.concat())
            };
            let got = session.remembered("both", |_| fits, make).unwrap();
            ((*got).clone(), times)
        };
        let mut now = |fits| both(&mut case.session(), fits);
        assert_eq!(now(true), (String::new(), 1));
        case.write(HERE, "b", Some("2"));
        assert_eq!(now(true), ("2".to_owned(), 2));
        case.write(HERE, "c", Some("3"));
        assert_eq!(now(true), ("2".to_owned(), 2));
        assert_eq!(now(false), ("2".to_owned(), 3), "whoever asks has the last word");
        let mut writes = case.session();
        writes.view(HERE).put("a", b"1").unwrap();
        assert_eq!(both(&mut writes, true), ("12".to_owned(), 4), "own writes count");
        drop(writes);
        assert_eq!(both(&mut case.session(), true), ("2".to_owned(), 4), "and stay its own");
    }
}
