//! Records: who asked for what, what the answer was, and which secrets are in neither.

use std::fs;

use serde_json::{Value, json};

use super::Audited;
use crate::support::ROOT;

const CANARY: &str = "c4n4ry-0f-7h3-m1n3";

#[test]
fn records_tell_making_from_changing_and_who_counts_as_one_client() {
    let audited = Audited::new(json!({}));
    let server = &audited.server;
    server.root("POST", "sys/auth/userpass", r#"{"type":"userpass"}"#, 204);
    let user = r#"{"password":"p","token_type":"batch","token_policies":"w"}"#;
    server.root("POST", "auth/userpass/users/bob", user, 204);
    server.root("POST", "auth/userpass/users/bob", user, 204);
    let (_, made) = server.call("POST", "auth/userpass/login/bob", "", r#"{"password":"p"}"#);
    let auth = &made["auth"];
    server.call("GET", "secret/data/a", auth["client_token"].as_str().unwrap(), "");
    server.token(r#"{"policies":["w"]}"#);
    let records = audited.records();
    let told = |path: &str| {
        let of = records.iter().filter(|r| r["type"] == "response" && r["request"]["path"] == path);
        of.cloned().collect::<Vec<_>>()
    };
    let users = told("auth/userpass/users/bob");
    let operations: Vec<&Value> = users.iter().map(|r| &r["request"]["operation"]).collect();
    assert_eq!(operations, ["create", "update"]);
    // Base64 of the SHA-256 of the policies, a zero byte, and the namespace.
    let root = "0DHqvq2D77kL2/JTPSZkTMJbkFVmUu0TzMi0jiXcFy8=";
    assert_eq!(users[0]["request"]["client_id"], root);
    assert_eq!(users[0]["auth"]["token_type"], "service");
    let [login] = &told("auth/userpass/login/bob")[..] else { panic!("{records:?}") };
    assert_eq!(login["request"].get("client_id"), None);
    assert_eq!(login["auth"]["entity_id"], auth["entity_id"], "who came in is on record");
    assert_eq!(login["auth"], login["response"]["auth"]);
    let asked = records.iter().find(|r| r["request"]["path"] == "auth/userpass/login/bob").unwrap();
    assert_eq!(
        asked["auth"],
        json!({"policy_results": {"allowed": true}, "token_type": "default"})
    );
    let [read] = &told("secret/data/a")[..] else { panic!("{records:?}") };
    assert_eq!(read["auth"]["token_type"], "batch");
    assert_eq!(read["request"]["client_id"], auth["entity_id"]);
    assert_eq!(read["auth"]["entity_id"], auth["entity_id"]);
}

#[test]
fn records_name_the_policies_that_let_a_request_through() {
    let audited = Audited::new(json!({}));
    let server = &audited.server;
    for (name, text) in [
        ("reads", r#"path "secret/*" { capabilities = ["read"] }"#),
        ("lists", r#"path "secret/*" { capabilities = ["list"] }"#),
        ("both", r#"path "secret/*" { capabilities = ["read", "list"] }"#),
        ("exact", r#"path "secret/data/one" { capabilities = ["read"] }"#),
        ("own", r#"path "secret/data/{{identity.entity.name}}" { capabilities = ["read"] }"#),
    ] {
        let body = json!({ "policy": text }).to_string();
        server.root("POST", &format!("sys/policies/acl/{name}"), &body, 204);
    }
    server.root("POST", "sys/auth/userpass", r#"{"type":"userpass"}"#, 204);
    let user = r#"{"password":"p","token_policies":"reads,lists,exact,own"}"#;
    server.root("POST", "auth/userpass/users/bob", user, 204);
    let (_, made) = server.call("POST", "auth/userpass/login/bob", "", r#"{"password":"p"}"#);
    let token = made["auth"]["client_token"].as_str().unwrap();
    let id = made["auth"]["entity_id"].as_str().unwrap();
    let body = r#"{"name":"bob","policies":"both"}"#;
    server.root("POST", &format!("identity/entity/id/{id}"), body, 204);
    let names = |verb: &str, path: &str| {
        server.call(verb, path, token, "");
        let records = audited.records();
        let auth = &records.last().unwrap()["auth"];
        assert_eq!(auth["identity_policies"], json!(["both"]));
        let all = ["both", "default", "exact", "lists", "own", "reads"];
        assert_eq!(auth["policies"], json!(all));
        auth["policy_results"].clone()
    };
    let by = |names: &[&str]| {
        let shown = |name: &&str| json!({"name": name, "namespace_id": "root", "type": "acl"});
        let granting: Vec<Value> = names.iter().map(shown).collect();
        json!({"allowed": true, "granting_policies": granting})
    };
    assert_eq!(names("GET", "secret/data/x"), by(&["reads", "both"]));
    assert_eq!(names("LIST", "secret/metadata/x"), by(&["lists", "both"]));
    assert_eq!(names("GET", "secret/data/one"), by(&["exact"]));
    assert_eq!(names("GET", "secret/data/bob"), by(&["own"]));
    assert_eq!(names("GET", "sys/mounts"), json!({"allowed": false}));
    assert_eq!(names("GET", "sys/internal/ui/mounts"), json!({"allowed": true}));
    server.root("GET", "secret/config", "", 200);
    let records = audited.records();
    assert_eq!(records.last().unwrap()["auth"]["policy_results"], by(&["root"]));
}

#[test]
fn request_and_answer_are_on_record_with_their_strings_hashed() {
    let audited = Audited::new(json!({}));
    let server = &audited.server;
    let records = audited.records();
    assert_eq!(records.len(), 1, "the new device has the answer to its own making");
    assert_eq!(records[0]["type"], "response");
    let body = json!({ "data": { "k": CANARY, "n": 5 } }).to_string();
    server.root("POST", "secret/data/app", &body, 200);
    let answer = server.root("GET", "secret/data/app", "", 200);
    let records = audited.records();
    let [asked, answered, read, told] = &records[1..] else { panic!("{records:?}") };
    assert_eq!((&asked["type"], &answered["type"]), (&json!("request"), &json!("response")));
    assert_eq!(asked["request"]["data"]["data"], json!({ "k": audited.hash(CANARY), "n": 5 }));
    assert_eq!(asked["request"], answered["request"]);
    for record in [asked, answered, read, told] {
        assert_eq!(record["request"]["mount_point"], "secret/");
        assert_eq!(record["request"]["mount_type"], "kv");
        assert_eq!(record["request"]["namespace"]["id"], "root");
        assert_eq!(record["request"]["path"], "secret/data/app");
        assert_eq!(record["request"]["remote_address"], "127.0.0.1");
        assert_eq!(record["auth"]["client_token"], audited.hash(ROOT));
        assert_eq!(record["auth"]["policies"], json!(["root"]));
        assert_eq!(record["auth"]["policy_results"]["allowed"], true);
        assert!(record["time"].as_str().unwrap().ends_with('Z'));
    }
    assert_eq!(asked["request"]["operation"], "create");
    assert_eq!(read["request"]["operation"], "read");
    assert_eq!(told["request"]["id"], answer["request_id"]);
    assert_eq!(told["response"]["data"]["data"]["k"], audited.hash(CANARY));
    assert_eq!(told["response"]["data"]["metadata"]["version"], 1);
}

#[test]
fn who_is_turned_away_is_on_record_too() {
    let audited = Audited::new(json!({}));
    let server = &audited.server;
    server.error("GET", "secret/data/app", "wrong-token", "", 403);
    server.error("GET", "nomount/x", ROOT, "", 404);
    server.error("POST", "secret/data/app", ROOT, "{\"data\": broken", 400);
    let records = audited.records();
    let [_, asked, answered, _, lost, _, bad] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!(asked["error"], "permission denied");
    assert_eq!(asked["request"]["client_token"], audited.hash("wrong-token"));
    assert!(answered["error"].as_str().unwrap().contains("permission denied"));
    assert!(lost["error"].as_str().unwrap().contains("no handler for route"));
    assert!(bad["error"].as_str().unwrap().contains("JSON"));
    assert_eq!(bad["request"].get("data"), None, "what is no JSON is left out");
}

#[test]
fn a_secret_is_in_no_record_unless_the_device_shows_everything() {
    let audited = Audited::new(json!({}));
    audited.enable("raw", &audited.path("raw"), json!({ "log_raw": "true" }));
    let server = &audited.server;
    let token = server.token(r#"{"policies":["default"],"ttl":"1h"}"#);
    let body = json!({ "data": { "k": CANARY, "deep": [{ "er": CANARY }] } }).to_string();
    server.root("POST", "secret/data/app", &body, 200);
    server.root("GET", "secret/data/app", "", 200);
    server.error("POST", &format!("secret/data/app?x={CANARY}"), ROOT, "{\"data\":1}", 400);
    let wrap = "X-Vault-Token: root\r\nX-Vault-Wrap-TTL: 60\r\n";
    let wrapped = server.raw("GET", "/v1/secret/data/app", wrap, b"");
    let wrapped: Value = serde_json::from_str(&wrapped.body).unwrap();
    let wrapping = wrapped["wrap_info"]["token"].as_str().unwrap();
    let body = json!({ "token": wrapping }).to_string();
    server.root("POST", "sys/wrapping/unwrap", &body, 200);
    server.call("GET", "auth/token/lookup-self", &token, "");
    let (hashed, raw) = (audited.log(), fs::read_to_string(audited.path("raw")).unwrap());
    for secret in [CANARY, token.as_str(), wrapping, "X-Vault-Token", "\"root\":"] {
        assert!(!hashed.contains(secret), "{secret}");
    }
    assert!(raw.contains(CANARY) && raw.contains(&token) && raw.contains(wrapping));
}

#[test]
fn headers_go_on_record_when_asked_for() {
    let audited = Audited::new(json!({}));
    let server = &audited.server;
    let base = "sys/config/auditing/request-headers";
    assert_eq!(server.root("GET", base, "", 200)["headers"], json!({}));
    server.root("POST", &format!("{base}/X-Plain"), "", 204);
    server.root("POST", &format!("{base}/X-Hidden"), r#"{"hmac":true}"#, 204);
    let all = json!({ "x-plain": { "hmac": false }, "x-hidden": { "hmac": true } });
    assert_eq!(server.root("GET", base, "", 200)["data"]["headers"], all);
    assert_eq!(server.root("GET", &format!("{base}/X-Plain"), "", 200)["X-Plain"]["hmac"], false);
    server.error("GET", &format!("{base}/X-Other"), ROOT, "", 400);
    server.error("POST", &format!("{base}/a%20b"), ROOT, "", 400);
    let headers = "X-Vault-Token: root\r\nX-Plain: one\r\nX-Hidden: two\r\nX-Other: three\r\n";
    server.raw("GET", "/v1/sys/mounts", headers, b"");
    let want = json!({ "x-hidden": [audited.hash("two")], "x-plain": ["one"] });
    let records = audited.records();
    assert!(records.iter().any(|r| r["request"]["headers"] == want), "{records:?}");
    server.root("DELETE", &format!("{base}/X-Plain"), "", 204);
    assert!(!audited.log().contains("three"));
}
