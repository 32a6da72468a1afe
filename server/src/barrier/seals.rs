//! Decoded entries by the seal that they are stored under, for what is written and soon read back.
//!
//! An entry's version is known only once it is committed; its seal is known as soon as it is made, and
//! no two are the same: neither of two writes, nor of two clusters. So what a transaction writes can be
//! put here before anyone knows whether it commits. It is found by whoever reads that very seal from
//! the store: what replication, a rollback or another writer put there has another one. What is saved
//! is to open and to decode it, not to read it.

use std::any::Any;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use strongroom_storage::KeyspaceId;

use super::cipher::SealId;
use super::near::mixed;

/// Entries; of two that want the same place the later one has it.
const PLACES: usize = 1024;

/// See the module's text.
#[derive(Default)]
pub(super) struct Seals(OnceLock<Vec<Mutex<Option<Kept>>>>);

struct Kept {
    keyspace: KeyspaceId,
    key: Box<[u8]>,
    seal: SealId,
    decoded: Arc<dyn Any + Send + Sync>,
}

impl Seals {
    /// The decoded form of what is stored there under this seal.
    pub(super) fn get<T: Send + Sync + 'static>(
        &self,
        keyspace: KeyspaceId,
        key: &[u8],
        seal: SealId,
    ) -> Option<Arc<T>> {
        let place = self.place(keyspace, key).lock().unwrap_or_else(PoisonError::into_inner);
        let kept = place.as_ref()?;
        let same = kept.seal == seal && kept.keyspace == keyspace && *kept.key == *key;
        same.then(|| Arc::clone(&kept.decoded)).and_then(|decoded| decoded.downcast().ok())
    }

    /// Keeps a decoded form.
    pub(super) fn put<T: Send + Sync + 'static>(
        &self,
        keyspace: KeyspaceId,
        key: &[u8],
        seal: SealId,
        decoded: Arc<T>,
    ) {
        let kept = Kept { keyspace, key: Box::from(key), seal, decoded };
        let mut place = self.place(keyspace, key).lock().unwrap_or_else(PoisonError::into_inner);
        let before = place.replace(kept);
        drop(place);
        drop(before);
    }

    fn place(&self, keyspace: KeyspaceId, key: &[u8]) -> &Mutex<Option<Kept>> {
        let places = self.0.get_or_init(|| (0..PLACES).map(|_| Mutex::default()).collect());
        &places[usize::try_from(mixed(keyspace, key) % PLACES as u64).unwrap_or(0)]
    }
}

#[cfg(test)]
mod tests {
    use strongroom_storage::CommitError;

    use super::super::Session;
    use super::super::testing::{Case, ELSEWHERE, HERE};
    use super::*;

    fn read(case: &Case) -> Option<Arc<String>> {
        case.session().view(HERE).resealed_json("a").unwrap()
    }

    fn put(session: &mut Session, text: &str) -> Arc<String> {
        let text = Arc::new(text.to_owned());
        session.view(HERE).reseal_json("a", Arc::clone(&text)).unwrap();
        text
    }

    #[test]
    fn what_was_written_is_found_decoded_once_it_is_committed() {
        let case = Case::new();
        assert!(read(&case).is_none());
        for text in ["one", "two"] {
            let mut writes = case.session();
            let written = put(&mut writes, text);
            assert!(read(&case).is_none_or(|read| *read != text), "it is not there yet");
            let own: Arc<String> = writes.view(HERE).resealed_json("a").unwrap().unwrap();
            assert_eq!(*own, text, "but for its transaction");
            writes.into_txn().commit_blocking().unwrap();
            assert_eq!(read(&case).unwrap(), written);
            let (first, second) = (read(&case).unwrap(), read(&case).unwrap());
            assert!(Arc::ptr_eq(&first, &second), "it is decoded once");
        }
        // Of another type it is decoded anew.
        assert!(case.session().view(HERE).resealed_json::<u64>("a").is_err());
    }

    #[test]
    fn what_was_not_committed_is_seen_by_nobody() {
        let case = Case::new();
        let mut first = case.session();
        put(&mut first, "first");
        first.into_txn().commit_blocking().unwrap();
        let (mut left, mut right, mut dropped) = (case.session(), case.session(), case.session());
        for session in [&mut left, &mut right] {
            let read: Arc<String> = session.view(HERE).resealed_json("a").unwrap().unwrap();
            assert_eq!(*read, "first");
        }
        put(&mut left, "left");
        put(&mut right, "right");
        put(&mut dropped, "dropped");
        drop(dropped);
        left.into_txn().commit_blocking().unwrap();
        assert!(matches!(right.into_txn().commit_blocking(), Err(CommitError::Conflict)));
        assert_eq!(*read(&case).unwrap(), "left");
    }

    /// As replication writes: sealed elsewhere, and blindly.
    #[test]
    fn what_others_put_into_the_store_is_seen_at_once() {
        let case = Case::new();
        let mut ours = case.session();
        put(&mut ours, "ours");
        ours.into_txn().commit_blocking().unwrap();
        assert_eq!(*read(&case).unwrap(), "ours");
        let sealed = case.barrier.seal(HERE, b"a", br#""theirs""#).unwrap();
        let mut txn = case.store.begin();
        txn.put(HERE, b"a", sealed);
        txn.commit_blocking().unwrap();
        assert_eq!(*read(&case).unwrap(), "theirs");
        let mut txn = case.store.begin();
        txn.delete(HERE, b"a");
        txn.commit_blocking().unwrap();
        assert!(read(&case).is_none());
    }

    /// A sealed value that was copied to another place does not open there, decoded or not.
    #[test]
    fn a_seal_counts_at_its_own_place() {
        let case = Case::new();
        let mut ours = case.session();
        put(&mut ours, "ours");
        ours.into_txn().commit_blocking().unwrap();
        let mut txn = case.store.begin();
        let sealed = txn.get(HERE, b"a").unwrap().unwrap();
        txn.put(HERE, b"b", sealed.clone());
        txn.put(ELSEWHERE, b"a", sealed);
        txn.commit_blocking().unwrap();
        let mut session = case.session();
        assert!(session.view(HERE).resealed_json::<String>("b").is_err());
        assert!(session.view(ELSEWHERE).resealed_json::<String>("a").is_err());
    }
}
