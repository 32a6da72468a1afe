//! Keys that come from elsewhere: imported, agreed on, certified.

use serde_json::{Value, json};

use super::super::hash::Hash;
use super::super::native::Pkey;
use super::super::wire::decode;
use super::super::{pem, wrapping};
use super::{b64, mount, text};
use crate::engine::testing::Harness;
use crate::logical::Operation::{List, Read, Write};
use rustls_pki_types::pem::SectionKind;

/// Key material wrapped for a mount, as a client does it.
fn wrapped(transit: &mut Harness, hash: Hash, material: &[u8]) -> String {
    let public = text(&transit.ok(Read, "wrapping_key", json!({}))["public_key"]);
    let public = Pkey::from_spki(&pem::decode(&public, SectionKind::PublicKey).unwrap()).unwrap();
    b64(wrapping::seal(&public, hash, material).unwrap())
}

fn exported(transit: &mut Harness, path: &str) -> Value {
    transit.ok(Read, &format!("export/{path}"), json!({}))["keys"].clone()
}

#[test]
fn the_wrapping_key_is_listed_as_a_folder() {
    let mut transit = mount();
    for name in ["a", "z"] {
        transit.ok(Write, &format!("keys/{name}"), json!({}));
    }
    assert_eq!(transit.ok(List, "keys", json!({}))["keys"], json!(["a", "z"]));
    transit.ok(Read, "wrapping_key", json!({}));
    assert_eq!(transit.ok(List, "keys", json!({}))["keys"], json!(["a", "import/", "z"]));
}

#[test]
fn what_is_exported_can_be_imported() {
    let mut transit = mount();
    for (kind, what) in [
        ("aes128-gcm96", "encryption-key"),
        ("xchacha20-poly1305", "encryption-key"),
        ("ed25519", "signing-key"),
        ("ecdsa-p521", "signing-key"),
        ("rsa-2048", "signing-key"),
        ("mldsa-65", "signing-key"),
    ] {
        transit.ok(Write, &format!("keys/{kind}"), json!({"type": kind, "exportable": true}));
        let path = format!("{what}/{kind}");
        let form = if what == "signing-key" { "?format=der" } else { "" };
        let material =
            decode(&text(&exported(&mut transit, &format!("{path}{form}"))["1"])).unwrap();
        let ciphertext = wrapped(&mut transit, Hash::Sha384, &material);
        let name = format!("i-{kind}");
        let body = json!({"type": kind, "ciphertext": ciphertext, "hash_function": "SHA384", "exportable": true});
        transit.ok(Write, &format!("keys/{name}/import"), body);
        assert_eq!(
            exported(&mut transit, &format!("{what}/{name}")),
            exported(&mut transit, &path)
        );
        let info = transit.ok(Read, &format!("keys/{name}"), json!({}));
        assert_eq!(
            (&info["imported_key"], &info["imported_key_allow_rotation"]),
            (&json!(true), &json!(false))
        );
        assert_eq!(transit.status(Write, &format!("keys/{name}/rotate"), json!({})), 400);
    }
}

#[test]
fn imports_are_checked() {
    let mut transit = mount();
    let key = wrapped(&mut transit, Hash::Sha256, &[1; 32]);
    let mut broken = decode(&key).unwrap();
    *broken.last_mut().unwrap() ^= 1;
    for body in [
        json!({}),
        json!({"ciphertext": "AAAA"}),
        json!({"ciphertext": "!!"}),
        json!({"ciphertext": 5}),
        json!({"ciphertext": b64([1; 600])}),
        json!({"ciphertext": b64(&broken)}),
        json!({"ciphertext": key, "hash_function": "SHA1"}),
        json!({"ciphertext": key, "hash_function": "x"}),
        json!({"ciphertext": key, "type": "x"}),
        json!({"ciphertext": key, "type": "aes128-gcm96"}),
        json!({"ciphertext": key, "type": "ecdsa-p256"}),
        json!({"ciphertext": key, "type": "ed25519"}),
        json!({"ciphertext": key, "auto_rotate_period": "1h"}),
        json!({"public_key": "x", "type": "ed25519"}),
    ] {
        assert_eq!(transit.status(Write, "keys/k/import", body.clone()), 400, "{body}");
    }
    assert_eq!(transit.status(Read, "keys/k", json!({})), 404);
    transit.ok(Write, "keys/own", json!({}));
    let body = json!({"ciphertext": key, "allow_rotation": true});
    for path in ["keys/own/import", "keys/own/import_version", "keys/none/import_version"] {
        assert_eq!(transit.status(Write, path, body.clone()), 400, "{path}");
    }
    transit.ok(Write, "keys/k/import", body.clone());
    transit.ok(Write, "keys/k/import_version", body.clone());
    transit.ok(Write, "keys/k/rotate", json!({}));
    // Once it was rotated here, it is this server's.
    assert_eq!(transit.status(Write, "keys/k/import_version", body), 400);
    assert_eq!(transit.ok(Read, "keys/k", json!({}))["latest_version"], 3);
}

