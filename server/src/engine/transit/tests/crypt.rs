//! encrypt, decrypt, rewrap and datakey.

use serde_json::{Value, json};

use super::super::wire::BASE64;
use super::{b64, mount, text, with_key};
use crate::engine::testing::Harness;
use crate::logical::Operation::{Read, Write};
use base64::Engine;

pub(super) const KINDS: &[&str] = &["aes128-gcm96", "aes256-gcm96", "chacha20-poly1305"];

fn encrypt(transit: &mut Harness, body: Value) -> String {
    text(&transit.ok(Write, "encrypt/k", body)["ciphertext"])
}

fn error(transit: &mut Harness, path: &str, body: Value) -> String {
    let (status, message) = transit.error(Write, path, body);
    assert_eq!(status, 400, "{message}");
    message
}

#[test]
fn messages_come_back_for_every_type() {
    for kind in KINDS {
        let mut transit = with_key(json!({"type": kind}));
        for message in [&b""[..], b"hello", &vec![7; 100_000]] {
            let plaintext = b64(message);
            let answer = transit.ok(Write, "encrypt/k", json!({"plaintext": plaintext}));
            assert_eq!(answer["key_version"], 1);
            let ciphertext = text(&answer["ciphertext"]);
            let body = ciphertext.strip_prefix("vault:v1:").unwrap();
            assert_eq!(BASE64.decode(body).unwrap().len(), 12 + message.len() + 16);
            let back = transit.ok(Write, "decrypt/k", json!({"ciphertext": ciphertext}));
            assert_eq!(back, json!({"plaintext": plaintext}));
        }
        let again = |transit: &mut Harness| encrypt(transit, json!({"plaintext": b64("x")}));
        assert_ne!(again(&mut transit), again(&mut transit));
    }
}

#[test]
fn a_changed_ciphertext_does_not_decrypt() {
    for (kind, message) in [
        ("aes256-gcm96", "cipher: message authentication failed"),
        ("chacha20-poly1305", "chacha20poly1305: message authentication failed"),
    ] {
        let mut transit = with_key(json!({"type": kind}));
        let ciphertext = encrypt(&mut transit, json!({"plaintext": b64("hello")}));
        let sealed = BASE64.decode(&ciphertext["vault:v1:".len()..]).unwrap();
        for i in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[i] ^= 0x80;
            let body = json!({"ciphertext": format!("vault:v1:{}", b64(bad))});
            assert_eq!(error(&mut transit, "decrypt/k", body), message);
        }
    }
}

#[test]
fn malformed_requests_are_named() {
    let mut transit = with_key(json!({}));
    let long = b64([b'x'; 60]);
    for (ciphertext, want) in [
        ("", "missing ciphertext to decrypt"),
        ("junk", "invalid ciphertext: no prefix"),
        ("vault:v1", "invalid ciphertext: wrong number of fields"),
        ("vault:v1:!!", "invalid ciphertext: could not decode base64"),
        ("vault:v1:c2hvcnQ=", "invalid ciphertext length"),
        (&format!("vault:v9:{long}"), "invalid ciphertext: version is too new"),
        (&format!("vault:vx:{long}"), "invalid ciphertext: version number could not be decoded"),
        (
            &format!("vault:v-1:{long}"),
            "ciphertext or signature version is disallowed by policy (too old)",
        ),
        (&format!("vault:v0:{long}"), "cipher: message authentication failed"),
    ] {
        assert_eq!(error(&mut transit, "decrypt/k", json!({"ciphertext": ciphertext})), want);
        assert_eq!(error(&mut transit, "rewrap/k", json!({"ciphertext": ciphertext})), want);
    }
    let p = b64("x");
    for (body, want) in [
        (json!({}), "missing plaintext to encrypt"),
        (json!({"plaintext": "!!"}), "illegal base64 data at input byte 0"),
        (
            json!({"plaintext": p, "key_version": 2}),
            "requested version for encryption is higher than the latest key version",
        ),
        (
            json!({"plaintext": p, "key_version": -1}),
            "requested version for encryption is negative",
        ),
        (json!({"batch_input": []}), "missing batch input to process"),
    ] {
        assert_eq!(error(&mut transit, "encrypt/k", body), want);
    }
    for body in [
        json!({"batch_input": "x"}),
        json!({"batch_input": [1]}),
        json!({"plaintext": {}}),
        json!({"plaintext": p, "key_version": "x"}),
        json!({"plaintext": p, "partial_failure_response_code": 99}),
        json!({"plaintext": p, "associated_data": "!!"}),
    ] {
        error(&mut transit, "encrypt/k", body);
    }
    assert_eq!(
        error(&mut transit, "decrypt/none", json!({"ciphertext": "x"})),
        "encryption key not found"
    );
    transit.ok(Write, "keys/ed", json!({"type": "ed25519"}));
    let message = error(&mut transit, "encrypt/ed", json!({"plaintext": p}));
    assert_eq!(message, "message encryption not supported for key type ed25519");
}

