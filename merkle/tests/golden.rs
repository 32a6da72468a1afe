//! Bytes that must never change under their version: roots, proofs and messages.
//!
//! After a deliberate change of format, with a new version number, `STRONGROOM_BLESS=1` writes the
//! files anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::needless_for_each)]

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use common::{Edit, Mem, apply, mem, spread_hash};
use strongroom_merkle::reconcile::{Initiator, Responder};
use strongroom_merkle::{KeyHash, StoreProof, composite, leaf_digest};

fn check(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("STRONGROOM_BLESS").is_some() {
        std::fs::write(&path, actual).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), actual, "{name}");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn trie(keys: std::ops::Range<u64>) -> Mem {
    let mut view = mem();
    apply(&mut view, &keys.map(|key| Edit::of(key, Some(key))).collect::<Vec<_>>());
    view
}

#[test]
fn roots() {
    let mut out = String::new();
    let mut line = |name: &str, digest: &dyn std::fmt::Display| {
        let _ = writeln!(out, "{name} {digest}");
    };
    line("key-hash(secret/a)", &KeyHash::of(b"secret/a"));
    line("leaf(secret/a,value)", &leaf_digest(b"secret/a", b"value"));
    line("leaf(,)", &leaf_digest(b"", b""));
    for count in [0, 1, 2, 16, 17, 1_000] {
        line(&format!("root({count})"), &trie(0..count).root());
    }
    line("composite()", &composite([].into_iter()));
    let roots = [([2; 16], trie(0..2).root()), ([1; 16], trie(0..1).root())];
    line("composite(1,2)", &composite(roots.into_iter()));
    check("roots-v1.txt", &out);
}

#[test]
fn proofs() {
    let trie = trie(0..20);
    let mut out = String::new();
    for key in 18..24 {
        let _ = writeln!(out, "{key} {}", hex(&trie.prove(&spread_hash(key)).unwrap().encode()));
    }
    check("proofs-v1.txt", &out);
}

#[test]
fn store_proofs() {
    let roots = [([2; 16], trie(0..2).root()), ([1; 16], trie(0..20).root())];
    let mut out = String::new();
    for key in [19, 20] {
        let within = trie(0..20).prove(&spread_hash(key)).unwrap();
        let proof = StoreProof::new(roots, Some(within));
        let _ = writeln!(out, "{key} {}", hex(&proof.encode()));
    }
    let _ = writeln!(out, "absent {}", hex(&StoreProof::new(roots, None).encode()));
    check("store-proofs-v1.txt", &out);
}

#[test]
fn messages() {
    let id = |number| [number; 16];
    let here = BTreeMap::from([(id(1), trie(0..90)), (id(2), trie(0..5)), (id(4), trie(0..1))]);
    let there = BTreeMap::from([(id(1), trie(3..91)), (id(2), trie(0..5)), (id(3), trie(0..1))]);
    let mut initiator = Initiator::with_salt(here, *b"golden salt, v1.");
    let responder = Responder::new(there);
    let mut out = String::new();
    while let Some(request) = initiator.next_request() {
        let _ = writeln!(out, "request {}", hex(&request));
        for response in responder.answer(&request).unwrap() {
            let response = response.unwrap();
            let _ = writeln!(out, "response {}", hex(&response));
            initiator.on_response(&response).unwrap();
        }
    }
    let differences = initiator.finish().unwrap();
    let _ = writeln!(out, "missing here {:02x?}", differences.missing_here);
    let _ = writeln!(out, "extra here {:02x?}", differences.extra_here);
    for (id, diff) in &differences.keyspaces {
        for key in &diff.fetch {
            let _ = writeln!(out, "{} fetch {key}", hex(id));
        }
        for key in &diff.delete {
            let _ = writeln!(out, "{} delete {key}", hex(id));
        }
    }
    check("reconcile-v3.txt", &out);
}
