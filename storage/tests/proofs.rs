//! Proofs of a store: what is at a key of a keyspace, checked with the root over all of them alone.

#![allow(clippy::unwrap_used, reason = "tests")]

use strongroom_merkle::{KeyHash, ProofError, StoreProof};
use strongroom_storage::{Class, KeyspaceId, Options, Store};

const SECRETS: KeyspaceId = KeyspaceId([1; 16]);
const POLICIES: KeyspaceId = KeyspaceId([2; 16]);
const LOCAL: KeyspaceId = KeyspaceId([3; 16]);

fn key(number: u32) -> Vec<u8> {
    format!("team/{number}").into_bytes()
}

fn value(number: u32) -> Vec<u8> {
    number.to_le_bytes().repeat(9)
}

/// A thousand secrets, one policy, and something that is not replicated.
fn store(folder: &tempfile::TempDir) -> Store {
    let store = Store::open(folder.path(), Options::default()).unwrap();
    let mut txn = store.begin();
    for (id, class) in
        [(SECRETS, Class::Replicated), (POLICIES, Class::Replicated), (LOCAL, Class::Local)]
    {
        txn.create_keyspace(id, class);
    }
    (0..1000).for_each(|number| txn.put(SECRETS, &key(number), value(number)));
    txn.put(POLICIES, b"default", b"allow".to_vec());
    txn.put(LOCAL, b"node", b"here".to_vec());
    txn.commit_blocking().unwrap();
    store
}

/// As it comes to someone who has the root from elsewhere.
fn sent(proof: &StoreProof) -> StoreProof {
    StoreProof::decode(&proof.encode()).unwrap()
}

#[test]
fn the_root_alone_tells_whether_a_proof_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let snapshot = store.snapshot();
    let root = snapshot.replicated_root();
    for number in [0, 7, 999] {
        let proof = sent(&snapshot.prove(Class::Replicated, SECRETS, &key(number)).unwrap());
        assert_eq!(proof.shows(&root, &SECRETS.0, (&key(number), &value(number))), Ok(true));
        assert_eq!(proof.shows(&root, &SECRETS.0, (&key(number), b"other")), Ok(false));
    }
    let absent = sent(&snapshot.prove(Class::Replicated, SECRETS, b"nothing").unwrap());
    assert_eq!(absent.verify(&root, &SECRETS.0, &KeyHash::of(b"nothing")), Ok(None));
    // What is not replicated is under another root.
    let local = sent(&snapshot.prove(Class::Replicated, LOCAL, b"node").unwrap());
    assert_eq!(local.verify(&root, &LOCAL.0, &KeyHash::of(b"node")), Ok(None));
    let local = sent(&snapshot.prove(Class::Local, LOCAL, b"node").unwrap());
    let local_root = snapshot.root(Class::Local);
    assert_eq!(local.shows(&local_root, &LOCAL.0, (b"node", b"here")), Ok(true));
    assert_eq!(local.shows(&root, &LOCAL.0, (b"node", b"here")), Err(ProofError::Mismatch));
}

/// A proof is of one moment: the snapshot's, whatever is written meanwhile, and of no other.
#[test]
fn a_proof_is_of_the_moment_of_its_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let snapshot = store.snapshot();
    let before = snapshot.replicated_root();
    let mut txn = store.begin();
    txn.put(POLICIES, b"default", b"deny".to_vec());
    txn.delete(SECRETS, &key(7));
    txn.commit_blocking().unwrap();
    store.checkpoint().unwrap();
    let after = store.root(Class::Replicated);
    let old = snapshot.prove(Class::Replicated, SECRETS, &key(7)).unwrap();
    let new = store.snapshot().prove(Class::Replicated, SECRETS, &key(7)).unwrap();
    assert_eq!(old.shows(&before, &SECRETS.0, (&key(7), &value(7))), Ok(true));
    assert_eq!(new.verify(&after, &SECRETS.0, &KeyHash::of(&key(7))), Ok(None));
    assert_eq!(old.verify(&after, &SECRETS.0, &KeyHash::of(&key(7))), Err(ProofError::Mismatch));
    assert_eq!(new.verify(&before, &SECRETS.0, &KeyHash::of(&key(7))), Err(ProofError::Mismatch));
}