#[test]
fn loosely_written_requests_are_taken() {
    let mut transit = with_key(json!({}));
    // PHP escapes slashes; `base64` wraps lines; numbers come as text.
    let raw = r#"{"plaintext":"\/\/8=","key_version":"1","unknown":[{}]}"#;
    transit.raw(Write, "encrypt/k", raw).unwrap();
    let ciphertext = encrypt(&mut transit, json!({"plaintext": "aGVs\nbG8=\n"}));
    let back =
        transit.ok(Write, "decrypt/k", json!({"ciphertext": ciphertext, "batch_input": null}));
    assert_eq!(back["plaintext"], "aGVsbG8=");
}

#[test]
fn associated_data_is_bound() {
    let mut transit = with_key(json!({}));
    let aad = b64("aad");
    let body = json!({"plaintext": b64("x"), "associated_data": aad});
    let ciphertext = encrypt(&mut transit, body);
    for (other, ok) in [(aad.as_str(), true), ("", false), (&b64("other"), false)] {
        let body = json!({"ciphertext": ciphertext, "associated_data": other});
        assert_eq!(transit.status(Write, "decrypt/k", body) == 200, ok);
    }
    let body = json!({"ciphertext": ciphertext, "associated_data": aad});
    transit.ok(Write, "rewrap/k", body);
}

#[test]
fn a_derived_key_needs_the_same_context() {
    for convergent in [false, true] {
        let mut transit = with_key(json!({"derived": true, "convergent_encryption": convergent}));
        let with = |context: &str| json!({"plaintext": b64("x"), "context": b64(context)});
        let missing = error(&mut transit, "encrypt/k", json!({"plaintext": b64("x")}));
        assert!(missing.starts_with("missing 'context' for key derivation"));
        let ciphertext = encrypt(&mut transit, with("one"));
        assert_eq!(encrypt(&mut transit, with("one")) == ciphertext, convergent);
        assert_ne!(encrypt(&mut transit, with("two")), ciphertext);
        let decrypt = |context: &str| json!({"ciphertext": ciphertext, "context": b64(context)});
        assert_eq!(transit.ok(Write, "decrypt/k", decrypt("one"))["plaintext"], b64("x"));
        error(&mut transit, "decrypt/k", decrypt("two"));
        error(&mut transit, "encrypt/k", json!({"plaintext": b64("x"), "context": "!!"}));
    }
}

/// One nonce with two sets of associated data would give away the authentication key.
#[test]
fn convergent_nonces_differ_with_associated_data() {
    let mut transit = with_key(json!({"derived": true, "convergent_encryption": true}));
    let mut nonce = |aad: &str| {
        let body = json!({"plaintext": b64("x"), "context": b64("c"), "associated_data": b64(aad)});
        let ciphertext = encrypt(&mut transit, body);
        BASE64.decode(&ciphertext["vault:v1:".len()..]).unwrap()[..12].to_vec()
    };
    assert_eq!(nonce("a"), nonce("a"));
    assert_ne!(nonce("a"), nonce("b"));
    assert_ne!(nonce("a"), nonce(""));
}

