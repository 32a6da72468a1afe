//! Creating, configuring, trimming, exporting and deleting keys.

use base64::Engine;
use serde_json::{Value, json};

use super::super::wire::BASE64;
use super::{b64, mount, text, with_key};
use crate::engine::testing::Harness;
use crate::logical::Operation::{Delete, List, Read, Write};

fn error(transit: &mut Harness, path: &str, body: Value) -> String {
    let (status, message) = transit.error(Write, path, body);
    assert_eq!(status, 400, "{message}");
    message
}

#[test]
fn a_new_key_is_described_as_documented() {
    let mut transit = mount();
    assert_eq!(transit.status(Read, "keys/k", json!({})), 404);
    assert_eq!(transit.status(List, "keys", json!({})), 404);
    let info = transit.ok(Write, "keys/k", json!({}));
    assert_eq!(
        info,
        json!({
            "name": "k", "type": "aes256-gcm96", "allow_plaintext_backup": false,
            "auto_rotate_period": 0, "deletion_allowed": false, "derived": false,
            "exportable": false, "imported_key": false, "keys": {"1": 1_800_000_000},
            "latest_version": 1, "min_available_version": 0, "min_decryption_version": 1,
            "min_encryption_version": 0, "soft_deleted": false, "supports_decryption": true,
            "supports_derivation": true, "supports_encryption": true, "supports_signing": false,
        })
    );
    assert_eq!(transit.ok(Read, "keys/k", json!({})), info);
    // A key that is there is not changed, whatever is asked for.
    assert_eq!(transit.ok(Write, "keys/k", json!({"type": "ed25519"})), info);
    let info = transit.ok(Write, "keys/e", json!({"type": "ed25519"}));
    assert_eq!(info["supports_signing"], true);
    assert_eq!(BASE64.decode(text(&info["keys"]["1"]["public_key"])).unwrap().len(), 32);
    let info = transit.ok(Write, "keys/c", json!({"derived": true, "convergent_encryption": true}));
    assert_eq!(
        (&info["kdf"], &info["convergent_encryption"]),
        (&json!("hkdf_sha256"), &json!(true))
    );
    assert_eq!(transit.ok(List, "keys/", json!({}))["keys"], json!(["c", "e", "k"]));
    assert_eq!(transit.ok(List, "keys?after=c&limit=1", json!({}))["keys"], json!(["e"]));
}

#[test]
fn keys_that_make_no_sense_are_refused() {
    let mut transit = mount();
    for body in [
        json!({"type": "junk"}),
        json!({"convergent_encryption": true}),
        json!({"type": "ed25519", "derived": true, "convergent_encryption": true}),
        json!({"auto_rotate_period": "30m"}),
        json!({"auto_rotate_period": "x"}),
        json!({"derived": "maybe"}),
        json!({"key_size": 32}),
    ] {
        error(&mut transit, "keys/k", body);
    }
    assert!(transit.stored("").is_empty());
    for path in ["keys/k/rotate", "keys/k/config", "keys/k/trim"] {
        error(&mut transit, path, json!({"min_available_version": 1}));
    }
}

