//! Transit, with keys of every type.

use serde_json::{Value, json};

use super::pair::{BOTH_WAYS, Pair, Side};

const KINDS: [&str; 13] = [
    "aes128-gcm96",
    "aes256-gcm96",
    "chacha20-poly1305",
    "xchacha20-poly1305",
    "ed25519",
    "ecdsa-p256",
    "ecdsa-p384",
    "ecdsa-p521",
    "rsa-2048",
    "mldsa-44",
    "mldsa-65",
    "mldsa-87",
    "hmac",
];
const HELLO: &str = "aGVsbG8=";

impl Pair {
    /// The hash function of an HMAC is named by `algorithm`: what `hash_algorithm` says, which is for
    /// signatures, made another HMAC here once.
    #[track_caller]
    fn hmacs_alike(&self, kind: &str) {
        for side in [Side::Ours, Side::Theirs] {
            let path = |what: &str| format!("transit/{what}/{kind}");
            let body = json!({"input": HELLO, "hash_algorithm": "sha2-512"});
            let made = self.ok(side, "POST", &path("hmac"), &body)["hmac"].take();
            for (algorithm, valid) in [("sha2-256", true), ("sha2-512", false)] {
                let body = json!({"input": HELLO, "hmac": made, "hash_algorithm": algorithm});
                let verified = self.ok(side, "POST", &path("verify"), &body);
                assert_eq!(verified["valid"], valid, "{side:?} {kind} {algorithm}");
            }
        }
    }
}

fn settings(kind: &str) -> Value {
    let mut body = json!({"type": kind, "exportable": true, "allow_plaintext_backup": true});
    if kind == "hmac" {
        body["key_size"] = json!(64);
    }
    body
}

#[test]
fn transit_answers_alike() {
    let pair = Pair::with(&[("transit", json!({"type": "transit"}))]);
    for kind in KINDS {
        let key = format!("transit/keys/{kind}");
        pair.same("POST", &key, &settings(kind));
        pair.same("GET", &key, &Value::Null);
        pair.same("POST", &format!("{key}/rotate"), &json!({}));
        pair.same("POST", &format!("{key}/config"), &json!({"min_decryption_version": 2}));
        pair.same("POST", &format!("{key}/csr"), &json!({}));
        pair.same("POST", &format!("{key}/set-certificate"), &json!({"certificate_chain": "x"}));
        pair.same("GET", &format!("transit/backup/{kind}"), &Value::Null);
        for what in ["encryption-key", "signing-key", "hmac-key", "public-key", "certificate-chain"]
        {
            for form in ["", "?format=raw", "?format=der", "?format=pem", "/latest", "/9"] {
                pair.same("GET", &format!("transit/export/{what}/{kind}{form}"), &Value::Null);
            }
        }
        for options in [
            json!({}),
            json!({"hash_algorithm": "none"}),
            json!({"hash_algorithm": "sha3-224", "marshaling_algorithm": "jws"}),
            json!({"hash_algorithm": "mldsa-mu"}),
            json!({"signature_algorithm": "pkcs1v15", "hash_algorithm": "sha1"}),
            json!({"signature_algorithm": "x"}),
            json!({"salt_length": "33"}),
            json!({"salt_length": -2}),
            json!({"prehashed": true}),
        ] {
            let mut body = options.clone();
            body["input"] = json!(HELLO);
            pair.same("POST", &format!("transit/sign/{kind}"), &body);
            body["signature"] = json!("vault:v2:AAAA");
            pair.same("POST", &format!("transit/verify/{kind}"), &body);
        }
        for (path, body) in [
            ("encrypt", json!({"plaintext": HELLO})),
            ("encrypt", json!({"plaintext": "!"})),
            ("encrypt", json!({"plaintext": HELLO, "associated_data": HELLO})),
            ("encrypt", json!({"plaintext": HELLO, "key_version": 9})),
            ("decrypt", json!({"ciphertext": "vault:v2:AAAA"})),
            ("decrypt", json!({"ciphertext": "vault:v1:AAAA"})),
            ("rewrap", json!({"ciphertext": "x"})),
            ("datakey/plaintext", json!({"bits": 512})),
            ("datakey/wrapped", json!({"bits": 7})),
            ("hmac", json!({"input": HELLO, "algorithm": "sha3-384"})),
            ("hmac", json!({"input": HELLO, "hash_algorithm": "x"})),
            ("hmac", json!({"input": HELLO, "key_version": -1})),
            ("hmac", json!({"input": HELLO, "algorithm": "none"})),
            ("sign", json!({"input": HELLO, "context": "!"})),
            ("verify", json!({"input": HELLO, "hmac": "vault:v0:AAAA"})),
            ("verify", json!({"input": HELLO, "signature": "vault:v0:AAAA"})),
            ("verify", json!({"batch_input": [{"input": HELLO, "hmac": "vault:v2"}]})),
            ("verify", json!({"input": HELLO, "hmac": "vault:v2:AAAA", "algorithm": "none"})),
        ] {
            pair.same("POST", &format!("transit/{path}/{kind}"), &body);
        }
        pair.same("POST", &format!("{key}/csr"), &json!({"version": 1}));
        pair.hmacs_alike(kind);
        pair.same("DELETE", &format!("{key}/soft-delete"), &Value::Null);
        pair.same("POST", &format!("{key}/rotate"), &json!({}));
        pair.same("POST", &format!("{key}/soft-delete-restore"), &json!({}));
    }
}

