//! The form of requests and answers.

use crate::support::{ROOT, TestServer};

#[test]
fn envelopes_headers_and_errors_have_the_known_form() {
    let server = TestServer::dev();
    let root = format!("X-Vault-Token: {ROOT}\r\n");
    let answer = server.raw("GET", "/v1/auth/token/lookup-self", &root, b"");
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("cache-control: no-store"));
    assert!(answer.head.contains("content-type: application/json"));
    let order: Vec<usize> = [
        "request_id",
        "lease_id",
        "renewable",
        "lease_duration",
        "data",
        "wrap_info",
        "warnings",
        "auth",
    ]
    .iter()
    .map(|f| answer.body.find(&format!("\"{f}\":")).unwrap())
    .collect();
    assert!(order[0] < order[1] && order[3] < order[4] && order[5] < order[6]);

    assert_eq!(server.error("GET", "secret/data/x", "", "", 403), "permission denied");
    assert_eq!(server.error("GET", "secret/data/x", "nope", "", 403), "permission denied");
    assert!(server.error("GET", "nomount/x", ROOT, "", 404).contains("no handler for route"));
    assert!(server.error("GET", "sys/nothing", ROOT, "", 404).contains("unsupported path"));
    assert!(server.error("GET", "auth/token/zzz", ROOT, "", 404).contains("unsupported path"));
    assert!(server.error("GET", "auth/token/create", ROOT, "", 405).contains("unsupported"));
    assert_eq!(server.error("GET", "sys/nothing", "", "", 403), "permission denied");
    let weak = server.token(r#"{"policies":["nothing"]}"#);
    assert!(server.error("GET", "zz/b", &weak, "", 403).contains("permission denied"));
    assert!(server.error("GET", "sys/nothing", &weak, "", 403).contains("permission denied"));
}

#[test]
fn verbs_tokens_and_paths_are_understood_in_all_their_forms() {
    let server = TestServer::dev();
    let bearer = "Authorization: Bearer root\r\n";
    assert_eq!(server.raw("GET", "/v1/sys/key-status", bearer, b"").status, 200);
    let basic = "Authorization: Basic root\r\n";
    assert_eq!(server.raw("GET", "/v1/sys/key-status", basic, b"").status, 403);
    let root = "X-Vault-Token: root\r\n";
    for (method, path, want) in [
        ("GET", "/", 404),
        ("GET", "/v2/sys/health", 404),
        ("GET", "/v1/", 404),
        ("FOO", "/v1/sys/mounts", 405),
        ("HEAD", "/v1/sys/mounts", 405),
        ("OPTIONS", "/v1/sys/mounts", 400),
        ("GET", "/v1/sys/policies/acl?list=true", 200),
        ("LIST", "/v1/sys/policies/acl", 200),
        ("GET", "/v1/sys//mounts", 307),
        ("GET", "/v1/secret/../sys/mounts", 307),
        ("GET", "/v1/secret/data/a%2f..%2fb", 400),
        ("GET", "/v1/secret/data/a%00b", 400),
        ("GET", "/v1/secret/data/%zz", 400),
        ("GET", "/v1/secret/data/%ff", 400),
        ("GET", "/v1/secret/data/x.", 404),
    ] {
        let answer = server.raw(method, path, root, b"");
        assert_eq!(answer.status, want, "{method} {path}: {}", answer.body);
    }
    let moved = server.raw("GET", "/v1/sys//mounts?a=b", root, b"");
    assert!(moved.head.contains("location: /v1/sys/mounts?a=b"));
    server.root("POST", "secret/data/a%2fb", r#"{"data":{"k":"v"}}"#, 200);
    assert_eq!(server.root("GET", "secret/data/a/b", "", 200)["data"]["data"]["k"], "v");
    let elsewhere = "X-Vault-Token: root\r\nX-Vault-Namespace: team\r\n";
    assert_eq!(server.raw("GET", "/v1/sys/mounts", elsewhere, b"").status, 404);
    let here = "X-Vault-Token: root\r\nX-Vault-Namespace: root/\r\n";
    assert_eq!(server.raw("GET", "/v1/sys/mounts", here, b"").status, 200);
}

#[test]
fn bodies_are_checked_before_anything_happens() {
    let server = TestServer::dev();
    for body in ["[1]", "5", "\"x\"", "x", "{bad", "{\"data\":{}}x"] {
        let error = server.error("POST", "secret/data/zz", ROOT, body, 400);
        assert!(error.contains("JSON"), "{body}: {error}");
    }
    let root = "X-Vault-Token: root\r\n";
    let answer = server.raw("PATCH", "/v1/secret/data/zz", root, b"{}");
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("mime: no media type"));
    let other = format!("{root}Content-Type: application/json\r\n");
    let answer = server.raw("PATCH", "/v1/secret/data/zz", &other, b"{}");
    assert_eq!(answer.status, 415);
    assert!(answer.body.contains("merge-patch"));
    let large = vec![b'a'; (32 << 20) + 1];
    let answer = server.raw("POST", "/v1/secret/data/zz", root, &large);
    assert_eq!(answer.status, 413, "{}", answer.body);
    assert_eq!(server.call("GET", "secret/data/zz", ROOT, "").0, 404, "nothing was written");
    let bad_ttl = "X-Vault-Token: root\r\nX-Vault-Wrap-TTL: zz\r\n";
    assert_eq!(server.raw("GET", "/v1/sys/mounts", bad_ttl, b"").status, 400);
}

