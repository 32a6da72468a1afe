//! Every type of key: what it can do, and what an `OpenBao` 2.7.2 server made with it.

use serde_json::{Value, json};

use super::{b64, mount, text};
use crate::engine::testing::Harness;
use crate::logical::Operation::{Delete, Read, Write};

const HASHES: [&str; 9] = [
    "sha1", "sha2-224", "sha2-256", "sha2-384", "sha2-512", "sha3-224", "sha3-256", "sha3-384",
    "sha3-512",
];
const SIGNING: [&str; 6] =
    ["ed25519", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa-2048", "mldsa-44"];

fn with(kinds: &[&str]) -> Harness {
    let mut transit = mount();
    for kind in kinds {
        let mut body = json!({"type": kind, "exportable": true, "allow_plaintext_backup": true});
        if *kind == "hmac" {
            body["key_size"] = json!(64);
        }
        transit.ok(Write, &format!("keys/{kind}"), body);
    }
    transit
}

fn valid(transit: &mut Harness, kind: &str, body: &Value) -> bool {
    transit.ok(Write, &format!("verify/{kind}"), body.clone())["valid"] == true
}

fn merged(mut body: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[test]
fn what_another_server_made_is_read() {
    let all: Value = serde_json::from_str(include_str!("openbao-keys.json")).unwrap();
    for key in all.as_array().unwrap() {
        let mut transit = mount();
        let kind = key["type"].as_str().unwrap();
        transit.ok(Write, "restore/k", json!({"backup": key["backup"]}));
        for ciphertext in key["ciphertexts"].as_array().unwrap() {
            let body = json!({"ciphertext": ciphertext, "context": b64("hello")});
            assert_eq!(transit.ok(Write, "decrypt/k", body)["plaintext"], b64("hello"), "{kind}");
            if kind.starts_with("xchacha") {
                let body = json!({"plaintext": b64("hello"), "context": b64("hello")});
                assert_eq!(transit.ok(Write, "encrypt/k", body)["ciphertext"], *ciphertext);
            }
        }
        for made in key["signatures"].as_array().unwrap() {
            let body = json!({"input": b64("hello"), "signature": made["signature"]});
            let body = merged(body, &made["options"]);
            assert!(valid(&mut transit, "k", &body), "{kind} {body}");
            let body = merged(body, &json!({"input": b64("other")}));
            assert!(!valid(&mut transit, "k", &body), "{kind} {body}");
        }
        for made in key["hmacs"].as_array().unwrap() {
            let algorithm = made["algorithm"].as_str().unwrap();
            let body = json!({"input": b64("hello")});
            let mac = transit.ok(Write, &format!("hmac/k/{algorithm}"), body);
            assert_eq!(mac["hmac"], made["hmac"], "{kind} {algorithm}");
        }
        // What was read is written the same way again, but for the times.
        let again = transit.ok(Read, "backup/k", json!({}));
        transit.ok(Write, "restore/l", again);
        let keys = |transit: &mut Harness, name: &str| {
            transit.ok(Read, &format!("export/hmac-key/{name}"), json!({}))["keys"].clone()
        };
        assert_eq!(keys(&mut transit, "k"), keys(&mut transit, "l"));
    }
}

#[test]
fn signatures_verify_with_every_hash_and_form() {
    let mut transit = with(&SIGNING);
    let input = b64("hello");
    for kind in SIGNING {
        for hash in HASHES {
            for options in [
                json!({}),
                json!({"marshaling_algorithm": "jws"}),
                json!({"signature_algorithm": "pkcs1v15"}),
                json!({"salt_length": "hash"}),
                json!({"salt_length": 12}),
            ] {
                let body = merged(json!({"input": input, "hash_algorithm": hash}), &options);
                let signed = transit.ok(Write, &format!("sign/{kind}"), body.clone());
                let body = merged(body, &json!({"signature": signed["signature"]}));
                assert!(valid(&mut transit, kind, &body), "{kind} {body}");
                let body = merged(body, &json!({"input": b64("other")}));
                assert!(!valid(&mut transit, kind, &body), "{kind} {body}");
            }
        }
        // The same digest, whoever makes it.
        if kind.starts_with("ecdsa") || kind.starts_with("rsa") {
            let sum =
                transit.ok(Write, "hash/sha2-384", json!({"input": input, "format": "base64"}));
            let body =
                json!({"input": sum["sum"], "hash_algorithm": "sha2-384", "prehashed": true});
            let signed = transit.ok(Write, &format!("sign/{kind}"), body);
            let signature = &signed["signature"];
            let body =
                json!({"input": input, "hash_algorithm": "sha2-384", "signature": signature});
            assert!(valid(&mut transit, kind, &body), "{kind}");
        }
    }
}

#[test]
fn options_that_do_not_fit_the_key_are_named() {
    let mut transit = with(&["rsa-2048", "ecdsa-p256", "mldsa-44", "hmac"]);
    let input = b64("hello");
    let none = "hash_algorithm=none requires both prehashed=true and signature_algorithm=pkcs1v15";
    let mu = "hash_algorithm=mldsa-mu requires prehashed=true and a ML-DSA compatible key";
    for (path, options, want) in [
        ("sign/rsa-2048", json!({"hash_algorithm": "none"}), none),
        ("sign/ecdsa-p256", json!({"hash_algorithm": "none", "prehashed": true}), none),
        ("sign/rsa-2048", json!({"hash_algorithm": "mldsa-mu", "prehashed": true}), mu),
        ("sign/mldsa-44", json!({"hash_algorithm": "mldsa-mu"}), mu),
        (
            "sign/rsa-2048",
            json!({"prehashed": true}),
            "crypto/rsa: input must be hashed with given hash",
        ),
        (
            "sign/rsa-2048",
            json!({"signature_algorithm": "x"}),
            "unsupported rsa signature algorithm x",
        ),
        ("sign/rsa-2048", json!({"salt_length": 500}), "requested salt length 500 is invalid"),
        ("sign/rsa-2048", json!({"salt_length": -5}), "salt length is invalid: -5"),
        ("sign/hmac", json!({}), "key type hmac does not support signing"),
        (
            "verify/ecdsa-p256",
            json!({"signature": "vault:v1:AAAA"}),
            "supplied signature is invalid",
        ),
        (
            "verify/mldsa-44",
            json!({"signature": "vault:v1:AAAA", "hash_algorithm": "mldsa-mu"}),
            "hash_algorithm=mldsa-mu does not support verification",
        ),
    ] {
        let body = merged(json!({"input": input}), &options);
        assert_eq!(transit.error(Write, path, body), (400, want.to_owned()), "{path} {options}");
    }
    for body in [
        json!({"input": input, "signature": "vault:v1:AAAA"}),
        json!({"input": input, "signature": "vault:v1:AAAA", "prehashed": true}),
    ] {
        assert!(!valid(&mut transit, "rsa-2048", &body));
        assert!(!valid(&mut transit, "mldsa-44", &body));
    }
    let mu = json!({"input": b64([7; 64]), "hash_algorithm": "mldsa-mu", "prehashed": true});
    transit.ok(Write, "sign/mldsa-44", mu);
    let short = json!({"input": b64([7; 63]), "hash_algorithm": "mldsa-mu", "prehashed": true});
    assert_eq!(transit.status(Write, "sign/mldsa-44", short), 400);
}

#[test]
fn rsa_keys_encrypt_what_fits_them() {
    let mut transit = with(&["rsa-2048"]);
    for message in ["", "hello", &"a".repeat(190)] {
        let body = json!({"plaintext": b64(message)});
        let sealed = transit.ok(Write, "encrypt/rsa-2048", body);
        let sealed =
            transit.ok(Write, "rewrap/rsa-2048", json!({"ciphertext": sealed["ciphertext"]}));
        let opened =
            transit.ok(Write, "decrypt/rsa-2048", json!({"ciphertext": sealed["ciphertext"]}));
        assert_eq!(opened["plaintext"], b64(message));
    }
    for (path, body) in [
        ("encrypt/rsa-2048", json!({"plaintext": b64("a".repeat(191))})),
        ("encrypt/rsa-2048", json!({"plaintext": "", "associated_data": b64("x")})),
        ("decrypt/rsa-2048", json!({"ciphertext": "vault:v1:AAAA"})),
        ("decrypt/rsa-2048", json!({"ciphertext": "vault:v1:AAAA", "associated_data": b64("x")})),
        ("datakey/plaintext/rsa-2048", json!({"associated_data": b64("x")})),
    ] {
        assert_eq!(transit.status(Write, path, body), 400, "{path}");
    }
    let made = transit.ok(Write, "datakey/plaintext/rsa-2048", json!({"bits": 512}));
    let body = json!({"ciphertext": made["ciphertext"]});
    assert_eq!(transit.ok(Write, "decrypt/rsa-2048", body)["plaintext"], made["plaintext"]);
}

#[test]
fn keys_are_exported_in_the_forms_of_their_type() {
    let mut transit = with(&["ecdsa-p384", "rsa-2048", "mldsa-44", "ed25519", "hmac"]);
    for (path, head) in [
        ("signing-key/ecdsa-p384", "-----BEGIN EC PRIVATE KEY-----\n"),
        ("signing-key/ecdsa-p384?format=pem", "-----BEGIN PRIVATE KEY-----\n"),
        ("signing-key/ecdsa-p384?format=der", "MIG2"),
        ("public-key/ecdsa-p384", "-----BEGIN PUBLIC KEY-----\n"),
        ("public-key/ecdsa-p384?format=der", "MHYw"),
        ("encryption-key/rsa-2048", "-----BEGIN RSA PRIVATE KEY-----\n"),
        ("signing-key/rsa-2048?format=pem", "-----BEGIN PRIVATE KEY-----\n"),
        ("public-key/rsa-2048", "-----BEGIN PUBLIC KEY-----\n"),
        ("signing-key/mldsa-44?format=der", "MDQCAQAwCwYJYIZIAWUDBAMRBCKAI"),
        ("public-key/mldsa-44?format=der", "MIIFMjALBglghkgBZQMEAxEDggUhA"),
        ("public-key/ed25519?format=pem", "-----BEGIN PUBLIC KEY-----\n"),
    ] {
        let exported = transit.ok(Read, &format!("export/{path}"), json!({}));
        let exported = text(&exported["keys"]["1"]);
        assert!(exported.starts_with(head), "{path}: {exported}");
    }
    for path in [
        "signing-key/ecdsa-p384?format=raw",
        "public-key/rsa-2048?format=raw",
        "hmac-key/hmac?format=der",
        "encryption-key/hmac",
        "signing-key/hmac",
        "public-key/hmac",
        "certificate-chain/hmac",
        "certificate-chain/ed25519",
    ] {
        assert_eq!(transit.status(Read, &format!("export/{path}"), json!({})), 400, "{path}");
    }
}

#[test]
fn hmac_keys_have_a_size_and_no_versions_to_show() {
    let mut transit = with(&["hmac"]);
    let info = transit.ok(Read, "keys/hmac", json!({}));
    assert_eq!((&info["key_size"], info.get("keys")), (&json!(64), None));
    transit.ok(Write, "keys/hmac/rotate", json!({}));
    for size in [json!(31), json!(513), json!(-1), json!(100_000), json!("x")] {
        let body = json!({"type": "hmac", "key_size": size});
        assert_eq!(transit.status(Write, "keys/other", body), 400, "{size}");
    }
    let derived = json!({"type": "rsa-2048", "derived": true});
    assert_eq!(transit.status(Write, "keys/other", derived), 400);
}

#[test]
fn a_softly_deleted_key_is_out_of_use_until_it_is_restored() {
    let mut transit = with(&["ecdsa-p256"]);
    let path = "keys/ecdsa-p256/soft-delete";
    assert_eq!(transit.ok(Delete, path, json!({}))["soft_deleted"], true);
    assert!(!transit.raw(Delete, path, "").unwrap().warnings.is_empty());
    let input = json!({"input": b64("x")});
    for (op, path) in [
        (Write, "sign/ecdsa-p256"),
        (Write, "hmac/ecdsa-p256"),
        (Write, "keys/ecdsa-p256/rotate"),
        (Write, "keys/ecdsa-p256/csr"),
        (Read, "export/public-key/ecdsa-p256"),
        (Read, "backup/ecdsa-p256"),
    ] {
        let (status, error) = transit.error(op, path, input.clone());
        assert_eq!((status, error.as_str()), (400, "refusing to use soft-deleted key"), "{path}");
    }
    let restore = "keys/ecdsa-p256/soft-delete-restore";
    assert_eq!(transit.ok(Write, restore, json!({}))["soft_deleted"], false);
    transit.ok(Write, "sign/ecdsa-p256", input);
    assert_eq!(transit.status(Write, "keys/none/soft-delete-restore", json!({})), 204);
}
