//! A proof is what it encodes to, or none; checking one never panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use strongroom_merkle::{Digest, KeyHash, Proof, StoreProof};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(proof) = Proof::decode(bytes) {
        assert_eq!(proof.encode(), bytes);
        assert!(bytes.len() <= Proof::MAX_ENCODED_BYTES);
        assert!(proof.verify(&Digest([1; 32]), &KeyHash([0x5a; KeyHash::BYTES])).is_err());
    }
    if let Ok(proof) = StoreProof::decode(bytes) {
        assert_eq!(proof.encode(), bytes);
        assert!(proof.verify(&Digest([1; 32]), &[1; 16], &KeyHash([0x5a; KeyHash::BYTES])).is_err());
    }
});