#[test]
fn versions_follow_the_rules() {
    let mut transit = with_key(json!({}));
    let p = b64("x");
    let first = encrypt(&mut transit, json!({"plaintext": p}));
    transit.ok(Write, "keys/k/rotate", json!({}));
    transit.ok(Write, "keys/k/rotate", json!({}));
    assert!(encrypt(&mut transit, json!({"plaintext": p})).starts_with("vault:v3:"));
    assert!(
        encrypt(&mut transit, json!({"plaintext": p, "key_version": 1})).starts_with("vault:v1:")
    );
    assert_eq!(transit.ok(Write, "decrypt/k", json!({"ciphertext": first}))["plaintext"], p);
    let newer = transit.ok(Write, "rewrap/k", json!({"ciphertext": first, "key_version": 2}));
    assert_eq!(newer["key_version"], 2);
    assert!(text(&newer["ciphertext"]).starts_with("vault:v2:"));
    transit.ok(Write, "keys/k/config", json!({"min_decryption_version": 2}));
    let too_old = "ciphertext or signature version is disallowed by policy (too old)";
    assert_eq!(error(&mut transit, "decrypt/k", json!({"ciphertext": first})), too_old);
    assert_eq!(
        error(&mut transit, "encrypt/k", json!({"plaintext": p, "key_version": 1})),
        "requested version for encryption is less than the minimum encryption key version"
    );
    let newer = json!({"ciphertext": newer["ciphertext"]});
    assert_eq!(transit.ok(Write, "decrypt/k", newer)["plaintext"], p);
}

#[test]
fn encrypting_creates_the_key_that_is_missing() {
    let mut transit = mount();
    let p = b64("x");
    assert!(!transit.exists("encrypt/a"));
    transit.ok(Write, "encrypt/a", json!({"plaintext": p}));
    assert!(transit.exists("encrypt/a"));
    assert_eq!(transit.ok(Read, "keys/a", json!({}))["type"], "aes256-gcm96");
    transit.ok(
        Write,
        "encrypt/b",
        json!({"plaintext": p, "context": p, "type": "chacha20-poly1305"}),
    );
    // Command lines send every flag and number as text.
    let body =
        json!({"plaintext": p, "context": p, "convergent_encryption": "true", "key_version": ""});
    transit.ok(Write, "encrypt/d", body);
    assert_eq!(transit.ok(Read, "keys/d", json!({}))["convergent_encryption"], true);
    let info = transit.ok(Read, "keys/b", json!({}));
    assert_eq!((&info["derived"], &info["type"]), (&json!(true), &json!("chacha20-poly1305")));
    for body in [
        json!({"plaintext": p, "type": "ed25519"}),
        json!({"plaintext": p, "type": "junk"}),
        json!({"plaintext": p, "convergent_encryption": true}),
        json!({"plaintext": "!!"}),
        json!({"plaintext": p, "key_version": 3}),
        json!({"batch_input": [{"plaintext": p}, {"plaintext": p, "context": p}]}),
        json!({"batch_input": []}),
    ] {
        error(&mut transit, "encrypt/c", body);
        assert_eq!(transit.status(Read, "keys/c", json!({})), 404, "nothing half done");
    }
}

#[test]
fn a_data_key_decrypts_to_what_was_shown() {
    let mut transit = with_key(json!({}));
    for (bits, bytes) in [(128, 16), (256, 32), (512, 64)] {
        let answer = transit.ok(Write, "datakey/plaintext/k", json!({"bits": bits}));
        assert_eq!(BASE64.decode(text(&answer["plaintext"])).unwrap().len(), bytes);
        let body = json!({"ciphertext": answer["ciphertext"]});
        assert_eq!(transit.ok(Write, "decrypt/k", body)["plaintext"], answer["plaintext"]);
    }
    assert!(transit.ok(Write, "datakey/wrapped/k", json!({})).get("plaintext").is_none());
    for (path, body) in [
        ("datakey/junk/k", json!({})),
        ("datakey/plaintext/k", json!({"bits": 100})),
        ("datakey/plaintext/none", json!({})),
    ] {
        error(&mut transit, path, body);
    }
}
