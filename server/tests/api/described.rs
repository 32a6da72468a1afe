//! What the server says of itself: its documents, its help, and what is true of every path in them.

use serde_json::{Value, json};

use crate::support::{ROOT, TestServer};

#[test]
fn the_server_tells_about_itself() {
    let server = TestServer::dev();
    let host = server.root("GET", "sys/host-info", "", 200)["data"].clone();
    assert!(host["memory"]["total"].as_u64().unwrap() > 0 && host["cpu"].is_array());
    let nodes = server.root("GET", "sys/ha-status", "", 200)["data"]["nodes"].clone();
    assert_eq!(nodes[0]["active_node"], true);
    let versions = server.root("LIST", "sys/version-history", "", 200)["data"].clone();
    let version = versions["keys"][0].as_str().unwrap();
    assert_eq!(versions["key_info"][version]["previous_version"], Value::Null);
    let config = server.root("GET", "sys/config/state/sanitized", "", 200)["data"].clone();
    assert_eq!(config["storage"]["type"], "strongroom");
    server.root("POST", "sys/step-down", "", 204);
    server.error("GET", "sys/host-info", "", "", 403);
}

#[test]
fn the_document_of_the_api_comes_from_the_tables_of_routes() {
    let server = TestServer::dev();
    let document = server.root("GET", "sys/internal/specs/openapi", "", 200);
    assert_eq!(document["openapi"], "3.0.2");
    let paths = document["paths"].as_object().unwrap();
    for (path, verb) in [
        ("/sys/audit/{path}", "post"),
        ("/sys/health", "get"),
        ("/secret/data/{path}", "patch"),
        ("/auth/token/create", "post"),
        ("/cubbyhole/{path}", "delete"),
    ] {
        assert!(paths[path][verb].is_object(), "{path} {verb}");
    }
    assert_eq!(paths["/sys/audit/{path}"]["x-vault-sudo"], true);
    assert_eq!(paths["/sys/health"]["x-vault-unauthenticated"], true);
    let ids: Vec<&Value> = paths
        .values()
        .flat_map(|p| p.as_object().unwrap().values())
        .filter_map(|o| o.get("operationId"))
        .collect();
    let unique: std::collections::BTreeSet<_> = ids.iter().map(|id| id.as_str().unwrap()).collect();
    assert_eq!(unique.len(), ids.len());
    let generic = "sys/internal/specs/openapi?generic_mount_paths=true";
    let generic = server.root("GET", generic, "", 200);
    assert!(generic["paths"]["/{kv_mount_path}/data/{path}"].is_object());
    server.error("GET", "sys/internal/specs/openapi", "", "", 403);
}

#[test]
fn every_path_has_its_help() {
    let server = TestServer::dev();
    let help = server.root("GET", "secret/data/foo?help=1", "", 200);
    assert!(help["help"].as_str().unwrap().contains("Matching Route: data/{path}"));
    assert!(help["openapi"]["paths"]["/data/{path}"]["get"].is_object());
    let all = server.root("GET", "sys?help=1", "", 200);
    assert!(all["help"].as_str().unwrap().contains("mounts/{path}"));
    server.error("GET", "nomount/x?help=1", ROOT, "", 404);
    server.error("GET", "sys/no/such?help=1", ROOT, "", 404);
    server.error("GET", "secret/data/foo?help=1", "", "", 403);
}

#[test]
fn user_interfaces_learn_what_a_token_may_do() {
    let server = TestServer::dev();
    assert_eq!(server.root("GET", "sys/internal/ui/resultant-acl", "", 200)["data"]["root"], true);
    let policy = r#"{"policy":"path \"secret/*\" { capabilities = [\"read\"] }\npath \"a/b\" { capabilities = [\"list\"] }\npath \"sys/internal/*\" { capabilities = [\"read\"] }"}"#;
    server.root("POST", "sys/policy/few", policy, 204);
    let token = server.token(r#"{"policies":["few"],"no_default_policy":true}"#);
    let (status, acl) = server.call("GET", "sys/internal/ui/resultant-acl", &token, "");
    assert_eq!(status, 200, "{acl}");
    assert_eq!(acl["data"]["exact_paths"], json!({ "a/b": { "capabilities": ["list"] } }));
    assert_eq!(acl["data"]["glob_paths"]["secret/"]["capabilities"], json!(["read"]));
    let counted = server.root("GET", "sys/internal/counters/tokens", "", 200);
    assert!(counted["data"]["counters"]["service_tokens"]["total"].as_u64().unwrap() >= 2);
    let inspected = server.root("GET", "sys/internal/inspect/router/root", "", 200);
    assert!(inspected["data"]["root"].as_array().unwrap().len() >= 5);
}

/// Every path of the document, with every verb, with what no client should send.
#[test]
fn no_path_answers_with_a_failure_of_its_own() {
    let server = TestServer::dev();
    server.root("POST", "sys/mounts/transit", r#"{"type":"transit"}"#, 204);
    server.root("POST", "sys/mounts/kv1", r#"{"type":"kv"}"#, 204);
    server.root("POST", "transit/keys/k", "", 200);
    let document = server.root("GET", "sys/internal/specs/openapi", "", 200);
    // The last two answer in parts, one of them for as long as it is read.
    let dangerous = [
        "/sys/seal",
        "/sys/replication/",
        "/auth/token/revoke",
        "/sys/audit",
        "/sys/storage/",
        "/sys/monitor",
    ];
    for (path, item) in document["paths"].as_object().unwrap() {
        if dangerous.iter().any(|d| path.starts_with(d)) {
            continue;
        }
        for verb in ["get", "post", "patch", "delete"] {
            if item.get(verb).is_none() {
                continue;
            }
            for value in ["k", "a%2fb", "%20", "..%2f", "x.", "%f0%9f%94%92", &"n".repeat(600)] {
                for (token, body) in [
                    (ROOT, "{}"),
                    (ROOT, "{\"a\":"),
                    (ROOT, r#"{"type":[1],"input":{},"policy":5,"data":"x","keys":{},"ttl":"zz"}"#),
                    (
                        ROOT,
                        r#"{"input":-1,"ttl":99999999999999999999,"path":"\u0000","name":[[]]}"#,
                    ),
                    ("", "{}"),
                ] {
                    one(&server, verb, path, value, token, body);
                }
            }
        }
    }
    assert_eq!(server.call("GET", "sys/health", "", "").0, 200);
}

fn one(server: &TestServer, verb: &str, path: &str, value: &str, token: &str, body: &str) {
    let mut filled = String::new();
    for segment in path.trim_start_matches('/').split('/') {
        filled += if segment.starts_with('{') { value } else { segment };
        filled.push('/');
    }
    let headers =
        format!("X-Vault-Token: {token}\r\nContent-Type: application/merge-patch+json\r\n");
    let at = format!("/v1/{}", filled.trim_end_matches('/'));
    let answer = server.raw(&verb.to_uppercase(), &at, &headers, body.as_bytes());
    // Clients know by a 500 what the state of a key forbids in backups.
    let told =
        at.starts_with("/v1/transit/backup/") && answer.body.contains("disallowed on the policy");
    assert!(answer.status < 500 || told, "{verb} {at} {body}: {} {}", answer.status, answer.body);
    let json: Option<Value> = serde_json::from_str(&answer.body).ok();
    let plain = answer.body.is_empty() || answer.head.contains("text/plain");
    assert!(plain || json.is_some(), "{verb} {at}: {}", answer.body);
}
