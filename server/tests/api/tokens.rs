//! `auth/token`.

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
fn wrong_wishes_are_refused() {
    let server = TestServer::dev();
    server.root("POST", "auth/token/create", r#"{"id":"mine","policies":["x"]}"#, 200);
    for (body, part) in [
        (r#"{"id":"a.b"}"#, "'.'"),
        (r#"{"id":"mine"}"#, "duplicate ID"),
        (r#"{"id":"a b"}"#, "without spaces"),
        (r#"{"ttl":"abc"}"#, ""),
        (r#"{"num_uses":-1}"#, "cannot be negative"),
        (r#"{"type":"odd"}"#, "token_type"),
        (r#"{"policies":{}}"#, ""),
        (r#"{"meta":"x"}"#, ""),
        (r#"{"entity_alias":"x"}"#, "token role"),
    ] {
        let error = server.error("POST", "auth/token/create", ROOT, body, 400);
        assert!(error.contains(part), "{body}: {error}");
    }
    for (path, body, status) in [
        ("auth/token/lookup-accessor", "{}", 400),
        ("auth/token/renew", "{}", 400),
        ("auth/token/renew", r#"{"token":"nope"}"#, 400),
        ("auth/token/revoke", "{}", 400),
        ("auth/token/revoke", r#"{"token":"nope"}"#, 204),
        ("auth/token/revoke-orphan", r#"{"token":"nope"}"#, 400),
    ] {
        assert_eq!(server.call("POST", path, ROOT, body).0, status, "{path} {body}");
    }
}

#[test]
fn children_get_no_more_than_their_parent() {
    let server = TestServer::dev();
    let maker = r#"path "auth/token/*" { capabilities = ["create", "update"] }"#;
    let body = json!({ "policy": maker }).to_string();
    server.root("PUT", "sys/policy/maker", &body, 204);
    let parent = server.token(r#"{"policies":["maker"]}"#);
    for (body, part) in [
        (r#"{"policies":["other"]}"#, "subset of parent"),
        (r#"{"policies":["root"]}"#, "subset of parent"),
        (r#"{"no_parent":true}"#, "orphan"),
        (r#"{"period":"1h"}"#, "periodic"),
        (r#"{"id":"chosen"}"#, "token id"),
    ] {
        let error = server.error("POST", "auth/token/create", &parent, body, 400);
        assert!(error.contains(part), "{body}: {error}");
    }
    // That path is a right of its own.
    let (status, orphan) = server.call("POST", "auth/token/create-orphan", &parent, "{}");
    assert_eq!((status, &orphan["auth"]["orphan"]), (200, &json!(true)));
    let (status, child) =
        server.call("POST", "auth/token/create", &parent, r#"{"no_default_policy":true}"#);
    assert_eq!((status, &child["auth"]["policies"]), (200, &json!(["maker"])));
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

#[test]
fn concurrent_children_and_a_revocation_leave_nobody_behind() {
    let server = TestServer::dev();
    let parent = server.token("{}");
    let children: Vec<String> = std::thread::scope(|scope| {
        let makers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut made = Vec::new();
                    loop {
                        let (status, answer) =
                            server.call("POST", "auth/token/create", &parent, "{}");
                        if status != 200 {
                            assert_eq!(status, 403, "{answer}");
                            return made;
                        }
                        made.push(text(&answer["auth"]["client_token"]));
                    }
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

#[test]
fn batch_tokens_hang_on_their_parent_and_can_do_little() {
    let server = TestServer::dev();
    let maker = json!({ "policy": r#"path "auth/token/*" { capabilities = ["update"] }"# });
    server.root("PUT", "sys/policy/maker", &maker.to_string(), 204);
    let parent = server.token(r#"{"policies":["maker"]}"#);
    let (status, made) =
        server.call("POST", "auth/token/create", &parent, r#"{"type":"batch","ttl":"1h"}"#);
    assert_eq!(status, 200, "{made}");
    let auth = &made["auth"];
    let batch = text(&auth["client_token"]);
    assert!(batch.starts_with("hvb."));
    assert_eq!((&auth["accessor"], &auth["orphan"]), (&json!(""), &json!(false)));
    assert_eq!((&auth["renewable"], &auth["lease_duration"]), (&json!(false), &json!(3600)));
    for (path, body, part) in [
        ("auth/token/renew-self", "{}", "cannot be renewed"),
        ("auth/token/revoke-self", "{}", "cannot be revoked"),
        ("auth/token/create", "{}", "cannot create more tokens"),
        ("cubbyhole/x", r#"{"a":"b"}"#, "'service' type tokens"),
    ] {
        let error = server.error("POST", path, &batch, body, 400);
        assert!(error.contains(part), "{path}: {error}");
    }
    let named = json!({ "token": batch }).to_string();
    for (path, part) in [("renew", "cannot be renewed"), ("revoke", "cannot be revoked")] {
        let error = server.error("POST", &format!("auth/token/{path}"), ROOT, &named, 400);
        assert!(error.contains(part), "{path}: {error}");
    }
    assert_eq!(server.root("POST", "auth/token/lookup", &named, 200)["data"]["type"], "batch");
    let mut forged = batch.clone();
    let other = if &forged[60..61] == "A" { "B" } else { "A" };
    forged.replace_range(60..61, other);
    for odd in [&forged, "hvb.", "hvb.AAAA", "hvb.%%", "b.x"] {
        assert_eq!(server.call("GET", "auth/token/lookup-self", odd, "").0, 403, "{odd}");
    }
    server.root("POST", "auth/token/revoke", &json!({ "token": parent }).to_string(), 204);
    assert_eq!(server.call("GET", "auth/token/lookup-self", &batch, "").0, 403);
    for (body, part) in [
        (r#"{"type":"batch","policies":["root"]}"#, "cannot be root"),
        (r#"{"type":"batch","policies":["x"],"num_uses":2}"#, "num_uses"),
        (r#"{"type":"batch","policies":["x"],"period":"5m"}"#, "period"),
        (r#"{"type":"batch","policies":["x"],"explicit_max_ttl":"5m"}"#, "explicit_max_ttl"),
    ] {
        let error = server.error("POST", "auth/token/create", ROOT, body, 400);
        assert!(error.contains(part), "{body}: {error}");
    }
}

#[test]
fn token_roles_decide_what_their_tokens_are_like() {
    let server = TestServer::dev();
    assert_eq!(server.call("LIST", "auth/token/roles", ROOT, "").0, 404);
    let role = r#"{"allowed_policies":"a,b","orphan":true,"token_period":"1h","path_suffix":"suf",
                   "token_bound_cidrs":"127.0.0.1/32","allowed_entity_aliases":["web*"]}"#;
    server.root("POST", "auth/token/roles/tr", role, 204);
    let shown = server.root("GET", "auth/token/roles/tr", "", 200);
    let data = &shown["data"];
    // What was not given by its old name is not shown by it.
    assert_eq!((&data["token_period"], &data["period"]), (&json!(3600), &json!(0)));
    server.root("POST", "auth/token/roles/plain", "{}", 204);
    let plain = server.root("GET", "auth/token/roles/plain", "", 200);
    assert_eq!(plain["data"]["token_period"], 0);
    server.root("DELETE", "auth/token/roles/plain", "", 204);
    assert_eq!(
        (&data["token_type"], &data["renewable"]),
        (&json!("default-service"), &json!(true))
    );
    let made = server.root("POST", "auth/token/create/tr", "{}", 200);
    assert_eq!(made["auth"]["policies"], json!(["a", "b", "default"]));
    assert_eq!(
        (&made["auth"]["orphan"], &made["auth"]["lease_duration"]),
        (&json!(true), &json!(3600))
    );
    let token = text(&made["auth"]["client_token"]);
    let own = server.call("GET", "auth/token/lookup-self", &token, "").1;
    assert_eq!(own["data"]["path"], "auth/token/create/tr/suf");
    assert_eq!(
        (&own["data"]["role"], &own["data"]["bound_cidrs"]),
        (&json!("tr"), &json!(["127.0.0.1"]))
    );
    let body = r#"{"policies":["a"],"entity_alias":"webapp"}"#;
    let made = server.root("POST", "auth/token/create/tr", body, 200);
    assert!(!text(&made["auth"]["entity_id"]).is_empty());
    server.root("POST", "auth/token/roles/not", r#"{"disallowed_policies_glob":"adm*"}"#, 204);
    server.root("POST", "auth/token/roles/far", r#"{"token_bound_cidrs":"10.0.0.0/8"}"#, 204);
    for (role, body, part) in [
        ("tr", r#"{"policies":["c"]}"#, "must be subset of the role's allowed policies"),
        ("tr", r#"{"entity_alias":"other"}"#, "invalid 'entity_alias'"),
        ("not", r#"{"policies":["admin"]}"#, "disallowed by this role"),
        ("nope", "{}", "unknown role nope"),
    ] {
        let error = server.error("POST", &format!("auth/token/create/{role}"), ROOT, body, 400);
        assert!(error.contains(part), "{role} {body}: {error}");
    }
    let far = server.root("POST", "auth/token/create/far", r#"{"policies":["x"]}"#, 200);
    let far = text(&far["auth"]["client_token"]);
    assert_eq!(server.call("GET", "auth/token/lookup-self", &far, "").0, 403);
    for (body, part) in [
        (r#"{"path_suffix":"a b"}"#, "invalid characters"),
        (r#"{"token_type":"batch"}"#, "non-orphan"),
        (r#"{"token_type":"odd"}"#, "token_type"),
        (r#"{"allowed_policies":{}}"#, "allowed_policies"),
    ] {
        let error = server.error("POST", "auth/token/roles/bad", ROOT, body, 400);
        assert!(error.contains(part), "{body}: {error}");
    }
    server.root("DELETE", "auth/token/roles/tr", "", 204);
    assert_eq!(server.call("GET", "auth/token/roles/tr", ROOT, "").0, 404);
    server.root("POST", "auth/token/tidy", "", 202);
}
