//! Password policies, the plugin catalog, namespaces.

use serde_json::json;

use crate::support::{ROOT, TestServer};

#[test]
fn password_policies_are_kept_and_followed() {
    let server = TestServer::dev();
    assert_eq!(server.call("LIST", "sys/policies/password", ROOT, "").0, 404);
    let text = "length = 16\nrule \"charset\" { charset = \"abc\" }\n\
                rule \"charset\" { charset = \"0123\" min-chars = 4 }";
    let body = json!({ "policy": text }).to_string();
    server.root("POST", "sys/policies/password/p", &body, 204);
    let read = server.root("GET", "sys/policies/password/p", "", 200);
    assert_eq!(read["data"]["policy"], text);
    let made = server.root("GET", "sys/policies/password/p/generate", "", 200);
    let password = made["data"]["password"].as_str().unwrap();
    assert_eq!(password.len(), 16);
    assert!(password.chars().all(|c| "abc0123".contains(c)), "{password}");
    assert!(password.chars().filter(char::is_ascii_digit).count() >= 4, "{password}");
    // The same in base64, as Terraform sends it.
    let coded = "bGVuZ3RoPTIwCnJ1bGUgImNoYXJzZXQiIHsgY2hhcnNldD0iYWJjIiB9";
    server.root("PUT", "sys/policies/password/q", &json!({ "policy": coded }).to_string(), 204);
    let read = server.root("GET", "sys/policies/password/q", "", 200);
    assert!(read["data"]["policy"].as_str().unwrap().starts_with("length=20"), "{read}");
    let listed = server.root("LIST", "sys/policies/password", "", 200);
    assert_eq!(listed["data"]["keys"], json!(["p", "q"]));
    for (body, part) in [
        ("{}".to_owned(), "missing policy"),
        (r#"{"policy":{}}"#.to_owned(), "policy"),
        (json!({ "policy": "length = 3" }).to_string(), "no charset"),
        (json!({ "policy": "x" }).to_string(), "unable to decode"),
    ] {
        let error = server.error("POST", "sys/policies/password/p", ROOT, &body, 400);
        assert!(error.contains(part), "{body}: {error}");
    }
    server.root("DELETE", "sys/policies/password/p", "", 204);
    for path in ["sys/policies/password/p", "sys/policies/password/p/generate"] {
        assert!(server.error("GET", path, ROOT, "", 404).contains("policy does not exist"));
        server.error("GET", path, "", "", 403);
    }
}

#[test]
fn the_catalog_shows_what_is_built_in() {
    let server = TestServer::dev();
    let all = server.root("GET", "sys/plugins/catalog", "", 200)["data"].clone();
    assert_eq!(all["secret"], json!(["kv", "transit"]));
    assert_eq!(all["detailed"].as_array().unwrap().len(), 6);
    let listed = server.root("LIST", "sys/plugins/catalog/auth", "", 200);
    assert_eq!(listed["data"]["keys"], json!(["approle", "cert", "jwt", "userpass"]));
    let one = server.root("GET", "sys/plugins/catalog/secret/transit", "", 200);
    assert_eq!((&one["data"]["name"], &one["data"]["builtin"]), (&json!("transit"), &json!(true)));
    server.error("GET", "sys/plugins/catalog/secret/nope", ROOT, "", 404);
    let body = r#"{"sha256":"00","command":"x"}"#;
    let refused = server.error("POST", "sys/plugins/catalog/secret/x", ROOT, body, 400);
    assert!(refused.contains("cannot be registered"), "{refused}");
    server.root("DELETE", "sys/plugins/catalog/secret/x", "", 204);
    let reload = "sys/plugins/reload/backend";
    server.root("POST", reload, r#"{"plugin":"kv"}"#, 200);
    server.root("POST", reload, r#"{"mounts":["secret/","auth/token"]}"#, 200);
    for (body, part) in [
        ("{}", "must be provided"),
        (r#"{"plugin":"nope"}"#, "not found in the catalog"),
        (r#"{"mounts":"nope"}"#, "cannot fetch mount entry"),
    ] {
        let error = server.error("POST", reload, ROOT, body, 400);
        assert!(error.contains(part), "{body}: {error}");
    }
    let weak = server.token(r#"{"policies":["default"]}"#);
    server.error("GET", "sys/plugins/catalog/secret/kv", &weak, "", 403);
    server.root("POST", "sys/mounts/old", r#"{"type":"plugin","plugin_name":"kv"}"#, 204);
    assert_eq!(server.root("GET", "sys/mounts/old", "", 200)["data"]["type"], "kv");
}

#[test]
fn there_is_one_namespace() {
    let server = TestServer::dev();
    server.error("LIST", "sys/namespaces", ROOT, "", 404);
    server.error("GET", "sys/namespaces/team", ROOT, "", 404);
    assert!(server.error("POST", "sys/namespaces/team", ROOT, "{}", 400).contains("not supported"));
    let gone = server.root("DELETE", "sys/namespaces/team", "", 200);
    assert!(gone["warnings"][0].as_str().unwrap().contains("does not exist"));
}
