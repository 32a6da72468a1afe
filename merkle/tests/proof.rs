//! Proofs: right for what is there and what is not, worthless after any change.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::needless_for_each)]

mod common;

use common::{batches, crowded_hash, reference_root, spread_hash, spread_leaf};
use proptest::prelude::*;
use strongroom_merkle::{Digest, KeyHash, Proof, ProofError, Trie};

proptest! {
    #[test]
    fn every_key_can_be_proven_in_or_out(batches in batches(), others in prop::collection::vec(crowded_hash(), 10)) {
        let mut model = common::Model::new();
        let mut trie = Trie::new();
        for batch in batches {
            common::apply_to_model(&mut model, &batch);
            trie.apply(batch);
        }
        let root = reference_root(&model);
        for hash in model.keys().chain(&others) {
            let bytes = trie.prove(hash).encode();
            prop_assert!(bytes.len() <= Proof::MAX_ENCODED_BYTES);
            let proof = Proof::decode(&bytes).unwrap();
            prop_assert_eq!(proof.verify(&root, hash), Ok(model.get(hash).copied()));
        }
    }

    #[test]
    fn a_proof_says_nothing_about_another_key(a in crowded_hash(), b in crowded_hash(), c in crowded_hash()) {
        prop_assume!(a != b);
        let mut trie = Trie::new();
        trie.apply(vec![(a, Some(common::leaf(a, 1))), (c, Some(common::leaf(c, 2)))]);
        // An empty slot or a leaf in the way may prove the absence of both; presence never.
        if let Ok(found) = trie.prove(&a).verify(&trie.root(), &b) {
            prop_assert_eq!(found, None);
            prop_assert!(trie.get(&b).is_none());
        }
    }

    #[test]
    fn any_bytes_decode_to_themselves_or_not_at_all(bytes in prop::collection::vec(any::<u8>(), 0..300), start: bool) {
        let mut bytes = bytes;
        if start {
            bytes.splice(..0, [1, 1]);
        }
        if let Ok(proof) = Proof::decode(&bytes) {
            prop_assert_eq!(proof.encode(), bytes);
            let _ = proof.verify(&Digest::ZERO, &spread_hash(0));
        }
    }
}

fn sample() -> (Trie<common::TestLeaf>, Vec<KeyHash>) {
    let mut trie = Trie::new();
    trie.apply((0..300).map(|key| (spread_hash(key), Some(spread_leaf(key, key)))).collect());
    let ends = |hash: &KeyHash| trie.prove(hash).encode();
    // One key of each ending: in the trie, an empty slot, another leaf in the way.
    let absent = (300..10_000).map(spread_hash);
    let empty = absent.clone().find(|hash| ends(hash).last_chunk() == Some(&[2u8])).unwrap();
    let len_of_leaf = |hash: &KeyHash| Proof::decode(&ends(hash)).unwrap();
    let other =
        absent.clone().find(|hash| format!("{:?}", len_of_leaf(hash)).contains("Other")).unwrap();
    (trie, vec![spread_hash(7), empty, other])
}

#[test]
fn every_flipped_bit_spoils_a_proof() {
    let (trie, hashes) = sample();
    for hash in hashes {
        let bytes = trie.prove(&hash).encode();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1 << bit;
                let verdict = Proof::decode(&bytes).and_then(|p| p.verify(&trie.root(), &hash));
                assert!(verdict.is_err(), "byte {at} bit {bit}");
            }
        }
    }
}

#[test]
fn cut_or_lengthened_proofs_are_malformed() {
    let (trie, hashes) = sample();
    for hash in hashes {
        let mut bytes = trie.prove(&hash).encode();
        for len in 0..bytes.len() {
            assert_eq!(Proof::decode(&bytes[..len]), Err(ProofError::Malformed));
        }
        bytes.push(0);
        assert_eq!(Proof::decode(&bytes), Err(ProofError::Malformed));
    }
}

#[test]
fn a_later_version_is_named() {
    let (trie, hashes) = sample();
    let mut bytes = trie.prove(&hashes[0]).encode();
    bytes[0] = 2;
    assert_eq!(Proof::decode(&bytes), Err(ProofError::Version(2)));
}

#[test]
fn an_empty_trie_proves_absence() {
    let trie = Trie::<common::TestLeaf>::new();
    let hash = spread_hash(1);
    assert_eq!(trie.prove(&hash).verify(&trie.root(), &hash), Ok(None));
}

// Without the zero check a sibling could be listed as "there, but zero": two encodings, one proof.
#[test]
fn a_listed_empty_slot_is_malformed() {
    let trie = Trie::<common::TestLeaf>::new();
    let mut bytes = trie.prove(&spread_hash(1)).encode();
    assert_eq!(bytes[..4], [1, 1, 0, 0]);
    bytes[2] = 1;
    bytes.splice(4..4, [0; 32]);
    assert_eq!(Proof::decode(&bytes), Err(ProofError::Malformed));
}
