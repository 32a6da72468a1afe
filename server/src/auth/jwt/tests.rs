//! Signatures, times and claims.

use std::fmt::Write as _;

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::claims;
use super::key::PublicKey;
use super::signed::{SignatureError, open};
use super::times::{Leeways, check};

fn pem(der: &[u8]) -> String {
    let mut text = "-----BEGIN PUBLIC KEY-----\n".to_owned();
    for line in STANDARD.encode(der).as_bytes().chunks(64) {
        writeln!(text, "{}", String::from_utf8_lossy(line)).unwrap();
    }
    text + "-----END PUBLIC KEY-----\n"
}

fn key(der: &PublicKeyX509Der<'_>) -> PublicKey {
    PublicKey::parse(&pem(der.as_ref())).unwrap()
}

fn token(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let message = format!(
        "{}.{}",
        encode(header.to_string().as_bytes()),
        encode(claims.to_string().as_bytes())
    );
    let signature = encode(&sign(message.as_bytes()));
    format!("{message}.{signature}")
}

fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm) -> (PublicKey, impl Fn(&[u8]) -> Vec<u8>) {
    let pair = EcdsaKeyPair::generate(algorithm).unwrap();
    let public = key(&pair.public_key().as_der().unwrap());
    let sign = move |m: &[u8]| pair.sign(&SystemRandom::new(), m).unwrap().as_ref().to_vec();
    (public, sign)
}

#[test]
fn each_algorithm_takes_keys_of_its_own_kind_only() {
    let claims = json!({"sub": "bob"});
    let (p256, es256) = ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let (p384, es384) = ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING);
    let (p521, es512) = ecdsa(&ECDSA_P521_SHA512_FIXED_SIGNING);
    let ed = Ed25519KeyPair::generate().unwrap();
    let ed_key = key(&ed.public_key().as_der().unwrap());
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let rsa_key = key(&rsa.public_key().as_der().unwrap());
    let by_rsa = |how: &'static dyn RsaEncoding| {
        let rsa = &rsa;
        move |m: &[u8]| {
            let mut signature = vec![0; rsa.public_modulus_len()];
            rsa.sign(how, &SystemRandom::new(), m, &mut signature).unwrap();
            signature
        }
    };
    let with = |name: &str, sign: &dyn Fn(&[u8]) -> Vec<u8>| {
        token(&json!({"alg": name, "typ": "JWT"}), &claims, sign)
    };
    let by_ed = |m: &[u8]| ed.sign(m).as_ref().to_vec();
    let keys = [p256, p384, p521, ed_key, rsa_key];
    for (name, signed) in [
        ("ES256", with("ES256", &es256)),
        ("ES384", with("ES384", &es384)),
        ("ES512", with("ES512", &es512)),
        ("EdDSA", with("EdDSA", &by_ed)),
        ("RS256", with("RS256", &by_rsa(&RSA_PKCS1_SHA256))),
        ("PS512", with("PS512", &by_rsa(&RSA_PSS_SHA512))),
    ] {
        let opened = open(&signed, &keys, &[]).unwrap();
        assert_eq!(Value::Object(opened), claims, "{name}");
        assert_eq!(open(&signed, &keys, &[name.to_owned()]).unwrap().len(), 1);
        assert_eq!(open(&signed, &keys, &["HS256".to_owned()]), Err(SignatureError::Algorithm));
        assert_eq!(open(&signed, &[], &[]), Err(SignatureError::Unknown));
        let (head, _) = signed.rsplit_once('.').unwrap();
        assert_eq!(open(&format!("{head}."), &keys, &[]), Err(SignatureError::Unknown));
        assert_eq!(open(&format!("{head}.AAAA"), &keys, &[]), Err(SignatureError::Unknown));
    }
    // A key's own signature under the name of another algorithm.
    for signed in [with("ES384", &es256), with("RS512", &by_rsa(&RSA_PKCS1_SHA256))] {
        assert_eq!(open(&signed, &keys, &[]), Err(SignatureError::Unknown));
    }
}

#[test]
fn what_is_no_signed_token_is_refused() {
    let (p256, sign) = ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let keys = [p256];
    let claims = json!({"sub": "bob"});
    for junk in ["", "x", "a.b", "a.b.c", "....", "e30.e30.e30", "!.!.!"] {
        assert!(open(junk, &keys, &[]).is_err(), "{junk}");
    }
    for header in [
        json!({"alg": "none"}),
        json!({"alg": "HS256"}),
        json!({"alg": "ES256", "crit": ["b64"], "b64": false}),
    ] {
        let signed = token(&header, &claims, &sign);
        assert_eq!(open(&signed, &keys, &[]), Err(SignatureError::Unknown), "{header}");
    }
    let list = token(&json!({"alg": "ES256"}), &json!([1]), &sign);
    assert_eq!(open(&list, &keys, &[]), Err(SignatureError::Claims));
    for junk in ["", "junk", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"] {
        assert!(PublicKey::parse(junk).is_none(), "{junk}");
    }
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else { panic!("{value}") };
    map
}

