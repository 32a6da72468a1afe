//! Devices: how they are made, what their options change, and what happens when one fails.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};

use super::Audited;
use crate::support::ROOT;

#[test]
fn one_working_device_is_enough_and_none_is_not() {
    let audited = Audited::new(json!({ "durable": true }));
    let server = &audited.server;
    audited.enable("full", Path::new("/dev/full"), json!({ "mode": "0000" }));
    let pipe = audited.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    audited.enable("pipe", &pipe, json!({}));
    server.root("POST", "secret/data/app", r#"{"data":{"k":"v"}}"#, 200);
    server.root("GET", "secret/data/app", "", 200);
    assert_eq!(audited.records().len(), 1 + 2 + 2 + 4, "nothing is missing where it works");
    server.call("DELETE", "sys/audit/file", ROOT, "");
    let error = server.error("POST", "secret/data/app", ROOT, r#"{"data":{"k":"w"}}"#, 500);
    assert!(error.contains("no audit device"), "{error}");
    server.error("GET", "secret/data/app", ROOT, "", 500);
    assert_eq!(server.call("GET", "sys/health", "", "").0, 200, "health is not audited");
}

#[test]
fn devices_are_listed_checked_and_still_there_after_a_restart() {
    let audited = Audited::new(json!({}));
    let server = &audited.server;
    let log = audited.path("log");
    let log = log.to_str().unwrap();
    let shown = json!({
        "file/": {
            "type": "file", "description": "", "options": { "file_path": log }, "local": false,
            "path": "file/",
        }
    });
    assert_eq!(server.root("GET", "sys/audit", "", 200)["data"], shown);
    server.error("GET", "sys/audit/file", ROOT, "", 405);
    for (path, body, want) in [
        ("file", json!({ "type": "file", "options": { "file_path": log } }), "path already in use"),
        ("x", json!({ "type": "nope" }), "unknown backend type: \"nope\""),
        ("x", json!({}), "unknown backend type: \"\""),
        ("x", json!({ "type": "file" }), "file_path is required"),
        ("x", json!({ "type": "file", "options": { "file_path": "/proc/x/y" } }), "not enabled"),
        ("x", json!({ "type": "socket", "options": { "address": "127.0.0.1:1" } }), "not enabled"),
        ("x", json!({ "type": "file", "options": 5 }), "options"),
        ("", json!({ "type": "file", "options": { "file_path": log } }), "path"),
    ] {
        let error =
            server.error("POST", &format!("sys/audit/{path}"), ROOT, &body.to_string(), 400);
        assert!(error.contains(want), "{body}: {error}");
    }
    assert!(
        server.error("POST", "sys/audit-hash/zz", ROOT, r#"{"input":"a"}"#, 400).contains("zz/")
    );
    server.error("POST", "sys/audit-hash/file", ROOT, "{}", 400);
    let weak = server.token(r#"{"policies":["nothing"]}"#);
    for (method, path) in
        [("GET", "sys/audit"), ("POST", "sys/audit/y"), ("DELETE", "sys/audit/file")]
    {
        server.error(method, path, &weak, "{}", 403);
        server.error(method, path, "", "{}", 403);
    }
    let Audited { server, folder } = audited;
    let audited = Audited { server: server.restart(), folder };
    let before = audited.records().len();
    audited.server.root("GET", "sys/audit", "", 200);
    assert_eq!(audited.records().len(), before + 2);
    audited.server.root("DELETE", "sys/audit/nothing", "", 204);
    audited.server.root("DELETE", "sys/audit/file", "", 204);
    let after = audited.records().len();
    audited.server.root("GET", "sys/audit", "", 200);
    assert_eq!(audited.records().len(), after);
}

#[test]
fn options_change_what_a_record_shows() {
    let audited = Audited::new(json!({
        "hmac_accessor": false, "elide_list_responses": true, "prefix": "@cee: ", "mode": "0640"
    }));
    let server = &audited.server;
    server.root("POST", "secret/data/app", r#"{"data":{}}"#, 200);
    server.root("LIST", "secret/metadata", "", 200);
    let log = audited.log();
    let last = log.lines().last().unwrap().strip_prefix("@cee: ").unwrap();
    let record: Value = serde_json::from_str(last).unwrap();
    assert_eq!(record["response"]["data"]["keys"], 1);
    let own = server.root("GET", "auth/token/lookup-self", "", 200);
    assert_eq!(record["auth"]["accessor"], own["data"]["accessor"]);
    assert_eq!(fs::metadata(audited.path("log")).unwrap().permissions().mode() & 0o777, 0o640);
    let tune = r#"{"audit_non_hmac_request_keys":["data"]}"#;
    server.root("POST", "sys/mounts/secret/tune", tune, 204);
    server.root("POST", "secret/data/app", r#"{"data":{"k":"shown"}}"#, 200);
    assert!(audited.log().contains("shown"));
}
