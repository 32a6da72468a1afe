//! `auth/token`: from making a token to its end.

use serde_json::{Value, json};

use crate::support::{ROOT, TestServer};

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn a_token_is_made_looked_up_renewed_and_revoked() {
    let server = TestServer::dev();
    let made = server.root(
        "POST",
        "auth/token/create",
        r#"{"policies":["App"],"ttl":"1h","meta":{"a":"b"},"display_name":"x y!"}"#,
        200,
    );
    let auth = &made["auth"];
    assert_eq!(auth["policies"], json!(["app", "default"]));
    assert_eq!(auth["lease_duration"], 3600);
    assert_eq!(auth["metadata"], json!({"a": "b"}));
    assert_eq!((&auth["renewable"], &auth["orphan"]), (&json!(true), &json!(false)));
    assert_eq!(made["warnings"], json!(["Policy \"app\" does not exist"]));
    assert_eq!(made["data"], Value::Null);
    let (token, accessor) = (text(&auth["client_token"]), text(&auth["accessor"]));
    assert!(token.starts_with("hvs."));

    let (_, own) = server.call("GET", "auth/token/lookup-self", &token, "");
    let data = &own["data"];
    assert_eq!((&data["id"], &data["accessor"]), (&json!(token), &json!(accessor)));
    assert_eq!(data["display_name"], "token-x-y");
    assert_eq!(data["path"], "auth/token/create");
    assert_eq!(data["type"], "service");
    assert!(data["expire_time"].is_string() && data["issue_time"].is_string());
    assert!(data.get("last_renewal").is_none());

    let (_, renewed) =
        server.call("POST", "auth/token/renew-self", &token, r#"{"increment":"90m"}"#);
    assert_eq!(renewed["auth"]["lease_duration"], 5400);
    assert_eq!(renewed["auth"]["client_token"], json!(token));
    let body = json!({ "accessor": accessor }).to_string();
    let by_accessor = server.root("POST", "auth/token/lookup-accessor", &body, 200);
    assert_eq!(by_accessor["data"]["id"], "");
    assert!(by_accessor["data"]["last_renewal"].is_string());
    let body = json!({ "token": token }).to_string();
    assert_eq!(server.root("POST", "auth/token/lookup", &body, 200)["data"]["id"], json!(token));
    let all = server.root("LIST", "auth/token/accessors", "", 200);
    assert!(all["data"]["keys"].as_array().unwrap().contains(&json!(accessor)));

    assert_eq!(server.call("POST", "auth/token/revoke-self", &token, "").0, 204);
    assert_eq!(server.call("GET", "auth/token/lookup-self", &token, "").0, 403);
    assert_eq!(server.error("POST", "auth/token/lookup", ROOT, &body, 403), "bad token");
    let body = json!({ "accessor": accessor }).to_string();
    assert!(
        server
            .error("POST", "auth/token/lookup-accessor", ROOT, &body, 400)
            .contains("invalid accessor")
    );
}

#[test]
fn the_root_token_is_as_documented() {
    let server = TestServer::dev();
    let own = server.root("GET", "auth/token/lookup-self", "", 200);
    let data = &own["data"];
    assert_eq!(data["policies"], json!(["root"]));
    assert_eq!((&data["ttl"], &data["expire_time"]), (&json!(0), &Value::Null));
    assert_eq!((&data["orphan"], &data["renewable"]), (&json!(true), &json!(false)));
    assert_eq!(
        server.error("POST", "auth/token/renew-self", ROOT, "", 400),
        "lease is not renewable"
    );
    let child = server.root("POST", "auth/token/create", "", 200);
    assert_eq!(child["auth"]["policies"], json!(["root"]));
    assert_eq!(child["auth"]["lease_duration"], 0);
}

#[test]
fn a_parent_takes_its_tree_along_and_orphans_stay() {
    let server = TestServer::dev();
    let parent = server.token("{}");
    let make = |by: &str, path: &str| {
        let (status, made) = server.call("POST", path, by, "{}");
        assert_eq!(status, 200, "{made}");
        text(&made["auth"]["client_token"])
    };
    let child = make(&parent, "auth/token/create");
    let grandchild = make(&child, "auth/token/create");
    let orphan = make(&child, "auth/token/create-orphan");
    server.root("POST", "auth/token/revoke", &json!({ "token": parent }).to_string(), 204);
    let alive = |token: &str| server.call("GET", "auth/token/lookup-self", token, "").0 == 200;
    assert!(!alive(&parent) && !alive(&child) && !alive(&grandchild) && alive(&orphan));

    let parent = server.token("{}");
    let child = make(&parent, "auth/token/create");
    server.root("POST", "auth/token/revoke-orphan", &json!({ "token": parent }).to_string(), 204);
    assert!(!alive(&parent) && alive(&child));
    let own = server.call("GET", "auth/token/lookup-self", &child, "").1;
    assert_eq!(own["data"]["orphan"], true);
}

#[test]
fn uses_are_counted_and_the_last_one_revokes() {
    let server = TestServer::dev();
    let token = server.token(r#"{"num_uses":2,"policies":["x"]}"#);
    let left = |want: i64| {
        let (status, own) = server.call("GET", "auth/token/lookup-self", &token, "");
        assert_eq!((status, &own["data"]["num_uses"]), (200, &json!(want)));
    };
    left(1);
    left(-1);
    assert_eq!(server.call("GET", "auth/token/lookup-self", &token, "").0, 403);
    // A refused call is a use too.
    let token = server.token(r#"{"num_uses":1,"policies":["x"]}"#);
    assert_eq!(server.call("GET", "sys/mounts", &token, "").0, 403);
    assert_eq!(server.call("GET", "auth/token/lookup-self", &token, "").0, 403);
    let limited = server.token(r#"{"num_uses":5}"#);
    assert_eq!(server.call("POST", "auth/token/create", &limited, "{}").0, 400);
}

#[test]
fn lifetimes_end_on_time_and_have_their_limits() {
    let server = TestServer::dev();
    let short = server.token(r#"{"ttl":1,"policies":["x"]}"#);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while server.call("GET", "auth/token/lookup-self", &short, "").0 == 200 {
        assert!(std::time::Instant::now() < deadline, "a token outlived its TTL");
    }
    let made = server.root(
        "POST",
        "auth/token/create",
        r#"{"ttl":"1h","explicit_max_ttl":"2h","policies":["x"]}"#,
        200,
    );
    let token = text(&made["auth"]["client_token"]);
    let (_, renewed) =
        server.call("POST", "auth/token/renew-self", &token, r#"{"increment":"9h"}"#);
    assert!(renewed["auth"]["lease_duration"].as_u64().unwrap() <= 7200);
    assert!(renewed["warnings"][0].is_string());
    let made = server.root("POST", "auth/token/create", r#"{"ttl":"9999h","policies":["x"]}"#, 200);
    assert_eq!(made["auth"]["lease_duration"], 2_764_800);
    assert!(made["warnings"].to_string().contains("capped"));
    let made = server.root(
        "POST",
        "auth/token/create",
        r#"{"period":"2h","policies":["x"],"renewable":false}"#,
        200,
    );
    assert_eq!(made["auth"]["lease_duration"], 7200);
    assert_eq!(made["auth"]["renewable"], false);
}

/// Each child conflicts with the revocation, which looks at all of them and so lost every race: a token
/// that kept making children answered 503 to whoever wanted to revoke it.
#[test]
fn concurrent_children_and_a_revocation_leave_nobody_behind() {
    let server = TestServer::dev();
    let parent = server.token("{}");
    let children: Vec<String> = std::thread::scope(|scope| {
        let makers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut made = Vec::new();
                    // Not for ever, should the revocation fail.
                    while made.len() < 10_000 {
                        let (status, answer) =
                            server.call("POST", "auth/token/create", &parent, "{}");
                        if status != 200 {
                            assert_eq!(status, 403, "{answer}");
                            return made;
                        }
                        made.push(text(&answer["auth"]["client_token"]));
                    }
                    made
                })
            })
            .collect();
        while server.root("LIST", "auth/token/accessors", "", 200)["data"]["keys"]
            .as_array()
            .unwrap()
            .len()
            < 20
        {}
        server.root("POST", "auth/token/revoke", &json!({ "token": parent }).to_string(), 204);
        makers.into_iter().flat_map(|m| m.join().unwrap()).collect()
    });
    for child in children {
        assert_eq!(server.call("GET", "auth/token/lookup-self", &child, "").0, 403);
    }
}

#[test]
fn tokens_survive_a_restart() {
    let server = TestServer::dev();
    let token = server.token(r#"{"policies":["default"]}"#);
    let server = server.restart();
    assert_eq!(server.call("GET", "auth/token/lookup-self", &token, "").0, 200);
    assert_eq!(server.call("GET", "auth/token/lookup-self", ROOT, "").0, 200);
}
