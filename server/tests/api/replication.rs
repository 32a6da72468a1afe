//! A primary and a secondary, in one process over real sockets: what a client sees.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{ROOT, TestServer};

/// Long enough for a machine that does other things too.
const PATIENCE: Duration = Duration::from_mins(1);

fn until(what: &str, mut ready: impl FnMut() -> bool) {
    let start = Instant::now();
    while !ready() {
        assert!(start.elapsed() < PATIENCE, "{what} did not come about");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A primary with some data, and a secondary that is level with it.
fn pair() -> (TestServer, TestServer) {
    let (primary, secondary) = (TestServer::dev(), TestServer::dev());
    primary.root("POST", "secret/data/before", r#"{"data":{"k":"v"}}"#, 200);
    let enable = "sys/replication/performance/primary/enable";
    let (status, answer) = primary.call("POST", enable, ROOT, "{}");
    assert!(status == 200 || status == 204, "{answer}");
    let issue = "sys/replication/performance/primary/secondary-token";
    let issued = primary.root("POST", issue, r#"{"id":"second"}"#, 200);
    let body = json!({
        "token": issued["wrap_info"]["token"],
        "primary_api_addr": format!("http://{}", primary.address),
    });
    let join = "sys/replication/performance/secondary/enable";
    let (status, answer) = secondary.call("POST", join, ROOT, &body.to_string());
    assert_eq!(status, 200, "{answer}");
    until("the first copy", || secondary.call("GET", "secret/data/before", ROOT, "").0 == 200);
    (primary, secondary)
}

fn value(server: &TestServer, path: &str) -> Value {
    server.call("GET", path, ROOT, "").1["data"]["data"]["k"].clone()
}

#[test]
fn a_secondary_reads_forwards_and_keeps_its_tokens() {
    let (primary, secondary) = pair();
    assert_eq!(
        secondary.call("GET", "sys/health", "", "").1["replication_performance_mode"],
        "secondary"
    );
    // Written there, read here.
    primary.root("POST", "secret/data/x", r#"{"data":{"k":"1"}}"#, 200);
    until("the write", || value(&secondary, "secret/data/x") == "1");
    // Written here, answered as if local, and there at once.
    let body = r#"{"data":{"k":"2"},"options":{"cas":1}}"#;
    let answer = secondary.root("POST", "secret/data/x", body, 200);
    assert_eq!(answer["data"]["version"], 2);
    assert_eq!(value(&primary, "secret/data/x"), "2");
    assert_eq!(value(&secondary, "secret/data/x"), "2", "read your own write");
    // An error of the primary is the client's.
    let refused = secondary.error("POST", "secret/data/x", ROOT, body, 400);
    assert!(refused.contains("check-and-set"), "{refused}");
    secondary.root("DELETE", "secret/metadata/x", "", 204);
    assert_eq!(primary.call("GET", "secret/data/x", ROOT, "").0, 404);

    // Policies come with the data; tokens are each cluster's own.
    let text = r#"path "secret/data/app/*" { capabilities = ["create", "update", "read"] }"#;
    let body = json!({ "policy": text }).to_string();
    secondary.root("PUT", "sys/policies/acl/app", &body, 204);
    let token = secondary.token(r#"{"policies":["app"]}"#);
    assert_eq!(primary.call("GET", "auth/token/lookup-self", &token, "").0, 403);
    let body = r#"{"data":{"k":"app"}}"#;
    let (status, answer) = secondary.call("POST", "secret/data/app/a", &token, body);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(secondary.call("POST", "secret/data/other", &token, body).0, 403);
    assert_eq!(value(&primary, "secret/data/app/a"), "app");
}

#[test]
fn transit_and_mounts_span_clusters_and_local_ones_do_not() {
    let (primary, secondary) = pair();
    // Mounted through the secondary, used on both.
    secondary.root("POST", "sys/mounts/crypt", r#"{"type":"transit"}"#, 204);
    secondary.root("POST", "crypt/keys/k", "{}", 200);
    let sealed = secondary.root("POST", "crypt/encrypt/k", r#"{"plaintext":"aGk="}"#, 200);
    let body = json!({ "ciphertext": sealed["data"]["ciphertext"] }).to_string();
    let opened = primary.root("POST", "crypt/decrypt/k", &body, 200);
    assert_eq!(opened["data"]["plaintext"], "aGk=");
    // A key that encrypt makes is made by the primary.
    let sealed = secondary.root("POST", "crypt/encrypt/fresh", r#"{"plaintext":"aGk="}"#, 200);
    let body = json!({ "ciphertext": sealed["data"]["ciphertext"] }).to_string();
    assert_eq!(primary.call("POST", "crypt/decrypt/fresh", ROOT, &body).0, 200);

    // Local mounts stay where they are, on either side.
    secondary.root("POST", "sys/mounts/here", r#"{"type":"kv","local":true}"#, 204);
    secondary.root("POST", "here/a", r#"{"k":"v"}"#, 204);
    assert_eq!(primary.call("GET", "here/a", ROOT, "").0, 404);
    primary.root("POST", "sys/mounts/there", r#"{"type":"kv","local":true}"#, 204);
    primary.root("POST", "there/a", r#"{"k":"v"}"#, 204);
    primary.root("POST", "secret/data/mark", r#"{"data":{"k":"1"}}"#, 200);
    until("the mark", || value(&secondary, "secret/data/mark") == "1");
    assert_eq!(secondary.call("GET", "there/a", ROOT, "").0, 404);
    assert_eq!(secondary.root("GET", "here/a", "", 200)["data"]["k"], "v");
    let mounts = secondary.root("GET", "sys/mounts", "", 200);
    assert!(mounts["data"].get("here/").is_some() && mounts["data"].get("there/").is_none());
    // A cubbyhole and a wrapped answer belong to their cluster.
    secondary.root("POST", "cubbyhole/x", r#"{"k":"v"}"#, 204);
    assert_eq!(primary.call("GET", "cubbyhole/x", ROOT, "").0, 404);

    // A rotation through the secondary is the primary's, and its term arrives.
    secondary.root("POST", "sys/rotate", "", 204);
    assert_eq!(primary.root("GET", "sys/key-status", "", 200)["data"]["term"], 2);
    primary.root("POST", "secret/data/new-term", r#"{"data":{"k":"n"}}"#, 200);
    until("the new term", || value(&secondary, "secret/data/new-term") == "n");
}

#[test]
fn both_come_back_after_a_restart() {
    let (primary, secondary) = pair();
    let token = secondary.token(r#"{"policies":["default"]}"#);
    let secondary = secondary.restart();
    assert_eq!(value(&secondary, "secret/data/before"), "v", "served from its own copy");
    assert_eq!(secondary.call("GET", "auth/token/lookup-self", &token, "").0, 200);
    primary.root("POST", "secret/data/later", r#"{"data":{"k":"l"}}"#, 200);
    until("the stream", || value(&secondary, "secret/data/later") == "l");
    secondary.root("POST", "secret/data/forwarded", r#"{"data":{"k":"f"}}"#, 200);
    assert_eq!(value(&primary, "secret/data/forwarded"), "f");
    // Without the primary reads go on and writes fail clearly, and nothing is half done.
    drop(primary);
    assert_eq!(value(&secondary, "secret/data/forwarded"), "f");
    let (status, answer) =
        secondary.call("POST", "secret/data/lost", ROOT, r#"{"data":{"k":"x"}}"#);
    assert!(status == 502 || status == 503, "{status} {answer}");
    assert_eq!(secondary.call("GET", "secret/data/lost", ROOT, "").0, 404);
}

#[test]
fn activation_tokens_are_good_for_one_enable() {
    let (primary, other) = (TestServer::dev(), TestServer::dev());
    other.root("POST", "secret/data/old", r#"{"data":{"k":"v"}}"#, 200);
    let enable = "sys/replication/performance/primary/enable";
    assert!(primary.call("POST", enable, ROOT, "{}").0 < 300);
    let issue = "sys/replication/performance/primary/secondary-token";
    let issued = primary.root("POST", issue, r#"{"id":"s"}"#, 200);
    let token = issued["wrap_info"]["token"].as_str().unwrap();
    let unwrap = json!({ "token": token }).to_string();
    assert_eq!(primary.call("POST", "sys/wrapping/lookup", "", &unwrap).0, 200);
    assert_eq!(primary.call("POST", "sys/wrapping/unwrap", "", &unwrap).0, 200);
    let join = "sys/replication/performance/secondary/enable";
    let address = format!("http://{}", primary.address);
    for (token, address) in
        [(token, address.as_str()), ("junk", &address), ("", &address), (token, "")]
    {
        let body = json!({ "token": token, "primary_api_addr": address }).to_string();
        let error = other.error("POST", join, ROOT, &body, 400);
        assert!(!error.contains(token) || token.is_empty(), "{error}");
    }
    assert_eq!(value(&other, "secret/data/old"), "v", "a refused enable changes nothing");
    let weak = primary.token(r#"{"policies":["default"]}"#);
    assert_eq!(primary.call("POST", issue, &weak, r#"{"id":"t"}"#).0, 403);
}

#[test]
fn logins_work_on_both_sides_and_make_one_entity() {
    let (primary, secondary) = pair();
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    // Enabled and filled through the secondary; the primary has it.
    secondary.root("POST", "sys/auth/approle", r#"{"type":"approle"}"#, 204);
    secondary.root("POST", "sys/auth/up", r#"{"type":"userpass"}"#, 204);
    secondary.root("POST", "auth/up/users/bob", r#"{"password":"pw"}"#, 204);
    let role = r#"{"role_id":"r","secret_id_num_uses":2}"#;
    secondary.root("POST", "auth/approle/role/r", role, 204);
    let made = secondary.root("POST", "auth/approle/role/r/secret-id", "{}", 200);
    let body = json!({"role_id": "r", "secret_id": made["data"]["secret_id"]}).to_string();

    // The first login here makes the entity there, but the token here.
    let log_in = |server: &TestServer| {
        let (status, answer) = server.call("POST", "auth/up/login/bob", "", r#"{"password":"pw"}"#);
        assert_eq!(status, 200, "{answer}");
        (text(&answer["auth"]["client_token"]), text(&answer["auth"]["entity_id"]))
    };
    let (here, entity) = log_in(&secondary);
    assert_eq!(secondary.call("GET", "auth/token/lookup-self", &here, "").0, 200);
    assert_eq!(primary.call("GET", "auth/token/lookup-self", &here, "").0, 403);
    let path = format!("identity/entity/id/{entity}");
    assert_eq!(primary.root("GET", &path, "", 200)["data"]["aliases"][0]["name"], "bob");
    assert_eq!(log_in(&primary).1, entity);
    assert_eq!(log_in(&secondary).1, entity);

    // What identity adds is the same on both.
    let policy = r#"{"policy":"path \"sys/mounts\" { capabilities = [\"read\"] }"}"#;
    secondary.root("PUT", "sys/policies/acl/seer", policy, 204);
    assert_eq!(secondary.call("GET", "sys/mounts", &here, "").0, 403);
    secondary.root("POST", &path, r#"{"policies":["seer"]}"#, 204);
    until("the entity", || secondary.call("GET", "sys/mounts", &here, "").0 == 200);

    // Uses of a secret id count for the whole set.
    assert_eq!(secondary.call("POST", "auth/approle/login", "", &body).0, 200);
    assert_eq!(primary.call("POST", "auth/approle/login", "", &body).0, 200);
    until("the last use", || secondary.call("POST", "auth/approle/login", "", &body).0 == 400);

    // A batch token without a parent is good everywhere, and void everywhere without its mount.
    secondary.root("POST", "sys/auth/up/tune", r#"{"token_type":"batch"}"#, 204);
    let (batch, _) = log_in(&secondary);
    assert!(batch.starts_with("hvb."));
    for server in [&primary, &secondary] {
        assert_eq!(server.call("GET", "auth/token/lookup-self", &batch, "").0, 200);
    }
    primary.root("DELETE", "sys/auth/up", "", 204);
    until("the end of the mount", || {
        secondary.call("GET", "auth/token/lookup-self", &here, "").0 == 403
    });
    assert_eq!(secondary.call("GET", "auth/token/lookup-self", &batch, "").0, 403);

    // A local auth method is nobody else's, and makes no entity.
    secondary.root("POST", "sys/auth/own", r#"{"type":"userpass","local":true}"#, 204);
    secondary.root("POST", "auth/own/users/eve", r#"{"password":"pw"}"#, 204);
    let (status, answer) = secondary.call("POST", "auth/own/login/eve", "", r#"{"password":"pw"}"#);
    assert_eq!((status, &answer["auth"]["entity_id"]), (200, &json!("")), "{answer}");
    assert!(primary.root("GET", "sys/auth", "", 200)["data"].get("own/").is_none());
}
