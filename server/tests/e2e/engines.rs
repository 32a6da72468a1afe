//! The engines beside OpenBao's own: the same requests get answers of the same status and shape, and
//! what one server made with a key the other takes.

use serde_json::{Value, json};

use crate::support::{ROOT, Reference, Server, http};

struct Pair {
    ours: Server,
    theirs: Reference,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Ours,
    Theirs,
}

const BOTH_WAYS: [(Side, Side); 2] = [(Side::Ours, Side::Theirs), (Side::Theirs, Side::Ours)];

impl Pair {
    fn with(mounts: &[(&str, Value)]) -> Self {
        let pair = Self { ours: Server::dev(), theirs: Reference::start() };
        for (path, body) in mounts {
            for side in [Side::Ours, Side::Theirs] {
                pair.ok(side, "POST", &format!("sys/mounts/{path}"), body);
            }
        }
        pair
    }

    fn call(&self, side: Side, verb: &str, path: &str, body: &Value) -> (u16, Value) {
        let url = if side == Side::Ours { self.ours.url() } else { self.theirs.url() };
        let body = (!body.is_null()).then(|| body.to_string());
        http(verb, url, path, Some(ROOT), body.as_deref()).unwrap()
    }

    /// The `data` of an answer that must succeed.
    #[track_caller]
    fn ok(&self, side: Side, verb: &str, path: &str, body: &Value) -> Value {
        let (status, mut answer) = self.call(side, verb, path, body);
        assert!(status < 300, "{side:?} {verb} {path} {body}: {status} {answer}");
        answer["data"].take()
    }

    /// Sends to both; status and shape must be the same. What OpenBao calls an internal error though
    /// the request is wrong is a bad request here.
    #[track_caller]
    fn same(&self, verb: &str, path: &str, body: &Value) {
        let (ours, theirs) =
            (self.call(Side::Ours, verb, path, body), self.call(Side::Theirs, verb, path, body));
        let status = if theirs.0 == 500 { 400 } else { theirs.0 };
        let context = format!("{verb} {path} {body}\nours: {ours:?}\ntheirs: {theirs:?}");
        assert_eq!(ours.0, status, "status of {context}");
        assert_eq!(shape(&ours.1["data"]), shape(&theirs.1["data"]), "answer to {context}");
        let warns = |answer: &Value| answer["warnings"].as_array().is_some_and(|w| !w.is_empty());
        assert_eq!(warns(&ours.1), warns(&theirs.1), "warnings of {context}");
    }
}

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

/// Names and types, without values.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), shape(value))).collect()
        }
        Value::Array(items) => items.iter().map(shape).collect(),
        Value::String(_) => "text".into(),
        Value::Number(_) => 0.into(),
        other => other.clone(),
    }
}

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

#[test]
fn key_value_and_cubbyhole_answer_alike() {
    let versioned = json!({"type": "kv", "options": {"version": "2"}});
    let plain = json!({"type": "kv", "options": {"version": "1"}});
    let pair = Pair::with(&[("two", versioned), ("one", plain)]);
    // A new mount of version 2 is not ready at once there.
    std::thread::sleep(std::time::Duration::from_secs(1));
    for (verb, path, body) in [
        ("GET", "two/config", Value::Null),
        (
            "POST",
            "two/config",
            json!({"delete_version_after": "1h", "metadata_cas_required": true}),
        ),
        ("GET", "two/config", Value::Null),
        ("POST", "two/metadata/m", json!({"max_versions": 3})),
        ("POST", "two/metadata/m", json!({"max_versions": 3, "metadata_cas": 0})),
        ("POST", "two/metadata/m", json!({"max_versions": 3, "metadata_cas": 5})),
        (
            "POST",
            "two/config",
            json!({"delete_version_after": "0s", "metadata_cas_required": false}),
        ),
        ("POST", "two/metadata/none", json!({})),
        ("GET", "two/metadata/none", Value::Null),
        ("POST", "two/data/a", json!({"data": {"x": 1}, "options": {"cas": 3}})),
        (
            "POST",
            "two/data/a",
            json!({"data": {"x": {"y": {"z": 1}}, "v": [1]}, "options": {"cas": 0}}),
        ),
        ("POST", "two/data/a/b", json!({"data": {"x": 1}})),
        ("POST", "two/data/c/d/e", json!({"data": {"x": 1}})),
        ("GET", "two/subkeys/a?depth=1", Value::Null),
        ("GET", "two/subkeys/a?depth=x", Value::Null),
        ("LIST", "two/metadata", Value::Null),
        ("LIST", "two/metadata/?after=a&limit=1", Value::Null),
        ("SCAN", "two/metadata/c", Value::Null),
        ("SCAN", "two/metadata/none", Value::Null),
        ("LIST", "two/detailed-metadata/c", Value::Null),
        ("SCAN", "two/detailed-metadata/c", Value::Null),
        ("LIST", "two/detailed-metadata/none", Value::Null),
        ("GET", "two/detailed-metadata/a", Value::Null),
        ("DELETE", "two/data/a", Value::Null),
        ("GET", "two/data/a", Value::Null),
        ("GET", "two/subkeys/a", Value::Null),
        ("POST", "two/undelete/a", json!({"versions": "1"})),
        ("POST", "two/destroy/a", json!({"versions": [1]})),
        ("GET", "two/data/a", Value::Null),
        ("GET", "two/metadata/a", Value::Null),
        ("GET", "two/config/x", Value::Null),
        ("GET", "two/a", Value::Null),
        ("POST", "one/a/b", json!({"x": 1, "ttl": "1h"})),
        ("POST", "one/c", json!({})),
        ("GET", "one/a/b", Value::Null),
        ("LIST", "one/", Value::Null),
        ("SCAN", "one/", Value::Null),
        ("SCAN", "one/none", Value::Null),
        ("POST", "one/a/", json!({"x": 1})),
        ("DELETE", "one/none", Value::Null),
        ("GET", "cubbyhole/a", Value::Null),
        ("POST", "cubbyhole/a", json!({"x": 1})),
        ("POST", "cubbyhole/b/c", json!({"x": [1]})),
        ("POST", "cubbyhole/d", json!({})),
        ("GET", "cubbyhole/a", Value::Null),
        ("LIST", "cubbyhole/", Value::Null),
        ("LIST", "cubbyhole/none", Value::Null),
        ("SCAN", "cubbyhole/", Value::Null),
        ("DELETE", "cubbyhole/a", Value::Null),
        ("GET", "cubbyhole/a", Value::Null),
    ] {
        pair.same(verb, path, &body);
    }
}
