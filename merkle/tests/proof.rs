//! Proofs: right for what is there and what is not, worthless after any change.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::needless_for_each)]

mod common;

use common::{Edit, Mem, Model, apply, batches, crowded_hash, mem, reference_root, spread_hash};
use proptest::prelude::*;
use strongroom_merkle::{Digest, KeyHash, Proof, ProofError};

proptest! {
    #[test]
    fn every_key_can_be_proven_in_or_out(
        batches in batches(),
        others in prop::collection::vec(crowded_hash(), 10),
    ) {
        let mut model = Model::new();
        let mut view = mem();
        for batch in batches {
            common::apply_to_model(&mut model, &batch);
            apply(&mut view, &batch);
        }
        let root = reference_root(&model);
        for hash in model.keys().chain(&others) {
            let bytes = view.prove(hash).unwrap().encode();
            prop_assert!(bytes.len() <= Proof::MAX_ENCODED_BYTES);
            let proof = Proof::decode(&bytes).unwrap();
            let there = model.get(hash).map(|(digest, _)| *digest);
            prop_assert_eq!(proof.verify(&root, hash), Ok(there));
        }
    }

    // A proof for one key may serve for others of the same page; it never says a wrong thing.
    #[test]
    fn a_proof_never_lies_about_another_key(
        batches in batches(),
        a in crowded_hash(),
        b in crowded_hash(),
    ) {
        let mut model = Model::new();
        let mut view = mem();
        for batch in batches {
            common::apply_to_model(&mut model, &batch);
            apply(&mut view, &batch);
        }
        if let Ok(found) = view.prove(&a).unwrap().verify(&view.root(), &b) {
            prop_assert_eq!(found, model.get(&b).map(|(digest, _)| *digest));
        }
    }

    #[test]
    fn any_bytes_decode_to_themselves_or_not_at_all(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        start: bool,
    ) {
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

/// A trie, and hashes: of a key in it, of one whose page has others, of one in an empty side.
fn sample() -> (Mem, Vec<KeyHash>) {
    let mut view = mem();
    let mut edits: Vec<Edit> = (0..300).map(|key| Edit::of(key, Some(key))).collect();
    // Seventeen of one long path leave the sides along it empty.
    edits.extend((0..17u8).map(|last| {
        let mut hash = [0xee; KeyHash::BYTES];
        hash[5] = last;
        Edit::at(KeyHash(hash), Some(1))
    }));
    apply(&mut view, &edits);
    (view, vec![spread_hash(7), spread_hash(1_000), KeyHash([0xef; KeyHash::BYTES])])
}

#[test]
fn every_flipped_bit_spoils_a_proof() {
    let (view, hashes) = sample();
    for hash in hashes {
        let bytes = view.prove(&hash).unwrap().encode();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1 << bit;
                let verdict = Proof::decode(&bytes).and_then(|p| p.verify(&view.root(), &hash));
                assert!(verdict.is_err(), "byte {at} bit {bit}");
            }
        }
    }
}

#[test]
fn cut_or_lengthened_proofs_are_malformed() {
    let (view, hashes) = sample();
    for hash in hashes {
        let mut bytes = view.prove(&hash).unwrap().encode();
        for len in 0..bytes.len() {
            assert_eq!(Proof::decode(&bytes[..len]), Err(ProofError::Malformed));
        }
        bytes.push(0);
        assert_eq!(Proof::decode(&bytes), Err(ProofError::Malformed));
    }
}

#[test]
fn a_later_version_is_named() {
    let (view, hashes) = sample();
    let mut bytes = view.prove(&hashes[0]).unwrap().encode();
    bytes[0] = 2;
    assert_eq!(Proof::decode(&bytes), Err(ProofError::Version(2)));
}

#[test]
fn an_empty_trie_proves_absence() {
    let hash = spread_hash(1);
    let proof = mem().prove(&hash).unwrap();
    assert_eq!(proof.encode(), [1, 0, 0]);
    assert_eq!(proof.verify(&Digest::ZERO, &hash), Ok(None));
    assert_eq!(proof.verify(&Digest([1; 32]), &hash), Err(ProofError::Mismatch));
}

// Without the zero check a sibling could be listed as "there, but zero": two encodings, one proof.
#[test]
fn second_encodings_are_malformed() {
    let sibling = |digest: u8, rest: &[u8]| [&[1, 1, 1][..], &[digest; 32], rest].concat();
    assert!(Proof::decode(&sibling(1, &[0])).is_ok());
    assert_eq!(Proof::decode(&sibling(0, &[0])), Err(ProofError::Malformed));
    // Bits of the map beyond the levels.
    assert_eq!(Proof::decode(&[1, 1, 2, 0]), Err(ProofError::Malformed));
    // Levels that no path has; leaves that no group has; leaves out of order.
    assert_eq!(Proof::decode(&[&[1, 191][..], &[0; 24], &[0]].concat()).map(|_| ()), Ok(()));
    assert_eq!(
        Proof::decode(&[&[1, 192][..], &[0; 24], &[0]].concat()),
        Err(ProofError::Malformed)
    );
    let leaves = |order: &[u8]| {
        let leaf = |spot: &u8| [vec![*spot; 24], vec![1; 32]].concat();
        [vec![1, 0, u8::try_from(order.len()).unwrap()], order.iter().flat_map(leaf).collect()]
            .concat()
    };
    assert!(Proof::decode(&leaves(&(0..16).collect::<Vec<_>>())).is_ok());
    for order in [&(0..17).collect::<Vec<_>>()[..], &[2, 1], &[1, 1]] {
        assert_eq!(Proof::decode(&leaves(order)), Err(ProofError::Malformed));
    }
}

// A leaf of another page in the group would make "not among these" worthless.
#[test]
fn leaves_off_the_path_are_refused() {
    let mut view = mem();
    apply(&mut view, &(0..40).map(|key| Edit::of(key, Some(key))).collect::<Vec<_>>());
    let hash = spread_hash(3);
    let other = (0..40).map(spread_hash).find(|other| other.0[0] >> 7 != hash.0[0] >> 7).unwrap();
    let proof = view.prove(&hash).unwrap();
    assert_eq!(proof.verify(&view.root(), &other), Err(ProofError::Mismatch));
}