#[test]
fn a_token_has_its_time() {
    const NOW: i64 = 1_000_000;
    let at = |claims: Value, leeways: Leeways| check(&object(claims), leeways, NOW).is_ok();
    let default = Leeways::default();
    for (claims, want) in [
        (json!({}), false),
        (json!({"exp": NOW + 1}), true),
        (json!({"exp": NOW + 1, "iat": NOW}), true),
        (json!({"exp": NOW - 59, "iat": NOW - 90}), true),
        (json!({"exp": NOW - 60, "iat": NOW - 90}), false),
        (json!({"exp": NOW + 9, "nbf": NOW + 60}), true),
        (json!({"exp": NOW + 9, "nbf": NOW + 61}), false),
        (json!({"exp": NOW + 9, "nbf": NOW, "iat": NOW + 61}), false),
        (json!({"iat": NOW - 209}), true),
        (json!({"iat": NOW - 210}), false),
        (json!({"nbf": NOW - 209}), true),
        (json!({"exp": NOW + 210}), true),
        (json!({"exp": NOW + 211}), false),
        (json!({"exp": NOW + 9, "iat": 0.5}), true),
        (json!({"exp": "9999999999", "iat": NOW}), false),
        (json!({"exp": i64::MAX, "nbf": i64::MIN, "iat": i64::MIN}), true),
        (json!({"exp": 1e300, "nbf": -1e300, "iat": 1}), true),
    ] {
        assert_eq!(at(claims.clone(), default), want, "{claims}");
    }
    let none = Leeways { clock_skew: -1, expiration: -1, not_before: -1 };
    assert!(at(json!({"exp": NOW + 1, "iat": NOW}), none));
    assert!(!at(json!({"exp": NOW, "iat": NOW}), none));
    assert!(!at(json!({"iat": NOW - 1}), none));
    let wide = Leeways { clock_skew: 5, expiration: 1000, not_before: 1000 };
    assert!(at(json!({"iat": NOW - 1004}), wide) && at(json!({"exp": NOW + 1005}), wide));
}

#[test]
fn claims_are_found_and_compared() {
    let all = object(json!({
        "s": "x", "n": 7, "l": ["a", "b"], "o": {"in": "deep", "list": [{"x": 1}]}, "e/f~": "y",
        "/top": "z",
    }));
    for (name, want) in [
        ("s", Some(json!("x"))),
        ("/o/in", Some(json!("deep"))),
        ("/o/list/0/x", Some(json!(1))),
        ("/e~1f~0", Some(json!("y"))),
        ("/s", Some(json!("x"))),
        ("o/in", None),
        ("/none", None),
        ("/", None),
        ("/o/none", None),
    ] {
        assert_eq!(claims::find(&all, name), want.as_ref(), "{name}");
    }
    for (bound, globs, want) in [
        (json!({}), false, true),
        (json!({"s": "x", "n": 7}), false, true),
        (json!({"n": "7"}), false, false),
        (json!({"s": ["y", "x"], "l": "b"}), false, true),
        (json!({"l": ["c"]}), false, false),
        (json!({"none": "x"}), false, false),
        (json!({"s": "*"}), false, false),
        (json!({"/o/in": "d*p", "l": "*b"}), true, true),
        (json!({"n": "*"}), true, false),
    ] {
        let done = claims::check_bound(&all, &object(bound.clone()), globs);
        assert_eq!(done.is_ok(), want, "{bound}");
    }
    let audience = |aud: Value, bound: &[&str]| {
        let bound: Vec<String> = bound.iter().map(|b| (*b).to_owned()).collect();
        claims::check_audience(&object(json!({ "aud": aud })), &bound)
    };
    assert!(
        audience(json!("a"), &["a", "b"]).is_ok() && audience(json!(["z", "b"]), &["b"]).is_ok()
    );
    assert!(audience(json!("z"), &["a"]).is_err() && audience(Value::Null, &["a"]).is_err());
    assert!(audience(Value::Null, &[]).is_ok() && audience(json!(5), &["a"]).is_err());
    assert_eq!(audience(json!("a"), &[]), Err(claims::UNBOUND));
}

#[test]
fn a_claim_that_is_null_is_not_there() {
    let all = object(json!({"team": null, "mail": "x@y", "n": 5}));
    let mappings = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
    };
    let metadata = claims::metadata(&all, &mappings(&[("team", "t"), ("mail", "m")])).unwrap();
    assert_eq!(metadata, mappings(&[("m", "x@y")]));
    assert!(claims::metadata(&all, &mappings(&[("n", "n")])).is_err());
    assert!(claims::groups(&all, "team").unwrap_err().contains("not found"));
}
