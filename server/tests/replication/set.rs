//! A primary with secondaries at work.

use serde_json::json;
use strongroom_server::cluster::ops::ForwardRequest;
use strongroom_server::logical::{Caller, Operation};

use super::support::{TestServer, joined, level, pair, until};

#[test]
fn what_is_written_anywhere_is_read_everywhere() {
    let primary = TestServer::dev("root-p");
    primary.call("POST", "secret/data/before", r#"{"data":{"x":"0"}}"#);
    primary.call("POST", "sys/mounts/transit", r#"{"type":"transit"}"#);
    primary.call("POST", "transit/keys/k", "{}");
    primary.enable_primary();
    let eu = joined(&primary, TestServer::dev("root-eu"), "eu");
    let us = joined(&primary, TestServer::dev("root-us"), "us");

    // Written before, and after, on the primary.
    assert_eq!(eu.call("GET", "secret/data/before", "")["data"]["data"]["x"], "0");
    primary.call("POST", "secret/data/a", r#"{"data":{"x":"1"}}"#);
    for secondary in [&eu, &us] {
        until("it arrives", || secondary.try_call("GET", "secret/data/a", "").0 == 200);
        assert_eq!(secondary.call("GET", "secret/data/a", "")["data"]["data"]["x"], "1");
    }

    // Encrypted on one secondary, decrypted on the other.
    let sealed = eu.call("POST", "transit/encrypt/k", r#"{"plaintext":"aGVsbG8="}"#);
    let body = json!({ "ciphertext": sealed["data"]["ciphertext"] }).to_string();
    assert_eq!(us.call("POST", "transit/decrypt/k", &body)["data"]["plaintext"], "aGVsbG8=");

    // Written through a secondary: read back from it at once, and elsewhere soon.
    for i in 0..10 {
        let path = format!("secret/data/through/{i}");
        let answer = eu.call("POST", &path, r#"{"data":{"x":"2"}}"#);
        assert_eq!(answer["data"]["version"], 1, "{answer}");
        assert!(answer["warnings"].is_null(), "{answer}");
        assert_eq!(eu.call("GET", &path, "")["data"]["data"]["x"], "2");
        assert_eq!(primary.call("GET", &path, "")["data"]["data"]["x"], "2");
    }
    let listed = eu.call("LIST", "secret/metadata/through", "");
    assert_eq!(listed["data"]["keys"].as_array().unwrap().len(), 10);
    eu.call("DELETE", "secret/metadata/through/3", "");
    assert_eq!(eu.try_call("GET", "secret/data/through/3", "").0, 404);
    level(&primary, &us);
    assert_eq!(us.try_call("GET", "secret/data/through/3", "").0, 404);

    // Mounts and policies by way of a secondary.
    us.call("POST", "sys/mounts/late", r#"{"type":"kv"}"#);
    us.call("POST", "late/k", r#"{"v":"1"}"#);
    us.call(
        "POST",
        "sys/policies/acl/reader",
        r#"{"policy":"path \"late/*\" { capabilities = [\"read\"] }"}"#,
    );
    level(&primary, &eu);
    assert_eq!(eu.call("GET", "late/k", "")["data"]["v"], "1");
    assert_eq!(eu.try_call("GET", "sys/policies/acl/reader", "").0, 200);

    // A refusal of the primary is answered as if local.
    assert_eq!(eu.try_call("POST", "secret/data/x", r#"{"options":{"cas":7},"data":{}}"#).0, 400);
}

#[test]
fn tokens_and_local_mounts_stay_in_their_cluster() {
    let (primary, secondary) = pair();
    let made = primary.call("POST", "auth/token/create", r#"{"policies":["default"]}"#);
    let token = made["auth"]["client_token"].as_str().unwrap();
    let lookup = format!(r#"{{"token":"{token}"}}"#);
    assert_eq!(primary.try_call("POST", "auth/token/lookup", &lookup).0, 200);
    assert_ne!(secondary.try_call("POST", "auth/token/lookup", &lookup).0, 200);

    primary.call("POST", "sys/mounts/mine", r#"{"type":"kv","local":true}"#);
    primary.call("POST", "mine/k", r#"{"v":"1"}"#);
    secondary.call("POST", "sys/mounts/theirs", r#"{"type":"kv","local":true}"#);
    secondary.call("POST", "theirs/k", r#"{"v":"2"}"#);
    level(&primary, &secondary);
    assert_eq!(secondary.try_call("GET", "mine/k", "").0, 404);
    assert_eq!(primary.try_call("GET", "theirs/k", "").0, 404);
    assert_eq!(secondary.call("GET", "theirs/k", "")["data"]["v"], "2");
}

#[test]
fn both_sides_may_restart_and_find_each_other() {
    let (mut primary, mut secondary) = pair();
    secondary.halt();
    for i in 0..50 {
        primary.call("POST", &format!("secret/data/away/{i}"), r#"{"data":{"x":"1"}}"#);
    }
    secondary.run();
    level(&primary, &secondary);
    assert_eq!(secondary.status()["reconciliations"], 0);
    assert_eq!(secondary.call("GET", "secret/data/away/49", "")["data"]["data"]["x"], "1");

    primary.halt();
    // Reads go on; a write says clearly that it was not done.
    assert_eq!(secondary.try_call("GET", "secret/data/away/49", "").0, 200);
    let (status, body) = secondary.try_call("POST", "secret/data/no", r#"{"data":{}}"#);
    assert!(status == 503 || status == 502, "{status} {body}");
    primary.run();
    level(&primary, &secondary);
    until("writes pass again", || {
        secondary.try_call("POST", "secret/data/yes", r#"{"data":{}}"#).0 == 200
    });
    assert_eq!(secondary.try_call("GET", "secret/data/yes", "").0, 200);
}

#[test]
fn a_rotation_reaches_the_secondaries() {
    let (primary, secondary) = pair();
    primary.call("POST", "sys/rotate", "{}");
    primary.call("POST", "secret/data/rotated", r#"{"data":{"x":"1"}}"#);
    level(&primary, &secondary);
    assert_eq!(secondary.call("GET", "secret/data/rotated", "")["data"]["data"]["x"], "1");
    secondary.call("POST", "secret/data/rotated", r#"{"data":{"x":"2"}}"#);
    assert_eq!(primary.call("GET", "secret/data/rotated", "")["data"]["data"]["x"], "2");
}

#[test]
fn the_status_names_both_sides() {
    let (primary, secondary) = pair();
    let both = primary.call("GET", "sys/replication/status", "");
    assert_eq!(both["data"]["performance"]["mode"], "primary");
    assert_eq!(both["data"]["dr"]["mode"], "disabled");
    let here = secondary.status();
    assert_eq!(here["mode"], "secondary");
    assert_eq!(here["secondary_id"], "eu");
    assert_eq!(here["connection_state"], "ready");
    assert_eq!(here["cluster_id"], primary.status()["cluster_id"]);
    until("a heartbeat came", || {
        let there = primary.status();
        let peer = &there["secondaries"][0];
        peer["connection_status"] == "connected"
            && !peer["last_heartbeat"].as_str().unwrap().starts_with("0001")
    });
    let health = secondary.call("GET", "sys/health", "");
    assert_eq!(health["replication_performance_mode"], "secondary");
    let path = "sys/replication/performance/primary/revoke-secondary";
    primary.call("POST", path, r#"{"id":"eu"}"#);
    until("it is cut off", || {
        let here = secondary.status();
        here["last_error"].as_str().is_some_and(|e| e.contains("not known"))
    });
    assert!(primary.error("POST", path, r#"{"id":"eu"}"#, 400).contains("no secondary"));
    assert_eq!(primary.status()["known_secondaries"], json!([]));
}

/// A stolen certificate of a secondary forwards what it likes; it must not make itself another
/// secondary that outlives its revocation, a token of the primary, nor seal it.
#[test]
fn what_is_each_clusters_own_cannot_be_forwarded() {
    let primary = TestServer::dev("root-p");
    primary.enable_primary();
    let call = |path: &str, body: &'static str| ForwardRequest {
        op: Operation::Write,
        path: path.to_owned(),
        query: Vec::new(),
        body: bytes::Bytes::from_static(body.as_bytes()),
        caller: Caller { policies: vec!["root".to_owned()], ..Caller::default() },
        address: None,
        certificates: Vec::new(),
        secondary_id: "eu".to_owned(),
    };
    let issue = "sys/replication/performance/primary/secondary-token";
    assert_eq!(primary.forwarded(call(issue, r#"{"id":"evil"}"#)), 403);
    assert_eq!(primary.forwarded(call("sys/seal", "{}")), 403);
    assert_eq!(primary.forwarded(call("auth/token/create", "{}")), 403);
    assert_eq!(primary.status()["known_secondaries"], json!([]));
    assert_eq!(primary.forwarded(call("secret/data/a", r#"{"data":{"x":"1"}}"#)), 200);
    assert_eq!(primary.forwarded(call("sys/rotate", "{}")), 200);
}
