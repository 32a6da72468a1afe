//! sign, verify and hmac.

use serde_json::{Value, json};

use super::{b64, mount, text, with_key};
use crate::engine::testing::Harness;
use crate::logical::Operation::{Read, Write};

fn signing(settings: &[(&str, bool)]) -> Harness {
    let mut body = json!({"type": "ed25519"});
    for (name, value) in settings {
        body[*name] = json!(value);
    }
    with_key(body)
}

fn valid(transit: &mut Harness, body: Value) -> bool {
    transit.ok(Write, "verify/k", body)["valid"].as_bool().unwrap()
}

fn error(transit: &mut Harness, path: &str, body: Value) -> String {
    let (status, message) = transit.error(Write, path, body);
    assert_eq!(status, 400, "{message}");
    message
}

#[test]
fn a_signature_verifies_for_its_input_only() {
    let mut transit = signing(&[]);
    let input = b64("hello");
    let signed = transit.ok(Write, "sign/k", json!({"input": input}));
    assert_eq!(signed["key_version"], 1);
    let signature = text(&signed["signature"]);
    assert!(valid(&mut transit, json!({"input": input, "signature": signature})));
    assert!(!valid(&mut transit, json!({"input": b64("other"), "signature": signature})));
    assert!(!valid(&mut transit, json!({"input": input, "signature": "vault:v1:AAAA"})));
    let body = json!({"input": input, "marshaling_algorithm": "jws"});
    let jws = text(&transit.ok(Write, "sign/k/sha2-512", body)["signature"]);
    let body = json!({"input": input, "signature": jws, "marshaling_algorithm": "jws"});
    assert!(valid(&mut transit, body));
    transit.ok(Write, "keys/k/rotate", json!({}));
    assert!(valid(&mut transit, json!({"input": input, "signature": signature})));
    transit.ok(Write, "keys/k/config", json!({"min_decryption_version": 2}));
    error(&mut transit, "verify/k", json!({"input": input, "signature": signature}));
}

#[test]
fn malformed_requests_are_named() {
    let mut transit = signing(&[]);
    transit.ok(Write, "keys/sym", json!({}));
    let input = b64("x");
    for (path, body, want) in [
        (
            "sign/k",
            json!({"input": "!!"}),
            "unable to decode input as base64: illegal base64 data at input byte 0",
        ),
        ("sign/sym", json!({"input": input}), "key type aes256-gcm96 does not support signing"),
        ("sign/none", json!({"input": input}), "signing key not found"),
        ("sign/k/junk", json!({"input": input}), "invalid hash algorithm \"junk\""),
        (
            "sign/k",
            json!({"input": input, "key_version": 2}),
            "requested version for signing is higher than the latest key version",
        ),
        (
            "sign/k",
            json!({"input": input, "marshaling_algorithm": "x"}),
            "invalid marshaling type \"x\"",
        ),
        (
            "sign/k",
            json!({"input": input, "salt_length": "x"}),
            "salt length neither 'auto', 'hash', nor an int: x",
        ),
        (
            "verify/k",
            json!({"input": input}),
            "neither a 'signature' nor an 'hmac' were given to verify",
        ),
        ("verify/k", json!({"input": input, "signature": "junk"}), "invalid signature: no prefix"),
        (
            "verify/k",
            json!({"input": input, "signature": "vault:v1:!!"}),
            "invalid base64 signature value",
        ),
        (
            "verify/k",
            json!({"input": input, "signature": "vault:v9:AAAA"}),
            "invalid signature: version is too new",
        ),
        (
            "verify/none",
            json!({"input": input, "signature": "x"}),
            "signature verification key not found",
        ),
        (
            "verify/sym",
            json!({"input": input, "signature": "x"}),
            "key type aes256-gcm96 does not support verification",
        ),
        (
            "verify/k",
            json!({"batch_input": [{"input": input}]}),
            "no batch_input elements have 'signature' or 'hmac'",
        ),
        (
            "verify/k",
            json!({"batch_input": [{"signature": "x"}, {"hmac": "x"}]}),
            "elements of batch_input must all provide 'signature' or all provide 'hmac'",
        ),
        ("hmac/k", json!({}), "missing input for HMAC"),
        ("hmac/k", json!({"input": input, "algorithm": "none"}), "algorithm cannot be none"),
        (
            "hmac/k",
            json!({"input": input, "key_version": 9}),
            "key version does not exist; latest key version is 1",
        ),
        ("hmac/none", json!({"input": input}), "encryption key not found"),
    ] {
        assert_eq!(error(&mut transit, path, body), want, "{path}");
    }
}