#[test]
fn a_stopped_server_answers_no_more_and_leaves_the_folder_free() {
    let server = TestServer::dev();
    let (address, folder) = (server.address, std::sync::Arc::clone(&server.folder));
    drop(server);
    assert!(std::net::TcpStream::connect(address).is_err());
    let dir = strongroom_server::cluster::data_dir::DataDir::open(folder.path()).unwrap();
    assert!(dir.current().unwrap().is_some());
}

#[test]
fn what_cannot_be_listed_is_no_path_and_open_paths_tell_their_verbs_to_anyone() {
    let server = TestServer::dev();
    server.root("POST", "sys/auth/up", r#"{"type":"userpass"}"#, 204);
    for path in ["sys/mounts", "sys/auth", "sys/audit", "auth/token/roles/x", "sys/locked-users"] {
        assert_eq!(server.call("LIST", path, ROOT, "").0, 404, "{path}");
    }
    assert_eq!(server.call("LIST", "sys/mounts/secret", ROOT, "").0, 405);
    assert_eq!(server.call("GET", "auth/up/login/bob", "", "").0, 405);
    assert_eq!(server.call("GET", "auth/up/users/bob", "", "").0, 403);
}

#[test]
fn of_a_name_that_is_given_twice_the_last_value_counts() {
    let server = TestServer::dev();
    let body = r#"{"ttl":"1h","policies":["a"],"ttl":"2h"}"#;
    let made = server.root("POST", "auth/token/create", body, 200);
    assert_eq!(made["auth"]["lease_duration"], 7200);
    let body = r#"{"data":{"a":1},"data":{"a":2}}"#;
    server.root("POST", "secret/data/twice", body, 200);
    let read = server.root("GET", "secret/data/twice", "", 200);
    assert_eq!(
        (&read["data"]["data"]["a"], &read["data"]["metadata"]["version"]),
        (&2.into(), &1.into())
    );
    server.error("POST", "auth/token/create", ROOT, r#"{"ttl":"1h","ttl":"x"}"#, 400);
}

#[test]
fn answers_have_the_forms_that_clients_read() {
    let server = TestServer::dev();
    let token = server.root("POST", "auth/token/create", r#"{"policies":["default"]}"#, 200);
    let token = token["auth"]["client_token"].as_str().unwrap();
    assert_eq!(server.call("GET", "sys/internal/ui/namespaces", token, "").0, 200);
    assert_eq!(server.call("GET", "sys/internal/ui/namespaces", "", "").0, 403);
    let locked = server.root("GET", "sys/locked-users", "", 200);
    assert_eq!(locked["data"]["by_namespace"][0]["namespace_id"], "root");
    server.root("POST", "sys/quotas/rate-limit/q", r#"{"rate":1000}"#, 204);
    let quota = server.root("GET", "sys/quotas/rate-limit/q", "", 200);
    assert!(quota["data"]["rate"].is_u64(), "{quota}");
    server.root("POST", "sys/quotas/rate-limit/q", r#"{"rate":1000.5}"#, 204);
    let quota = server.root("GET", "sys/quotas/rate-limit/q", "", 200);
    assert_eq!(quota["data"]["rate"], 1000.5);
    let mounts = server.root("GET", "sys/mounts/identity", "", 200);
    let headers = &mounts["data"]["config"]["passthrough_request_headers"];
    assert_eq!(headers[0], "Authorization");
    server.root("POST", "sys/auth/up", r#"{"type":"userpass"}"#, 204);
    let tune = r#"{"user_lockout_config":{"lockout_threshold":3}}"#;
    server.root("POST", "sys/auth/up/tune", tune, 204);
    let shown = server.root("GET", "sys/auth/up", "", 200);
    let lockout = &shown["data"]["config"]["user_lockout_config"];
    assert_eq!(lockout["user_lockout_threshold"], 3);
    server.error("POST", "sys/unseal", "", r#"{"key":"x"}"#, 400);
    server.error("POST", "sys/unseal", "", r#"{"reset":true}"#, 400);
    assert_eq!(server.call("POST", "sys/unseal", "", r#"{"key":"abcd"}"#).0, 200);
}
