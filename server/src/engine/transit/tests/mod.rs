//! The engine through its routes.

mod batches;
mod certificate;
mod crypt;
mod import;
mod keys;
mod sign;
mod types;
mod vectors;

use base64::Engine;
use serde_json::{Value, json};

use super::wire::BASE64;
use crate::engine::testing::Harness;
use crate::logical::Operation::{Read, Write};

fn mount() -> Harness {
    Harness::new("transit", &[])
}

/// A mount with one key `k`.
fn with_key(settings: Value) -> Harness {
    let mut transit = mount();
    transit.ok(Write, "keys/k", settings);
    transit
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    BASE64.encode(bytes)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn what_is_not_a_path_is_refused() {
    let mut transit = mount();
    assert_eq!(transit.status(Write, "junk", json!({})), 404);
    assert_eq!(transit.status(Write, "encrypt", json!({})), 404);
    assert_eq!(transit.status(Write, "encrypt/a/b", json!({})), 404);
    assert_eq!(transit.status(Read, "encrypt/a", json!({})), 405);
    for name in ["bad name", "dot.", "-x", "\u{e9}"] {
        assert_eq!(transit.status(Write, &format!("keys/{name}"), json!({})), 404, "{name}");
        let body = json!({"plaintext": ""});
        assert_eq!(transit.status(Write, &format!("encrypt/{name}"), body), 404, "{name}");
    }
    transit.ok(Write, "keys/A_1.b-c", json!({}));
}

#[test]
fn settings_of_the_mount() {
    let mut transit = mount();
    assert_eq!(transit.ok(Read, "config/keys", json!({})), json!({"disable_upsert": false}));
    assert_eq!(transit.ok(Read, "cache-config", json!({})), json!({"size": 0}));
    assert_eq!(transit.status(Write, "cache-config", json!({"size": 5})), 400);
    transit.ok(Write, "cache-config", json!({"size": 100}));
    assert_eq!(transit.ok(Read, "cache-config", json!({})), json!({"size": 100}));
    transit.ok(Write, "config/keys", json!({"disable_upsert": true}));
    let (status, error) = transit.error(Write, "encrypt/new", json!({"plaintext": ""}));
    assert_eq!((status, error.as_str()), (400, "encryption key not found"));
    assert_eq!(transit.status(Read, "keys/new", json!({})), 404);
}

#[test]
fn random_bytes_in_both_formats() {
    let mut transit = mount();
    let bytes = |data: Value| BASE64.decode(text(&data["random_bytes"])).unwrap().len();
    assert_eq!(bytes(transit.ok(Write, "random", json!({}))), 32);
    assert_eq!(bytes(transit.ok(Write, "random/16", json!({}))), 16);
    assert_eq!(bytes(transit.ok(Write, "random/platform/8", json!({}))), 8);
    assert_eq!(bytes(transit.ok(Write, "random/all", json!({"bytes": 7}))), 7);
    let hex = transit.ok(Write, "random", json!({"bytes": 8, "format": "hex"}));
    assert_eq!(text(&hex["random_bytes"]).len(), 16);
    for (path, body) in [
        ("random/0", json!({})),
        ("random/x", json!({})),
        ("random/junk/8", json!({})),
        ("random", json!({"bytes": 131_073})),
        ("random", json!({"bytes": -1})),
        ("random", json!({"format": "x"})),
    ] {
        assert_eq!(transit.status(Write, path, body), 400, "{path}");
    }
}

#[test]
fn hashes_in_both_formats() {
    let mut transit = mount();
    let sum = |transit: &mut Harness, path: &str, body: Value| {
        text(&transit.ok(Write, path, body)["sum"])
    };
    let input = b64("hello");
    let sha256 = sum(&mut transit, "hash", json!({"input": input}));
    assert_eq!(sha256, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    let body = json!({"input": input, "format": "base64"});
    assert_eq!(sum(&mut transit, "hash", body), "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=");
    assert_eq!(sum(&mut transit, "hash/sha2-512", json!({"input": input})).len(), 128);
    for body in [
        json!({}),
        json!({"input": "!!"}),
        json!({"input": input, "algorithm": "sha1"}),
        json!({"input": input, "algorithm": "none"}),
        json!({"input": input, "format": "x"}),
    ] {
        assert_eq!(transit.status(Write, "hash", body), 400);
    }
}