#[test]
fn keys_and_what_they_made_go_both_ways() {
    let pair = Pair::with(&[("transit", json!({"type": "transit"}))]);
    let post =
        |side, path: &str, body: &Value| pair.ok(side, "POST", &format!("transit/{path}"), body);
    let get = |side, path: &str| pair.ok(side, "GET", &format!("transit/{path}"), &Value::Null);
    for (from, to) in BOTH_WAYS {
        let public = get(to, "wrapping_key")["public_key"].clone();
        post(from, "keys/to/import", &json!({"type": "rsa-4096", "public_key": public}));
    }
    for (kind, (from, to)) in KINDS.iter().flat_map(|kind| BOTH_WAYS.map(|way| (kind, way))) {
        let context = format!("{kind} from {from:?}");
        post(from, &format!("keys/{kind}"), &settings(kind));
        let backup = get(from, &format!("backup/{kind}"));
        post(to, &format!("restore/r-{kind}"), &backup);
        let wrapped = get(from, &format!("byok-export/to/{kind}"))["keys"]["1"].clone();
        post(to, &format!("keys/i-{kind}/import"), &json!({"type": kind, "ciphertext": wrapped}));
        for name in [format!("r-{kind}"), format!("i-{kind}")] {
            if !["ed25519", "ecdsa", "mldsa", "hmac"].iter().any(|k| kind.starts_with(k)) {
                let sealed = post(from, &format!("encrypt/{kind}"), &json!({"plaintext": HELLO}));
                let body = json!({"ciphertext": sealed["ciphertext"]});
                let opened = post(to, &format!("decrypt/{name}"), &body);
                assert_eq!(opened["plaintext"], HELLO, "{context}");
            }
            if ["ed25519", "ecdsa", "rsa", "mldsa"].iter().any(|k| kind.starts_with(k)) {
                for options in [
                    json!({}),
                    json!({"hash_algorithm": "sha3-384"}),
                    json!({"hash_algorithm": "sha1", "signature_algorithm": "pkcs1v15"}),
                    json!({"marshaling_algorithm": "jws"}),
                    json!({"salt_length": "hash"}),
                ] {
                    let mut body = options;
                    body["input"] = json!(HELLO);
                    let signed = post(from, &format!("sign/{kind}"), &body);
                    body["signature"] = signed["signature"].clone();
                    let verified = post(to, &format!("verify/{name}"), &body);
                    assert_eq!(verified["valid"], true, "{context}: {body}");
                }
            }
        }
        let mac = post(from, &format!("hmac/{kind}/sha3-224"), &json!({"input": HELLO}));
        let body = json!({"input": HELLO, "hmac": mac["hmac"]});
        let verified = post(to, &format!("verify/r-{kind}/sha3-224"), &body);
        assert_eq!(verified["valid"], true, "{context}");
    }
}

#[test]
fn keys_agreed_on_by_both_are_the_same() {
    let pair = Pair::with(&[("transit", json!({"type": "transit"}))]);
    let post =
        |side, path: &str, body: &Value| pair.ok(side, "POST", &format!("transit/{path}"), body);
    for kind in ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521"] {
        let public = |side| {
            let made = post(side, &format!("keys/{kind}"), &json!({"type": kind}));
            made["keys"]["1"]["public_key"].clone()
        };
        let (ours, theirs) = (public(Side::Ours), public(Side::Theirs));
        for (side, peer) in [(Side::Ours, &theirs), (Side::Theirs, &ours)] {
            let body = json!({"base_key_name": kind, "peer_public_key": peer});
            post(side, &format!("derive-key/d-{kind}"), &body);
        }
        let sealed = post(Side::Ours, &format!("encrypt/d-{kind}"), &json!({"plaintext": HELLO}));
        let body = json!({"ciphertext": sealed["ciphertext"]});
        assert_eq!(post(Side::Theirs, &format!("decrypt/d-{kind}"), &body)["plaintext"], HELLO);
    }
}
