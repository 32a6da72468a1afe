//! `sys/mounts`, `sys/auth`, `sys/internal/ui/mounts`.

use serde_json::json;

use crate::support::{ROOT, TestServer};

#[test]
fn engines_are_enabled_used_and_disabled_with_their_data() {
    let server = TestServer::dev();
    server.root("POST", "sys/mounts/kv1", r#"{"type":"kv","description":"d"}"#, 204);
    server.root("POST", "sys/mounts/team/kv2", r#"{"type":"kv","options":{"version":2}}"#, 204);
    server.root("POST", "sys/mounts/alias", r#"{"type":"kv-v2"}"#, 204);
    server.root("POST", "sys/mounts/crypt", r#"{"type":"transit","local":true}"#, 204);
    let all = server.root("GET", "sys/mounts", "", 200);
    assert_eq!(all["kv1/"], all["data"]["kv1/"], "in data and at the top");
    assert_eq!(all["data"]["kv1/"]["description"], "d");
    assert_eq!(all["data"]["kv1/"]["options"], json!({}));
    assert_eq!(all["data"]["team/kv2/"]["options"]["version"], "2");
    assert_eq!(all["data"]["alias/"]["type"], "kv");
    assert_eq!(all["data"]["crypt/"]["local"], true);
    for path in ["sys/", "identity/", "cubbyhole/", "secret/"] {
        assert!(all["data"][path]["accessor"].as_str().unwrap().len() > 9, "{path}");
    }
    let accessor = all["data"]["kv1/"]["accessor"].as_str().unwrap();
    assert!(accessor.starts_with("kv_") && accessor.len() == 11);

    server.root("POST", "kv1/a/b", r#"{"k":"v"}"#, 204);
    assert_eq!(server.root("GET", "kv1/a/b", "", 200)["data"]["k"], "v");
    server.root("POST", "team/kv2/data/x", r#"{"data":{"k":"w"}}"#, 200);
    server.root("DELETE", "sys/mounts/kv1", "", 204);
    server.error("GET", "kv1/a/b", ROOT, "", 404);
    server.root("POST", "sys/mounts/kv1", r#"{"type":"kv"}"#, 204);
    assert_eq!(server.call("GET", "kv1/a/b", ROOT, "").0, 404, "the data went with the mount");

    let server = server.restart();
    assert_eq!(server.root("GET", "team/kv2/data/x", "", 200)["data"]["data"]["k"], "w");
    assert_eq!(server.root("GET", "sys/mounts/crypt", "", 200)["local"], true);
}

#[test]
fn mounts_that_cannot_be_are_refused() {
    let server = TestServer::dev();
    for (path, body, part) in [
        ("a", "{}", "backend type must be specified"),
        ("a", r#"{"type":"foo"}"#, "plugin not found in the catalog: foo"),
        ("secret", r#"{"type":"kv"}"#, "path is already in use at secret/"),
        ("secret/sub", r#"{"type":"kv"}"#, "path is already in use at secret/"),
        ("sys/x", r#"{"type":"kv"}"#, "cannot mount \"sys/x/\""),
        ("auth/x", r#"{"type":"kv"}"#, "cannot mount"),
        ("cc", r#"{"type":"cubbyhole"}"#, "not mountable"),
        ("cc", r#"{"type":"kv","options":{"version":"3"}}"#, "version"),
        ("cc", r#"{"type":"kv","config":{"default_lease_ttl":"x"}}"#, "TTL"),
        ("cc", r#"{"type":"kv","config":{"listing_visibility":"x"}}"#, "listing_visibility"),
        ("a%20/b", r#"{"type":"kv"}"#, "not a path"),
    ] {
        let error = server.error("POST", &format!("sys/mounts/{path}"), ROOT, body, 400);
        assert!(error.contains(part), "{path} {body}: {error}");
    }
    server.root("DELETE", "sys/mounts/none", "", 204);
    assert!(server.error("DELETE", "sys/mounts/sys", ROOT, "", 400).contains("cannot unmount"));
    assert_eq!(
        server.error("GET", "sys/mounts/none", ROOT, "", 400),
        "No secret engine mount at none/"
    );
    assert!(server.error("GET", "sys/mounts/none/tune", ROOT, "", 400).contains("none/"));
}

#[test]
fn mounts_are_tuned() {
    let server = TestServer::dev();
    let before = server.root("GET", "sys/mounts/secret/tune", "", 200);
    assert_eq!(before["data"]["default_lease_ttl"], 2_764_800);
    assert_eq!(before["options"]["version"], "2");
    let body = r#"{"default_lease_ttl":"1h","max_lease_ttl":7200,"description":"new",
                   "listing_visibility":"unauth","options":{"version":"2"}}"#;
    server.root("POST", "sys/mounts/secret/tune", body, 204);
    let after = server.root("GET", "sys/mounts/secret/tune", "", 200);
    assert_eq!(after["data"]["default_lease_ttl"], 3600);
    assert_eq!(after["data"]["max_lease_ttl"], 7200);
    assert_eq!(after["data"]["description"], "new");
    let visible = server.call("GET", "sys/internal/ui/mounts", "", "").1;
    assert_eq!(visible["data"]["secret"]["secret/"]["type"], "kv");
    for body in [
        r#"{"default_lease_ttl":"9h"}"#,
        r#"{"options":{"version":"1"}}"#,
        r#"{"listing_visibility":"all"}"#,
    ] {
        server.error("POST", "sys/mounts/secret/tune", ROOT, body, 400);
    }
    server.error("POST", "sys/mounts/none/tune", ROOT, "{}", 400);
    server.root("POST", "sys/auth/token/tune", r#"{"description":"t"}"#, 204);
    assert_eq!(server.root("GET", "sys/auth", "", 200)["token/"]["description"], "t");
    let tune = server.root("GET", "sys/mounts/auth/token/tune", "", 200);
    assert_eq!(tune["data"]["description"], "t");
}

/// Command lines send all times with every tuning, as empty text where they are to stay.
#[test]
fn a_tuning_leaves_what_it_does_not_name() {
    let server = TestServer::dev();
    let tune = "sys/mounts/kv/tune";
    let body = r#"{"type":"kv","config":{"default_lease_ttl":"1h","force_no_cache":true}}"#;
    server.root("POST", "sys/mounts/kv", body, 204);
    let body = r#"{"default_lease_ttl":"","max_lease_ttl":"2h","force_no_cache":false}"#;
    server.root("POST", tune, body, 204);
    let after = server.root("GET", tune, "", 200)["data"].clone();
    assert_eq!(
        (&after["default_lease_ttl"], &after["max_lease_ttl"]),
        (&json!(3600), &json!(7200))
    );
    assert_eq!(after["force_no_cache"], true);
    let error = server.error("POST", tune, ROOT, r#"{"max_lease_ttl":"30m"}"#, 400);
    assert_eq!(
        error,
        "backend max lease TTL of 1800 would be less than backend default lease TTL of 3600"
    );
    server.root("POST", tune, r#"{"default_lease_ttl":"system"}"#, 204);
    let after = server.root("GET", "sys/mounts/kv", "", 200);
    assert_eq!(after["config"]["default_lease_ttl"], 0);
}

#[test]
fn the_systems_own_mounts_are_not_tuned() {
    let server = TestServer::dev();
    for mount in ["sys", "identity", "cubbyhole"] {
        let tune = format!("sys/mounts/{mount}/tune");
        for (name, body) in [
            ("default_lease_ttl", r#"{"default_lease_ttl":"1h"}"#),
            ("max_lease_ttl", r#"{"max_lease_ttl":60}"#),
            ("description", r#"{"description":"x"}"#),
            ("options", r#"{"options":{"a":"b"}}"#),
            ("passthrough_request_headers", r#"{"passthrough_request_headers":["A"]}"#),
        ] {
            let error = server.error("POST", &tune, ROOT, body, 400);
            assert_eq!(error, format!("cannot tune parameter {name} of {mount}/"));
        }
        let body =
            r#"{"default_lease_ttl":"","max_lease_ttl":"","audit_non_hmac_request_keys":["a"]}"#;
        server.root("POST", &tune, body, 204);
    }
    let error = server.error("POST", "sys/auth/token/tune", ROOT, r#"{"token_type":"batch"}"#, 400);
    assert!(error.contains("token_type"), "{error}");
}

#[test]
fn old_forms_of_mounts_are_taken() {
    let server = TestServer::dev();
    let body = r#"{"type":"plugin","config":{"plugin_name":"kv"}}"#;
    server.root("POST", "sys/mounts/old", body, 204);
    assert_eq!(server.root("GET", "sys/mounts/old", "", 200)["type"], "kv");
    server.root("POST", "sys/mounts/crypt", r#"{"type":"transit"}"#, 204);
    assert_eq!(server.root("GET", "sys/mounts/crypt", "", 200)["options"], json!({}));
    let body = r#"{"from":"old","to":"old/"}"#;
    let error = server.error("POST", "sys/remount", ROOT, body, 400);
    assert_eq!(error, "path already in use at \"old/\"");
}

#[test]
fn the_ui_shows_what_the_caller_can_reach() {
    let server = TestServer::dev();
    let none = server.call("GET", "sys/internal/ui/mounts", "", "").1;
    assert_eq!(none["data"], json!({ "auth": {}, "secret": {} }));
    let weak = server.token(r#"{"policies":["default"]}"#);
    let (_, some) = server.call("GET", "sys/internal/ui/mounts", &weak, "");
    assert!(some["data"]["secret"].get("cubbyhole/").is_some());
    assert!(some["data"]["secret"].get("secret/").is_none());
    assert!(some["data"]["auth"].get("token/").is_some());
    let one = server.root("GET", "sys/internal/ui/mounts/secret/foo/bar", "", 200);
    assert_eq!((&one["data"]["path"], &one["data"]["type"]), (&json!("secret/"), &json!("kv")));
    assert_eq!(one["data"]["options"]["version"], "2");
    assert_eq!(server.call("GET", "sys/internal/ui/mounts/secret", "", "").0, 403);
    assert_eq!(server.call("GET", "sys/internal/ui/mounts/secret", &weak, "").0, 403);
    let error = server.error("GET", "sys/internal/ui/mounts/nothing", ROOT, "", 403);
    assert!(error.starts_with("preflight capability check returned 403"));
}

/// A secret whose path looks like a key of version 2 (`metadata/c`, `config`) must not be taken for one, nor
/// be overwritten by the secret that goes where it was.
#[test]
fn a_kv_mount_gets_versions_and_keeps_its_secrets() {
    let server = TestServer::dev();
    server.root("POST", "sys/mounts/old", r#"{"type":"kv"}"#, 204);
    let paths = ["a/b", "c", "config", "metadata/c", "version/c/1", "data/c"];
    for path in paths {
        server.root("POST", &format!("old/{path}"), &format!(r#"{{"p":"{path}"}}"#), 204);
    }
    let tune = "sys/mounts/old/tune";
    let refused = server.error("POST", tune, ROOT, r#"{"options":{"version":"3"}}"#, 400);
    assert_eq!(refused, "invalid version provided: 3");
    let answer = server.root("POST", tune, r#"{"options":{"version":2,"note":"x"}}"#, 200);
    assert!(answer["warnings"][0].as_str().unwrap().contains("versions"), "{answer}");
    let server = server.restart();
    for path in paths {
        let read = server.root("GET", &format!("old/data/{path}"), "", 200)["data"].clone();
        assert_eq!(read["data"], json!({ "p": path }));
        assert_eq!(read["metadata"]["version"], 1);
    }
    let names = server.root("LIST", "old/metadata/", "", 200)["data"]["keys"].clone();
    assert_eq!(names, json!(["a/", "c", "config", "data/", "metadata/", "version/"]));
    assert_eq!(server.root("GET", "old/config", "", 200)["data"]["max_versions"], 0);
    server.root("POST", "old/data/c", r#"{"options":{"cas":1},"data":{"p":"new"}}"#, 200);
    assert_eq!(server.root("GET", "old/data/c?version=1", "", 200)["data"]["data"]["p"], "c");
    server.root("GET", "old/c", "", 404);

    server.root("POST", tune, r#"{"options":{"version":"2"}}"#, 204);
    let refused = server.error("POST", tune, ROOT, r#"{"options":{"version":"1"}}"#, 400);
    assert_eq!(refused, "cannot downgrade mount from version 2");
    server.root("POST", tune, r#"{"options":{"note":""}}"#, 204);
    let options = server.root("GET", tune, "", 200)["data"]["options"].clone();
    assert_eq!(options, json!({"version": "2"}));
}