#[test]
fn derived_signing_keys_have_a_public_key_per_context() {
    let mut transit = signing(&[("derived", true)]);
    let input = b64("hello");
    let missing = error(&mut transit, "sign/k", json!({"input": input}));
    assert!(missing.contains("missing 'context'"));
    let context = b64("c");
    let signed = transit.ok(Write, "sign/k", json!({"input": input, "context": context}));
    let info = transit.ok(Read, &format!("keys/k?context={context}"), json!({}));
    assert_eq!(info["keys"]["1"]["public_key"], signed["public_key"]);
    assert_eq!(transit.ok(Read, "keys/k", json!({}))["keys"]["1"]["public_key"], "");
    assert_eq!(transit.status(Read, "keys/k?context=!!", json!({})), 400);
    let with = |context: &str| json!({"input": input, "signature": signed["signature"], "context": b64(context)});
    assert!(valid(&mut transit, with("c")));
    assert!(!valid(&mut transit, with("d")));
}

#[test]
fn batches_of_signatures_answer_every_item() {
    let mut transit = signing(&[]);
    let input = b64("hello");
    let items = json!([{"input": input, "reference": "r"}, {"input": "!!"}, {}]);
    let signed = transit.ok(Write, "sign/k", json!({"batch_input": items}));
    let results = signed["batch_results"].as_array().unwrap();
    assert_eq!((&results[0]["reference"], &results[0]["key_version"]), (&json!("r"), &json!(1)));
    assert_eq!(results[2], json!({"error": "missing input", "key_version": 0, "reference": ""}));
    let items = json!([
        {"input": input, "signature": results[0]["signature"], "reference": "q"},
        {"input": input, "signature": "junk"},
        {"input": b64("z"), "signature": results[0]["signature"]},
    ]);
    let verified = transit.ok(Write, "verify/k", json!({"batch_input": items}));
    assert_eq!(
        verified["batch_results"],
        json!([
            {"valid": true, "reference": "q"},
            {"valid": false, "error": "invalid signature: no prefix", "reference": ""},
            {"valid": false, "reference": ""},
        ])
    );
}

#[test]
fn hmacs_verify_under_their_hash_and_version() {
    let mut transit = mount();
    transit.ok(Write, "keys/k", json!({}));
    let input = b64("hello");
    for hash in
        ["sha1", "sha2-224", "sha2-256", "sha2-384", "sha2-512", "sha3-256", "sha3-384", "sha3-512"]
    {
        let mac = transit.ok(Write, &format!("hmac/k/{hash}"), json!({"input": input}));
        let body = json!({"input": input, "hmac": mac["hmac"], "algorithm": hash});
        assert!(valid(&mut transit, body), "{hash}");
        let body = json!({"input": b64("x"), "hmac": mac["hmac"], "algorithm": hash});
        assert!(!valid(&mut transit, body), "{hash}");
    }
    let old = transit.ok(Write, "hmac/k", json!({"input": input}));
    transit.ok(Write, "keys/k/rotate", json!({}));
    let new = transit.ok(Write, "hmac/k", json!({"input": input}));
    assert!(text(&new["hmac"]).starts_with("vault:v2:"));
    let again = transit.ok(Write, "hmac/k", json!({"input": input, "key_version": 1}));
    assert_eq!(again, old);
    let items = json!([{"input": input, "reference": "q"}, {"input": "!!"}, {}]);
    let macs = transit.ok(Write, "hmac/k", json!({"batch_input": items}));
    assert_eq!(macs["batch_results"][0], json!({"hmac": new["hmac"], "reference": "q"}));
    assert_eq!(macs["batch_results"][2]["error"], "missing input for HMAC");
    transit.ok(Write, "keys/k/config", json!({"min_decryption_version": 2}));
    let message = error(&mut transit, "verify/k", json!({"input": input, "hmac": old["hmac"]}));
    assert_eq!(message, "cannot verify HMAC: version is too old (disallowed by policy)");
    for (mac, want) in [
        ("junk", "invalid HMAC to verify: no prefix"),
        ("vault:v9:AAAA", "invalid HMAC: version is too new"),
        (
            "vault:v2:!!",
            "unable to decode verification HMAC as base64: illegal base64 data at input byte 0",
        ),
    ] {
        assert_eq!(error(&mut transit, "verify/k", json!({"input": input, "hmac": mac})), want);
    }
}
