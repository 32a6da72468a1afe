//! Rate limits: whom they are for, and what those are told who go beyond.

use serde_json::{Value, json};

use crate::support::{ROOT, TestServer};

const LIMIT: &str = "sys/quotas/rate-limit";

fn roles(server: &TestServer) -> [Value; 2] {
    server.root("POST", "sys/auth/approle", r#"{"type":"approle"}"#, 204);
    ["one", "other"].map(|role| {
        let path = format!("auth/approle/role/{role}");
        server.root("POST", &path, r#"{"token_policies":"default"}"#, 204);
        let role_id = server.root("GET", &format!("{path}/role-id"), "", 200);
        let secret_id = server.root("POST", &format!("{path}/secret-id"), "{}", 200);
        json!({
            "role_id": role_id["data"]["role_id"],
            "secret_id": secret_id["data"]["secret_id"],
        })
    })
}

#[test]
fn a_limit_for_a_role_counts_its_logins_alone() {
    let server = TestServer::dev();
    let [one, other] = roles(&server);
    server.root("POST", "sys/auth/userpass", r#"{"type":"userpass"}"#, 204);
    for (body, why) in [
        (r#"{"rate":5,"role":"r"}"#, "\"\" is not a valid auth method"),
        (r#"{"rate":5,"role":"r","path":"secret"}"#, "\"secret/\" is not a valid auth method"),
        (r#"{"rate":5,"role":"r","path":"auth/userpass"}"#, "does not support use with role-based"),
        (r#"{"rate":5,"role":"r","path":"auth/approle/login"}"#, "both a path suffix and a role"),
        (r#"{"rate":5,"path":"nowhere"}"#, "invalid mount path \"nowhere/\""),
    ] {
        let error = server.error("POST", &format!("{LIMIT}/bad"), ROOT, body, 400);
        assert!(error.contains(why), "{error}");
    }
    let body = r#"{"rate":2,"interval":"1h","path":"auth/approle","role":"one"}"#;
    server.root("POST", &format!("{LIMIT}/one"), body, 204);
    server.root("POST", &format!("{LIMIT}/two"), body, 400);
    let body = r#"{"rate":3,"interval":"1h","path":"auth/approle"}"#;
    server.root("POST", &format!("{LIMIT}/all"), body, 204);
    let login = |body: &Value| server.call("POST", "auth/approle/login", "", &body.to_string()).0;
    assert_eq!([login(&one), login(&one), login(&one)], [200, 200, 429]);
    // Whose role has no limit of its own falls under the mount's.
    assert_eq!([login(&other), login(&other), login(&other), login(&other)], [200, 200, 200, 429]);
    assert_eq!(server.call("GET", "auth/approle/role/one", ROOT, "").0, 429);
}

#[test]
fn answers_tell_what_is_left_where_the_configuration_says_so() {
    let server = TestServer::dev();
    server.root("POST", "sys/mounts/kv", r#"{"type":"kv"}"#, 204);
    let body = r#"{"rate":2,"interval":"1h","path":"kv/a","block_interval":"2h"}"#;
    server.root("POST", &format!("{LIMIT}/a"), body, 204);
    let get = || server.raw("GET", "/v1/kv/a", "X-Vault-Token: root\r\n", b"");
    assert!(!get().head.contains("x-ratelimit"));
    let body =
        r#"{"enable_rate_limit_response_headers":true,"rate_limit_exempt_paths":["sys/x,y"]}"#;
    server.root("POST", "sys/quotas/config", body, 204);
    let config = server.root("GET", "sys/quotas/config", "", 200);
    assert_eq!(config["data"]["rate_limit_exempt_paths"], json!(["sys/x,y"]));
    // The rules in force are new, so the windows begin anew.
    let (first, second, third) = (get(), get(), get());
    assert_eq!((first.status, second.status, third.status), (404, 404, 429));
    assert!(first.head.contains("x-ratelimit-limit: 2"), "{}", first.head);
    assert!(first.head.contains("x-ratelimit-remaining: 1"), "{}", first.head);
    assert!(second.head.contains("x-ratelimit-remaining: 0"), "{}", second.head);
    assert!(third.head.contains("retry-after: 7"), "{}", third.head);
    server.root("POST", "sys/quotas/config", r#"{"rate_limit_exempt_paths":[]}"#, 204);
    let config = server.root("GET", "sys/quotas/config", "", 200);
    assert_eq!(config["data"]["enable_rate_limit_response_headers"], false, "unsaid is no");
}
