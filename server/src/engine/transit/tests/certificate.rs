//! Certificate requests signed by a key, and the certificates that are kept with it.

use rcgen::{CertificateParams, CertificateSigningRequestParams, DnType, KeyPair};
use serde_json::json;

use super::super::wire::decode;
use super::{mount, text};
use crate::logical::Operation::{Read, Write};

#[test]
fn requests_are_signed_and_certificates_kept() {
    for kind in ["ecdsa-p256", "ecdsa-p384", "ed25519", "rsa-2048"] {
        let mut transit = mount();
        transit.ok(Write, "keys/k", json!({"type": kind, "exportable": true}));
        let empty = text(&transit.ok(Write, "keys/k/csr", json!({}))["csr"]);
        // Reading it checks the signature too.
        CertificateSigningRequestParams::from_pem(&empty).unwrap();

        let mut wanted = CertificateParams::new(vec!["example.com".to_owned()]).unwrap();
        wanted.distinguished_name.push(DnType::CommonName, "a subject");
        let template = wanted.serialize_request(&KeyPair::generate().unwrap()).unwrap();
        let body = json!({"csr": template.pem().unwrap()});
        let answer = transit.ok(Write, "keys/k/csr", body);
        assert_eq!((&answer["name"], &answer["type"]), (&json!("k"), &json!(kind)));
        let request = CertificateSigningRequestParams::from_pem(&text(&answer["csr"])).unwrap();
        assert_eq!(request.params.distinguished_name, wanted.distinguished_name);
        assert_eq!(request.params.subject_alt_names, wanted.subject_alt_names);

        let der = transit.ok(Read, "export/signing-key/k?format=der", json!({}));
        let der = decode(&text(&der["keys"]["1"])).unwrap();
        let pair = KeyPair::try_from(der).unwrap();
        let own = wanted.self_signed(&pair).unwrap().pem();
        let other = wanted.self_signed(&KeyPair::generate().unwrap()).unwrap().pem();
        let chain = format!("{own}{other}");
        transit.ok(Write, "keys/k/set-certificate", json!({"certificate_chain": chain}));
        let kept = transit.ok(Read, "export/certificate-chain/k", json!({}));
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(lines(&text(&kept["keys"]["1"])), lines(&chain));
        let info = transit.ok(Read, "keys/k", json!({}));
        assert_eq!(lines(&text(&info["keys"]["1"]["certificate_chain"])), lines(&chain));
        let (_, error) =
            transit.error(Write, "keys/k/set-certificate", json!({"certificate_chain": other}));
        assert!(error.contains("does not match the key version"), "{error}");
    }
}

#[test]
fn what_is_no_certificate_is_refused() {
    let mut transit = mount();
    transit.ok(Write, "keys/k", json!({"type": "ecdsa-p256"}));
    transit.ok(Write, "keys/sym", json!({}));
    let junk = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    for (path, body) in [
        ("k/csr", json!({"csr": "x"})),
        ("k/csr", json!({"csr": junk})),
        ("k/csr", json!({"version": 9})),
        ("sym/csr", json!({})),
        ("none/csr", json!({})),
        ("k/set-certificate", json!({})),
        ("k/set-certificate", json!({"certificate_chain": "x"})),
        ("k/set-certificate", json!({"certificate_chain": junk})),
        ("k/set-certificate", json!({"certificate_chain": 5})),
        ("sym/set-certificate", json!({"certificate_chain": junk})),
        ("none/set-certificate", json!({"certificate_chain": junk})),
    ] {
        assert_eq!(transit.status(Write, &format!("keys/{path}"), body), 400, "{path}");
    }
}