#[test]
fn minimum_versions_are_checked_together() {
    let mut transit = with_key(json!({}));
    for _ in 0..2 {
        transit.ok(Write, "keys/k/rotate", json!({}));
    }
    for (body, want) in [
        (
            json!({"min_decryption_version": 9}),
            "cannot set min decryption version of 9, latest key version is 3",
        ),
        (json!({"min_decryption_version": -1}), "min decryption version cannot be negative"),
        (
            json!({"min_encryption_version": 9}),
            "cannot set min encryption version of 9, latest key version is 3",
        ),
        (json!({"min_encryption_version": -1}), "min encryption version cannot be negative"),
        (
            json!({"min_encryption_version": 1, "min_decryption_version": 2}),
            "cannot set min encryption/decryption values; min encryption version of 1 must be \
             greater than or equal to min decryption version of 2",
        ),
    ] {
        assert_eq!(error(&mut transit, "keys/k/config", body), want);
    }
    let info = transit.ok(Write, "keys/k/config", json!({"min_decryption_version": 2}));
    assert_eq!(info["keys"].as_object().unwrap().keys().collect::<Vec<_>>(), ["2", "3"]);
    let forced = transit.raw(Write, "keys/k/config", r#"{"min_decryption_version":0}"#).unwrap();
    assert!(forced.warnings[0].contains("forcing minimum to 1"));
    assert_eq!(transit.ok(Read, "keys/k", json!({}))["min_decryption_version"], 1);
    transit.ok(Write, "keys/k/config", json!({"exportable": true, "allow_plaintext_backup": true}));
    let info = transit.ok(
        Write,
        "keys/k/config",
        json!({"exportable": false, "allow_plaintext_backup": false}),
    );
    assert_eq!(
        (&info["exportable"], &info["allow_plaintext_backup"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(
        transit.ok(Write, "keys/k/config", json!({"auto_rotate_period": "1h"}))["auto_rotate_period"],
        3600
    );
}

#[test]
fn trimmed_versions_are_gone() {
    let mut transit = with_key(json!({}));
    let first = transit.ok(Write, "encrypt/k", json!({"plaintext": b64("x")}));
    for _ in 0..2 {
        transit.ok(Write, "keys/k/rotate", json!({}));
    }
    assert_eq!(error(&mut transit, "keys/k/trim", json!({})), "missing min_available_version");
    assert_eq!(
        error(&mut transit, "keys/k/trim", json!({"min_available_version": 0})),
        "minimum available version should be positive"
    );
    let trim = json!({"min_available_version": 2});
    error(&mut transit, "keys/k/trim", trim.clone());
    transit.ok(Write, "keys/k/config", json!({"min_encryption_version": 2}));
    error(&mut transit, "keys/k/trim", trim.clone());
    transit.ok(Write, "keys/k/config", json!({"min_decryption_version": 2}));
    error(&mut transit, "keys/k/trim", json!({"min_available_version": 3}));
    assert_eq!(transit.ok(Write, "keys/k/trim", trim)["min_available_version"], 2);
    error(&mut transit, "keys/k/trim", json!({"min_available_version": 1}));
    let message = error(&mut transit, "keys/k/config", json!({"min_decryption_version": 1}));
    assert_eq!(message, "min decryption version should not be less then min available version");
    error(&mut transit, "decrypt/k", json!({"ciphertext": first["ciphertext"]}));
}

#[test]
fn deleting_must_be_allowed_first() {
    let mut transit = with_key(json!({}));
    let refused = transit.error(Delete, "keys/k", json!({}));
    assert_eq!(
        refused,
        (400, "error deleting policy k: deletion is not allowed for this key".into())
    );
    transit.ok(Write, "keys/k/config", json!({"deletion_allowed": true}));
    assert_eq!(transit.status(Delete, "keys/k", json!({})), 204);
    assert_eq!(transit.status(Read, "keys/k", json!({})), 404);
    let refused = transit.error(Delete, "keys/k", json!({}));
    assert_eq!(refused, (400, "error deleting policy k: could not delete key; not found".into()));
}

#[test]
fn only_exportable_keys_are_exported() {
    let mut transit = with_key(json!({}));
    let private = "private key material is not exportable";
    assert_eq!(transit.error(Read, "export/encryption-key/k", json!({})), (400, private.into()));
    transit.ok(Write, "keys/k/config", json!({"exportable": true}));
    transit.ok(Write, "keys/k/rotate", json!({}));
    let all = transit.ok(Read, "export/encryption-key/k", json!({}));
    assert_eq!(all["keys"].as_object().unwrap().len(), 2);
    let latest = transit.ok(Read, "export/encryption-key/k/latest", json!({}));
    assert_eq!(latest["keys"]["2"], all["keys"]["2"]);
    assert_eq!(BASE64.decode(text(&latest["keys"]["2"])).unwrap().len(), 32);
    for path in ["signing-key/k", "public-key/k", "junk/k", "hmac-key/k/9", "hmac-key/k/x"] {
        assert_eq!(transit.status(Read, &format!("export/{path}"), json!({})), 400, "{path}");
    }
    assert_eq!(transit.status(Read, "export/encryption-key/none", json!({})), 404);
    transit.ok(Write, "keys/e", json!({"type": "ed25519"}));
    let public = transit.ok(Read, "export/public-key/e", json!({}));
    let info = transit.ok(Read, "keys/e", json!({}));
    assert_eq!(public["keys"]["1"], info["keys"]["1"]["public_key"]);
    assert_eq!(transit.status(Read, "export/signing-key/e", json!({})), 400);
}

#[test]
fn a_backup_brings_a_key_back_with_all_versions() {
    for (kind, derived) in [("aes256-gcm96", true), ("chacha20-poly1305", false)] {
        let mut transit = with_key(json!({"type": kind, "derived": derived}));
        let message = json!({"plaintext": b64("x"), "context": b64("c")});
        let first = transit.ok(Write, "encrypt/k", message);
        transit.ok(Write, "keys/k/rotate", json!({}));
        let may = json!({"exportable": true, "allow_plaintext_backup": true, "min_decryption_version": 2});
        assert_eq!(transit.status(Read, "backup/k", json!({})), 500);
        transit.ok(Write, "keys/k/config", may);
        let backup = transit.ok(Read, "backup/k", json!({}));
        assert_eq!(transit.ok(Read, "keys/k", json!({}))["backup_info"]["version"], 2);
        let exists = transit.error(Write, "restore", backup.clone());
        assert_eq!(exists, (500, "1 error occurred:\n\t* key \"k\" already exists\n\n".to_owned()));
        transit.ok(Write, "restore/other", backup.clone());
        transit.ok(Write, "keys/other/config", json!({"min_decryption_version": 1}));
        let body = json!({"ciphertext": first["ciphertext"], "context": b64("c")});
        assert_eq!(transit.ok(Write, "decrypt/other", body)["plaintext"], b64("x"));
        let mut forced = backup;
        forced["force"] = json!(true);
        transit.ok(Write, "restore", forced);
    }
    let mut transit = mount();
    for backup in [json!(""), json!("junk"), json!(b64("{}")), json!(5)] {
        error(&mut transit, "restore", json!({"backup": backup}));
    }
    assert_eq!(transit.status(Read, "backup/none", json!({})), 404);
    assert!(transit.stored("").is_empty());
}
