//! Joining, and all the ways in which it fails without harm.

use serde_json::Value;

use strongroom_server::config::TlsFiles;

use super::support::{TestServer, free_port, joined, level, pair, until};

const ENABLE: &str = "sys/replication/performance/secondary/enable";

/// The server still holds what it held.
fn untouched(server: &TestServer) {
    assert_eq!(server.call("GET", "secret/data/own", "")["data"]["data"]["x"], "1");
    assert_eq!(server.status()["mode"], "disabled");
}

fn loner() -> TestServer {
    let server = TestServer::dev("root-s");
    server.call("POST", "secret/data/own", r#"{"data":{"x":"1"}}"#);
    server
}

#[test]
fn unusable_tokens_are_clear_errors_and_change_nothing() {
    let primary = TestServer::dev("root-p");
    primary.enable_primary();
    let server = loner();
    assert!(server.error("POST", ENABLE, "{}", 400).contains("missing token"));
    for bad in ["x", "a.b.c", "hvs.AAAA"] {
        let body = format!(r#"{{"token":"{bad}"}}"#);
        assert!(server.error("POST", ENABLE, &body, 400).contains("activation token"));
    }
    // Changed: the signature no longer fits.
    let token = primary.activation("eu");
    let mut changed = token.clone().into_bytes();
    let last = changed.len() - 10;
    changed[last] = if changed[last] == b'A' { b'B' } else { b'A' };
    let body = format!(r#"{{"token":"{}"}}"#, String::from_utf8(changed).unwrap());
    assert!(server.error("POST", ENABLE, &body, 400).contains("refused the activation token"));
    untouched(&server);

    // Used by someone else.
    let body = format!(r#"{{"token":"{token}"}}"#);
    let unwrapped = primary.call("POST", "sys/wrapping/unwrap", &body);
    assert!(unwrapped["data"]["client_key"].is_string());
    let refused = server.error("POST", ENABLE, &body, 400);
    assert!(refused.contains("ask the primary for a new one"), "{refused}");
    untouched(&server);

    // Revoked before use: the token unwraps, but the certificate is not known any more.
    let token = primary.activation("us");
    primary.call("POST", "sys/replication/performance/primary/revoke-secondary", r#"{"id":"us"}"#);
    let body = format!(r#"{{"token":"{token}"}}"#);
    assert!(server.error("POST", ENABLE, &body, 400).contains("not known"));
    untouched(&server);
}

#[test]
fn an_expired_token_is_refused() {
    let primary = TestServer::dev("root-p");
    primary.enable_primary();
    let server = loner();
    let path = "sys/replication/performance/primary/secondary-token";
    let answer = primary.call("POST", path, r#"{"id":"eu","ttl":"1s"}"#);
    assert_eq!(answer["wrap_info"]["ttl"], 1);
    let token = answer["wrap_info"]["token"].as_str().unwrap().to_owned();
    let lookup = format!(r#"{{"token":"{token}"}}"#);
    until("it expires", || primary.try_call("POST", "sys/wrapping/lookup", &lookup).0 != 200);
    let (status, body) = server.try_join(&token);
    assert_eq!(status, 400, "{body}");
    assert!(body.to_string().contains("expired"), "{body}");
    untouched(&server);
}

#[test]
fn without_any_api_address_it_must_be_given() {
    let primary = TestServer::dev_with("root-p", |config| config.api_addr = None);
    primary.enable_primary();
    let server = loner();
    let token = primary.activation("eu");
    let body = format!(r#"{{"token":"{token}"}}"#);
    assert!(server.error("POST", ENABLE, &body, 400).contains("primary_api_addr"));
    untouched(&server);
    let nobody = r#""primary_api_addr":"http://127.0.0.1:1""#;
    let body = format!(r#"{{"token":"{token}",{nobody}}}"#);
    assert!(server.error("POST", ENABLE, &body, 400).contains("cannot reach"));
    let missing = r#""primary_api_addr":"https://127.0.0.1:1","ca_file":"/does/not/exist""#;
    let body = format!(r#"{{"token":"{token}",{missing}}}"#);
    assert!(server.error("POST", ENABLE, &body, 400).contains("ca_file"));
    untouched(&server);
    let address = format!(r#""primary_api_addr":"http://{}""#, primary.address);
    let (status, answer) =
        server.try_call("POST", ENABLE, &format!(r#"{{"token":"{token}",{address}}}"#));
    assert_eq!(status, 200, "{answer}");
}

#[test]
fn roles_are_taken_once() {
    let (primary, secondary) = pair();
    let enable = "sys/replication/performance/primary/enable";
    assert!(primary.error("POST", enable, "{}", 400).contains("primary already"));
    assert!(secondary.error("POST", enable, "{}", 400).contains("secondary already"));
    let issue = "sys/replication/performance/primary/secondary-token";
    assert!(secondary.error("POST", issue, r#"{"id":"x"}"#, 400).contains("not a replication"));
    assert!(primary.error("POST", issue, "{}", 400).contains("missing id"));
    assert!(primary.error("POST", issue, r#"{"id":"x","ttl":"soon"}"#, 400).contains("ttl"));
    let body = format!(r#"{{"token":"{}"}}"#, primary.activation("x"));
    assert!(secondary.error("POST", ENABLE, &body, 400).contains("already"));
    assert!(primary.error("POST", ENABLE, &body, 400).contains("already"));
    let alone = TestServer::dev("root");
    let bad = r#"{"primary_cluster_addr":"not an address"}"#;
    assert!(alone.error("POST", enable, bad, 400).contains("primary_cluster_addr"));
    assert_eq!(alone.status()["mode"], "disabled");
}

#[test]
fn a_new_token_for_an_id_replaces_the_old_certificate() {
    let (primary, old) = pair();
    let new = joined(&primary, TestServer::dev("root-n"), "eu");
    until("the old one is out", || {
        old.status()["last_error"].as_str().is_some_and(|e| e.contains("not known"))
    });
    level(&primary, &new);
}

/// Not in development mode: the secondary takes over the unseal keys, and nobody's root token.
#[test]
fn a_production_secondary_unseals_with_the_primarys_keys() {
    let mut primary = TestServer::bare();
    let keys = primary.init();
    primary.call("POST", "sys/mounts/secret", r#"{"type":"kv"}"#);
    primary.call("POST", "secret/a", r#"{"x":"1"}"#);
    primary.enable_primary();
    let mut secondary = TestServer::bare();
    let own = secondary.init();
    let (status, body) = secondary.try_join(&primary.activation("eu"));
    assert_eq!(status, 200, "{body}");
    level(&primary, &secondary);
    // Its own tokens are gone, and so is the old store.
    assert_eq!(secondary.try_call("GET", "secret/a", "").0, 403);
    let stores = std::fs::read_dir(secondary.data_path())
        .unwrap()
        .filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().starts_with("store-"))
        .count();
    assert_eq!(stores, 1);

    secondary.halt();
    secondary.run();
    assert_eq!(secondary.try_call("GET", "sys/health", "").0, 503);
    let (status, _) = secondary.unseal(&own);
    assert_ne!(status, 200);
    let (status, body) = secondary.unseal(&keys);
    assert_eq!((status, &body["sealed"]), (200, &Value::Bool(false)));
    level(&primary, &secondary);
}

/// The token is only ever sent to an API whose certificate is trusted.
#[test]
fn the_primarys_api_is_checked_against_the_given_ca() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let pair = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(&cert, pair.cert.pem()).unwrap();
    std::fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    let tls = TlsFiles::new(cert.clone(), key);
    let primary = TestServer::dev_with("root-p", |config| {
        let mut secure = config.listeners[0].clone();
        secure.address = free_port();
        secure.tls = Some(tls);
        config.api_addr = Some(format!("https://{}", secure.address));
        config.listeners.push(secure);
    });
    primary.enable_primary();
    let server = loner();
    let token = primary.activation("eu");
    let other = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let foreign = folder.path().join("foreign.pem");
    std::fs::write(&foreign, other.cert.pem()).unwrap();
    let body = format!(r#"{{"token":"{token}","ca_file":"{}"}}"#, foreign.display());
    assert!(server.error("POST", ENABLE, &body, 400).contains("cannot reach"));
    untouched(&server);
    // Not used up: the token never left.
    let trusted = folder.path().join("trusted");
    std::fs::create_dir(&trusted).unwrap();
    std::fs::copy(&cert, trusted.join("ca.pem")).unwrap();
    let body = format!(r#"{{"token":"{token}","ca_path":"{}"}}"#, trusted.display());
    let (status, answer) = server.try_call("POST", ENABLE, &body);
    assert_eq!(status, 200, "{answer}");
}
