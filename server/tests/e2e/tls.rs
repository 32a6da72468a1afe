//! A TLS listener with a certificate authority of its own.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::support::{Server, bao, eventually, strongroom};

/// Makes a CA and a certificate of it for 127.0.0.1; writes `ca.pem`, `tls.crt`, `tls.key`.
fn issue(folder: &Path, name: &str) {
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name.push(rcgen::DnType::CommonName, name);
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()])
        .unwrap()
        .signed_by(&key, &ca)
        .unwrap();
    std::fs::write(folder.join("ca.pem"), ca.pem()).unwrap();
    std::fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
    std::fs::write(folder.join("tls.crt"), leaf.pem()).unwrap();
}

fn with_tls(extra: &str) -> Server {
    let certificates = tempfile::tempdir().unwrap().keep();
    issue(&certificates, "first");
    let listener = format!(
        "tls_cert_file = \"{0}/tls.crt\"\n  tls_key_file = \"{0}/tls.key\"\n  {extra}",
        certificates.display()
    );
    let server = Server::prepared(&listener, "https");
    for name in ["ca.pem", "tls.crt", "tls.key"] {
        std::fs::rename(certificates.join(name), server.folder().join(name)).unwrap();
        std::os::unix::fs::symlink(server.folder().join(name), certificates.join(name)).unwrap();
    }
    server
}

fn status(server: &Server, ca: &Path) -> i32 {
    let environment = [("VAULT_ADDR", server.url()), ("VAULT_CACERT", ca.to_str().unwrap())];
    strongroom(&environment, &["status"]).code
}

#[test]
fn our_client_and_bao_speak_tls_with_the_right_ca_only() {
    let mut server = with_tls("tls_min_version = \"tls13\"");
    server.start();
    let ca = server.folder().join("ca.pem");
    eventually("the TLS listener", || (status(&server, &ca) == 2).then_some(()));
    let environment = [("BAO_ADDR", server.url()), ("BAO_CACERT", ca.to_str().unwrap())];
    let run = bao(&environment, &["operator", "init", "-key-shares=1", "-key-threshold=1"]).ok();
    assert!(run.out.contains("Initial Root Token"), "{run:#?}");

    let stranger = tempfile::tempdir().unwrap();
    issue(stranger.path(), "stranger");
    let other_ca = stranger.path().join("ca.pem");
    let environment = [("VAULT_ADDR", server.url()), ("VAULT_CACERT", other_ca.to_str().unwrap())];
    strongroom(&environment, &["status"]).fails(1, "VAULT_CACERT");
    strongroom(&[("VAULT_ADDR", server.url())], &["status"]).fails(1, "VAULT_CACERT");
    let environment = [("VAULT_ADDR", server.url()), ("VAULT_SKIP_VERIFY", "true")];
    assert_eq!(strongroom(&environment, &["status"]).code, 2);
    let plain = server.url().replace("https", "http");
    strongroom(&[("VAULT_ADDR", &plain)], &["status"]).fails(1, "");
}

#[test]
fn sighup_takes_up_new_certificates() {
    let mut server = with_tls("");
    server.start();
    let first_ca = server.folder().join("first-ca.pem");
    std::fs::copy(server.folder().join("ca.pem"), &first_ca).unwrap();
    eventually("the TLS listener", || (status(&server, &first_ca) == 2).then_some(()));

    issue(server.folder(), "second");
    let second_ca = server.folder().join("ca.pem");
    assert_eq!(status(&server, &second_ca), 1, "nobody asked it to reload yet");
    server.signal("HUP");
    eventually("the new certificate", || (status(&server, &second_ca) == 2).then_some(()));
    assert_eq!(status(&server, &first_ca), 1);

    // A broken file must not take the working certificate away.
    std::fs::write(server.folder().join("tls.crt"), "broken").unwrap();
    server.signal("HUP");
    eventually("word of the broken file", || server.log().contains("tls.crt").then_some(()));
    assert_eq!(status(&server, &second_ca), 2);
}

#[test]
fn certificates_that_cannot_be_read_stop_the_start() {
    let mut server = with_tls("");
    std::fs::write(server.folder().join("tls.key"), "broken").unwrap();
    server.start();
    assert_eq!(server.wait().code(), Some(1));
    assert!(server.log().contains("tls.key"), "{}", server.log());
}
