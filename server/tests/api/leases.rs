//! `sys/leases`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{ROOT, TestServer};

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn listed(server: &TestServer, prefix: &str) -> Vec<String> {
    let (status, answer) = server.call("LIST", &format!("sys/leases/lookup/{prefix}"), ROOT, "");
    match status {
        404 => Vec::new(),
        200 => answer["data"]["keys"].as_array().unwrap().iter().map(text).collect(),
        _ => panic!("{answer}"),
    }
}

#[test]
fn leases_of_tokens_are_looked_up_renewed_and_revoked() {
    let server = TestServer::dev();
    assert_eq!(listed(&server, ""), ["auth/"]);
    assert_eq!(listed(&server, "auth/token"), ["root/"]);
    let token = server.token(r#"{"ttl":"1h","policies":["default"]}"#);
    let ids = listed(&server, "auth/token/create");
    let [id] = ids.as_slice() else { panic!("{ids:?}") };
    let lease = format!("auth/token/create/{id}");
    let body = json!({ "lease_id": lease }).to_string();
    let shown = server.root("POST", "sys/leases/lookup", &body, 200);
    let data = &shown["data"];
    assert_eq!((&data["id"], &data["path"]), (&json!(lease), &json!("auth/token/create")));
    assert_eq!((&data["renewable"], &data["last_renewal"]), (&json!(true), &Value::Null));
    let more = json!({ "lease_id": lease, "increment": 7200 }).to_string();
    let renewed = server.root("POST", "sys/leases/renew", &more, 200);
    assert_eq!((&renewed["lease_id"], &renewed["lease_duration"]), (&json!(lease), &json!(7200)));
    let shown = server.root("POST", "sys/leases/lookup", &body, 200);
    assert!(shown["data"]["last_renewal"].is_string());
    server.root("POST", &format!("sys/leases/revoke/{lease}"), "", 204);
    assert_eq!(server.call("GET", "auth/token/lookup-self", &token, "").0, 403);
    assert!(listed(&server, "auth/token/create").is_empty());
    for (path, body, status, part) in [
        ("lookup", "{}", 400, "lease_id must be specified"),
        ("lookup", r#"{"lease_id":"nope"}"#, 400, "invalid lease"),
        ("lookup", r#"{"lease_id":{}}"#, 400, "lease_id"),
        ("renew", r#"{"lease_id":"nope"}"#, 400, "lease not found"),
        ("renew", r#"{"lease_id":"x","increment":"y"}"#, 400, "increment"),
        ("revoke", "{}", 400, "lease_id must be specified"),
        ("revoke-prefix/", "{}", 400, "path ending in '/'"),
    ] {
        let error = server.error("POST", &format!("sys/leases/{path}"), ROOT, body, status);
        assert!(error.contains(part), "{path} {body}: {error}");
    }
    server.root("POST", "sys/leases/revoke", r#"{"lease_id":"nope"}"#, 204);
    server.root("POST", "sys/leases/tidy", "", 202);
    let count = server.root("GET", "sys/leases/count?type=irrevocable", "", 200);
    assert_eq!(count["data"], json!({"lease_count": 0, "counts": {}}));
    assert_eq!(server.call("GET", "sys/leases", ROOT, "").0, 404);
}

#[test]
fn a_prefix_revokes_what_is_below_it_and_nothing_else() {
    let server = TestServer::dev();
    server.root("POST", "sys/auth/up", r#"{"type":"userpass"}"#, 204);
    for name in ["a", "ab"] {
        server.root("POST", &format!("auth/up/users/{name}"), r#"{"password":"pw"}"#, 204);
    }
    let log_in = |name: &str| {
        let path = format!("auth/up/login/{name}");
        text(&server.call("POST", &path, "", r#"{"password":"pw"}"#).1["auth"]["client_token"])
    };
    let alive = |token: &str| server.call("GET", "auth/token/lookup-self", token, "").0 == 200;
    let (one, two, other) = (log_in("a"), log_in("a"), log_in("ab"));
    server.root("POST", "sys/leases/revoke-prefix/auth/up/login/a", "", 204);
    assert!(!alive(&one) && !alive(&two) && alive(&other));
    server.root("POST", "sys/leases/revoke-force/auth/up", "", 204);
    assert!(!alive(&other) && alive(ROOT));
    let plain = server.token(r#"{"policies":["default"]}"#);
    for (method, path) in [
        ("POST", "sys/leases/revoke-prefix/auth"),
        ("POST", "sys/leases/revoke-force/auth"),
        ("LIST", "sys/leases/lookup/auth"),
        ("POST", "sys/leases/revoke"),
    ] {
        assert_eq!(server.call(method, path, &plain, "").0, 403, "{path}");
        assert_eq!(server.call(method, path, "", "").0, 403, "{path}");
    }
}

/// An expired token is refused at once; this one has to leave the list as well, by itself.
#[test]
fn leases_end_by_themselves_also_those_that_end_while_the_server_is_down() {
    let server = TestServer::dev();
    let gone = |server: &TestServer| {
        for _ in 0..600 {
            if listed(server, "auth/token/create").len() == 1 {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    };
    server.token(r#"{"policies":["default"],"ttl":"1h"}"#);
    server.token(r#"{"policies":["default"],"ttl":"1s"}"#);
    assert!(gone(&server), "the server's hand moved past it");
    server.token(r#"{"policies":["default"],"ttl":"1s"}"#);
    let server = server.restart();
    assert!(gone(&server), "a lease that ended across a restart");
}