#[test]
fn a_public_key_verifies_until_its_private_half_comes() {
    let mut transit = mount();
    for kind in ["ed25519", "ecdsa-p256", "rsa-2048", "mldsa-44"] {
        transit.ok(Write, &format!("keys/{kind}"), json!({"type": kind, "exportable": true}));
        let public = text(&exported(&mut transit, &format!("public-key/{kind}?format=pem"))["1"]);
        let name = format!("p-{kind}");
        let may = json!({"type": kind, "public_key": public, "exportable": true, "allow_plaintext_backup": true});
        transit.ok(Write, &format!("keys/{name}/import"), may);
        let input = b64("hello");
        let signed = transit.ok(Write, &format!("sign/{kind}"), json!({"input": input}));
        let check = json!({"input": input, "signature": signed["signature"]});
        assert_eq!(transit.ok(Write, &format!("verify/{name}"), check.clone())["valid"], true);
        let (status, error) =
            transit.error(Write, &format!("sign/{name}"), json!({"input": input}));
        assert_eq!(status, 400);
        assert!(error.ends_with("does not contain a private part"), "{error}");
        assert_eq!(exported(&mut transit, &format!("signing-key/{name}"))["1"], "");
        let backup = transit.ok(Read, &format!("backup/{name}"), json!({}));
        transit.ok(Write, &format!("restore/r-{kind}"), backup);
        assert_eq!(transit.ok(Write, &format!("verify/r-{kind}"), check)["valid"], true);

        let der = text(&exported(&mut transit, &format!("signing-key/{kind}?format=der"))["1"]);
        let ciphertext = wrapped(&mut transit, Hash::Sha256, &decode(&der).unwrap());
        let path = format!("keys/{name}/import_version");
        assert_eq!(transit.status(Write, &path, json!({"public_key": public, "version": 1})), 400);
        assert_eq!(
            transit.status(Write, &path, json!({"ciphertext": ciphertext, "version": 9})),
            400
        );
        transit.ok(Write, &path, json!({"ciphertext": ciphertext}));
        transit.ok(Write, &format!("sign/{name}"), json!({"input": input}));
        assert_eq!(transit.ok(Read, &format!("keys/{name}"), json!({}))["latest_version"], 1);
    }
    // The private half of another key is no half of this one, but a version of its own.
    transit.ok(Write, "keys/other", json!({"type": "ecdsa-p256", "exportable": true}));
    let der = text(&exported(&mut transit, "signing-key/other?format=der")["1"]);
    let ciphertext = wrapped(&mut transit, Hash::Sha256, &decode(&der).unwrap());
    let public = text(&exported(&mut transit, "public-key/ecdsa-p256?format=pem")["1"]);
    let own = json!({"type": "ecdsa-p256", "public_key": public});
    transit.ok(Write, "keys/two/import", own);
    let path = "keys/two/import_version";
    let first = json!({"ciphertext": ciphertext, "version": 1});
    assert_eq!(transit.status(Write, path, first), 400);
    transit.ok(Write, path, json!({"ciphertext": ciphertext}));
    assert_eq!(transit.ok(Read, "keys/two", json!({}))["latest_version"], 2);
}

#[test]
fn a_key_travels_wrapped_between_mounts() {
    let (mut from, mut to) = (mount(), mount());
    let public = to.ok(Read, "wrapping_key", json!({}))["public_key"].clone();
    from.ok(Write, "keys/to/import", json!({"type": "rsa-4096", "public_key": public}));
    from.ok(Write, "keys/k", json!({"exportable": true}));
    from.ok(Write, "keys/closed", json!({}));
    let sealed = from.ok(Write, "encrypt/k", json!({"plaintext": b64("x")}));
    let keys = from.ok(Read, "byok-export/to/k", json!({}))["keys"].clone();
    to.ok(Write, "keys/k/import", json!({"ciphertext": keys["1"]}));
    let opened = to.ok(Write, "decrypt/k", json!({"ciphertext": sealed["ciphertext"]}));
    assert_eq!(opened["plaintext"], b64("x"));
    for path in ["to/none", "none/k", "to/closed", "k/k", "to/k/9", "to/k/x", "to/to"] {
        assert_eq!(from.status(Read, &format!("byok-export/{path}"), json!({})), 400, "{path}");
    }
}

#[test]
fn two_parties_agree_on_a_key() {
    let mut transit = mount();
    for name in ["a", "b"] {
        transit.ok(Write, &format!("keys/{name}"), json!({"type": "ecdsa-p521"}));
    }
    let public = |transit: &mut Harness, name: &str| {
        transit.ok(Read, &format!("keys/{name}"), json!({}))["keys"]["1"]["public_key"].clone()
    };
    let (of_a, of_b) = (public(&mut transit, "a"), public(&mut transit, "b"));
    let with = |base: &str, peer: &Value| json!({"base_key_name": base, "peer_public_key": peer});
    transit.ok(Write, "derive-key/ab", with("a", &of_b));
    transit.ok(Write, "derive-key/ba", with("b", &of_a));
    let sealed = transit.ok(Write, "encrypt/ab", json!({"plaintext": b64("x")}));
    let body = json!({"ciphertext": sealed["ciphertext"]});
    assert_eq!(transit.ok(Write, "decrypt/ba", body)["plaintext"], b64("x"));
    transit.ok(Write, "derive-key/ab", with("a", &of_b));
    assert_eq!(transit.ok(Read, "keys/ab", json!({}))["latest_version"], 2);
    transit.ok(Write, "keys/p256", json!({"type": "ecdsa-p256"}));
    for body in [
        json!({}),
        json!({"peer_public_key": of_b}),
        with("none", &of_b),
        with("ab", &of_b),
        with("p256", &of_b),
        with("a", &json!("x")),
        json!({"base_key_name": "a", "peer_public_key": of_b, "derived_key_type": "ed25519"}),
        json!({"base_key_name": "a", "peer_public_key": of_b, "key_derivation_algorithm": "x"}),
        json!({"base_key_name": "a", "peer_public_key": of_b, "base_key_version": 2}),
    ] {
        assert_eq!(transit.status(Write, "derive-key/new", body.clone()), 400, "{body}");
    }
    assert_eq!(transit.status(Write, "derive-key/p256", with("a", &of_b)), 400);
}
