//! `auth/token/create`: what may be asked of a new token, and what it is like then.

use serde_json::{Value, json};

use crate::support::{ROOT, TestServer};

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
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
        (r#"{"policies":{"a":1}}"#, ""),
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
fn a_client_is_told_what_bounds_its_token() {
    let server = TestServer::dev();
    let make = |path: &str, body: &str| {
        let mut made = server.root("POST", path, body, 200);
        (made["auth"].take(), made["warnings"].take())
    };
    let capped = |ttl: &str, max: &str| {
        format!(
            "TTL of \"{ttl}\" exceeded the effective max_ttl of \"{max}\"; TTL value is capped accordingly"
        )
    };
    let body = r#"{"policies":["default"],"explicit_max_ttl":"1h"}"#;
    let (auth, warnings) = make("auth/token/create", body);
    assert_eq!(warnings, json!([capped("768h", "1h")]));
    // Nothing is lost within the first second.
    let body = json!({ "token": auth["client_token"], "increment": "1h" }).to_string();
    let renewed = server.root("POST", "auth/token/renew", &body, 200);
    if renewed["auth"]["lease_duration"] == 3600 {
        assert_eq!(renewed["warnings"], Value::Null);
    }

    let role = r#"{"token_period":"2h","token_explicit_max_ttl":"9h","allowed_policies":["b"]}"#;
    server.root("POST", "auth/token/roles/r", role, 204);
    let path = "auth/token/create/r";
    server.root("PUT", "sys/policy/b", r#"{"policy":""}"#, 400);
    server.root("PUT", "sys/policy/b", r#"{"policy":"path \"b\" {}"}"#, 204);
    let (auth, warnings) = make(path, r#"{"period":"1h","explicit_max_ttl":"12h"}"#);
    assert_eq!(auth["lease_duration"], 3600);
    let both = |what: &str, least: u32| {
        format!(
            "{what} specified both during creation call and in role; using the lesser value of \
             {least} seconds"
        )
    };
    assert_eq!(warnings, json!([both("Period", 3600), both("Explicit max TTL", 32_400)]));
    // A role says whether there is a parent, and nobody else.
    assert_eq!(make(path, r#"{"no_parent":true}"#).0["orphan"], false);
    let error = server.error("POST", path, ROOT, r#"{"policies":["a"]}"#, 400);
    assert!(error.contains(r#"(["b" "default"])"#), "{error}");
    let error = server.error("POST", "auth/token/roles/r", ROOT, r#"{"path_suffix":"x"}"#, 400);
    assert!(error.starts_with("given role path suffix"), "{error}");
    let body = r#"{"policies":["response-wrapping"]}"#;
    let error = server.error("POST", "auth/token/create", ROOT, body, 400);
    assert_eq!(error, "cannot assign policy \"response-wrapping\"");
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
        (r#"{"allowed_policies":{"a":1}}"#, "allowed_policies"),
    ] {
        let error = server.error("POST", "auth/token/roles/bad", ROOT, body, 400);
        assert!(error.contains(part), "{body}: {error}");
    }
    server.root("DELETE", "auth/token/roles/tr", "", 204);
    assert_eq!(server.call("GET", "auth/token/roles/tr", ROOT, "").0, 404);
    server.root("POST", "auth/token/tidy", "", 202);
}
