//! `auth/approle`.

use serde_json::{Value, json};

use crate::support::{ROOT, TestServer};

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn with_role(body: &str) -> (TestServer, String) {
    let server = TestServer::dev();
    server.root("POST", "sys/auth/approle", r#"{"type":"approle"}"#, 204);
    server.root("POST", "auth/approle/role/R1", body, 204);
    let id = server.root("GET", "auth/approle/role/r1/role-id", "", 200);
    (server, text(&id["data"]["role_id"]))
}

fn secret(server: &TestServer, body: &str) -> (String, String) {
    let made = server.root("POST", "auth/approle/role/r1/secret-id", body, 200);
    (text(&made["data"]["secret_id"]), text(&made["data"]["secret_id_accessor"]))
}

fn log_in(server: &TestServer, role: &str, secret: &str) -> (u16, Value) {
    let body = json!({ "role_id": role, "secret_id": secret }).to_string();
    server.call("POST", "auth/approle/login", "", &body)
}

/// Clients of old write by both names and read by either.
#[test]
fn what_is_given_by_both_names_is_shown_by_both() {
    let (server, _) = with_role(r#"{"policies":"old","token_policies":"new","period":60}"#);
    let path = "auth/approle/role/r1";
    let shown = || server.root("GET", path, "", 200)["data"].clone();
    assert_eq!(shown()["policies"], json!(["new"]));
    assert_eq!((&shown()["token_policies"], &shown()["period"]), (&json!(["new"]), &json!(60)));
    let body = r#"{"policies":["c"],"token_policies":["d"]}"#;
    server.root("POST", &format!("{path}/policies"), body, 204);
    let policies = server.root("GET", &format!("{path}/policies"), "", 200)["data"].clone();
    assert_eq!(policies, json!({"policies": ["d"], "token_policies": ["d"]}));
    server.root("POST", path, r#"{"token_policies":["e"]}"#, 204);
    assert_eq!(shown().get("policies"), None);

    // Those of tokens count the new name alone, and say so.
    let body = r#"{"period":60,"token_period":90,"explicit_max_ttl":1,"token_explicit_max_ttl":2}"#;
    let told = server.root("POST", "auth/token/roles/t", body, 200)["warnings"].clone();
    let ignored = |old: &str| {
        format!(
            "Both 'token_{old}' and deprecated '{old}' value supplied, ignoring the deprecated \
             value"
        )
    };
    assert_eq!(told, json!([ignored("period"), ignored("explicit_max_ttl")]));
    let role = server.root("GET", "auth/token/roles/t", "", 200)["data"].clone();
    assert_eq!((&role["period"], &role["token_period"]), (&json!(0), &json!(90)));
    assert_eq!(
        (&role["explicit_max_ttl"], &role["token_explicit_max_ttl"]),
        (&json!(0), &json!(2))
    );
}

#[test]
fn a_role_cannot_wish_for_more_than_its_mount_gives() {
    let (server, _) = with_role(r#"{"secret_id_ttl":"9999h"}"#);
    let made = server.root("POST", "auth/approle/role/r1/secret-id", "", 200);
    assert_eq!(made["data"]["secret_id_ttl"], 2_764_800);
    let told = server.root("POST", "auth/approle/role/r1", r#"{"token_max_ttl":"9999h"}"#, 200);
    assert_eq!(
        told["warnings"],
        json!(["token_max_ttl is greater than the backend mount's maximum TTL value; issued \
                tokens' max TTL value will be truncated"])
    );
    let path = "auth/approle/role/None/secret-id";
    assert_eq!(server.error("LIST", path, ROOT, "", 400), "role \"none\" does not exist");
}

#[test]
fn a_machine_logs_in_and_uses_are_counted() {
    let (server, role) = with_role(
        r#"{"token_policies":"b,a","secret_id_num_uses":2,"secret_id_ttl":"10m","token_ttl":"1h"}"#,
    );
    let (id, accessor) = secret(&server, r#"{"metadata":"{\"k\":\"v\"}"}"#);
    let (status, made) = log_in(&server, &role, &id);
    assert_eq!(status, 200, "{made}");
    let auth = &made["auth"];
    assert_eq!(auth["policies"], json!(["a", "b", "default"]));
    assert_eq!(auth["metadata"], json!({"k": "v", "role_name": "r1"}));
    assert_eq!((&auth["lease_duration"], &auth["orphan"]), (&json!(3600), &json!(true)));
    let entity =
        server.root("GET", &format!("identity/entity/id/{}", text(&auth["entity_id"])), "", 200);
    assert_eq!(entity["data"]["aliases"][0]["name"], json!(role));
    let shown = server.root(
        "POST",
        "auth/approle/role/r1/secret-id/lookup",
        &json!({ "secret_id": id }).to_string(),
        200,
    );
    assert_eq!(shown["data"]["secret_id_num_uses"], 1);
    assert_eq!(shown["data"]["secret_id_accessor"], json!(accessor));
    assert_eq!(log_in(&server, &role, &id).0, 200);
    let (status, error) = log_in(&server, &role, &id);
    assert_eq!((status, &error["errors"]), (400, &json!(["invalid role or secret ID"])));
    assert_eq!(server.call("LIST", "auth/approle/role/r1/secret-id", ROOT, "").0, 404);
}

#[test]
fn roles_are_made_shown_changed_and_deleted() {
    let (server, role) = with_role("{}");
    assert_eq!(server.root("LIST", "auth/approle/role", "", 200)["data"]["keys"], json!(["r1"]));
    let shown = server.root("GET", "auth/approle/role/r1", "", 200);
    let data = &shown["data"];
    assert_eq!((&data["bind_secret_id"], &data["token_type"]), (&json!(true), &json!("default")));
    assert_eq!((&data["secret_id_bound_cidrs"], &data["token_ttl"]), (&Value::Null, &json!(0)));
    assert!(data.get("role_id").is_none());
    for (field, body, name, want) in [
        ("token-ttl", r#"{"token_ttl":"20m"}"#, "token_ttl", json!(1200)),
        ("policies", r#"{"token_policies":"z"}"#, "token_policies", json!(["z"])),
        ("policies", r#"{"policies":["y"]}"#, "token_policies", json!(["y"])),
        ("secret-id-ttl", r#"{"secret_id_ttl":60}"#, "secret_id_ttl", json!(60)),
        ("secret-id-num-uses", r#"{"secret_id_num_uses":"3"}"#, "secret_id_num_uses", json!(3)),
        (
            "secret-id-bound-cidrs",
            r#"{"secret_id_bound_cidrs":["127.0.0.0/8"]}"#,
            "secret_id_bound_cidrs",
            json!(["127.0.0.0/8"]),
        ),
        ("token-num-uses", r#"{"token_num_uses":7}"#, "token_num_uses", json!(7)),
        ("period", r#"{"token_period":"5m"}"#, "token_period", json!(300)),
        ("bind-secret-id", r#"{"bind_secret_id":false}"#, "bind_secret_id", json!(false)),
    ] {
        let path = format!("auth/approle/role/r1/{field}");
        server.root("POST", &path, body, 204);
        assert_eq!(server.root("GET", &path, "", 200)["data"][name], want, "{field}");
    }
    server.root("DELETE", "auth/approle/role/r1/bind-secret-id", "", 204);
    server.root("DELETE", "auth/approle/role/r1/secret-id-bound-cidrs", "", 204);
    server.root("DELETE", "auth/approle/role/r1/token-ttl", "", 204);
    let shown = server.root("GET", "auth/approle/role/r1", "", 200);
    assert_eq!(
        (&shown["data"]["token_ttl"], &shown["data"]["token_period"]),
        (&json!(0), &json!(300))
    );

    server.root("POST", "auth/approle/role/r1/role-id", r#"{"role_id":"mine"}"#, 204);
    let (id, _) = secret(&server, "{}");
    assert_eq!(log_in(&server, &role, &id).0, 400, "the old id is void");
    assert_eq!(log_in(&server, "mine", &id).0, 200);
    server.root("DELETE", "auth/approle/role/r1", "", 204);
    server.root("DELETE", "auth/approle/role/r1", "", 204);
    assert_eq!(log_in(&server, "mine", &id).0, 400);
    // A role of the same name and id knows nothing of the old secret ids.
    server.root("POST", "auth/approle/role/r1", r#"{"role_id":"mine"}"#, 204);
    assert_eq!(log_in(&server, "mine", &id).0, 400);
}

#[test]
fn secret_ids_are_looked_up_and_destroyed() {
    let (server, role) = with_role("{}");
    let base = "auth/approle/role/r1";
    let post = |path: &str, body: Value| {
        server.call("POST", &format!("{base}/{path}"), ROOT, &body.to_string())
    };
    let (id, accessor) = secret(&server, "{}");
    let (status, shown) =
        post("secret-id-accessor/lookup", json!({"secret_id_accessor": accessor}));
    assert_eq!((status, &shown["data"]["secret_id_ttl"]), (200, &json!(0)));
    assert_eq!(shown["data"]["expiration_time"], "0001-01-01T00:00:00Z");
    let listed = server.root("LIST", &format!("{base}/secret-id"), "", 200);
    assert_eq!(listed["data"]["keys"], json!([accessor]));
    assert_eq!(post("secret-id/destroy", json!({"secret_id": id})).0, 204);
    assert_eq!(log_in(&server, &role, &id).0, 400);
    let (_, accessor) = secret(&server, "{}");
    assert_eq!(post("secret-id-accessor/destroy", json!({"secret_id_accessor": accessor})).0, 204);
    assert_eq!(server.call("LIST", &format!("{base}/secret-id"), ROOT, "").0, 404);
    let (status, made) = post("custom-secret-id", json!({"secret_id": "mine", "num_uses": 1}));
    assert_eq!((status, &made["data"]["secret_id_num_uses"]), (200, &json!(1)));
    assert_eq!(log_in(&server, &role, "mine").0, 200);
    assert_eq!(log_in(&server, &role, "mine").0, 400);
    post("custom-secret-id", json!({"secret_id": "twice"}));
    assert_eq!(post("custom-secret-id", json!({"secret_id": "twice"})).0, 400);
    // Short ones end on time, and the next one takes them away.
    post("custom-secret-id", json!({"secret_id": "short", "ttl": 1}));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while log_in(&server, &role, "short").0 == 200 {
        assert!(std::time::Instant::now() < deadline, "a secret id outlived its TTL");
    }
    server.root("POST", "auth/approle/tidy/secret-id", "", 202);

    let headers = format!("X-Vault-Token: {ROOT}\r\nX-Vault-Wrap-TTL: 60\r\n");
    let wrapped = server.raw("POST", &format!("/v1/{base}/secret-id"), &headers, b"{}");
    let wrapped: Value = serde_json::from_str(&wrapped.body).unwrap();
    let info = &wrapped["wrap_info"];
    assert!(!text(&info["wrapped_accessor"]).is_empty(), "{wrapped}");
    let (_, inner) = server.call("POST", "sys/wrapping/unwrap", &text(&info["token"]), "");
    assert_eq!(log_in(&server, &role, &text(&inner["data"]["secret_id"])).0, 200);
}

#[test]
fn bounds_are_kept() {
    let (server, _) = with_role(r#"{"role_id":"r","secret_id_num_uses":2,"secret_id_ttl":"1h"}"#);
    for (path, body, status, part) in [
        ("role/r1/secret-id", r#"{"num_uses":3}"#, 400, "num_uses cannot be higher"),
        ("role/r1/secret-id", r#"{"num_uses":0}"#, 400, "num_uses cannot be higher"),
        ("role/r1/secret-id", r#"{"ttl":"2h"}"#, 400, "ttl cannot be longer"),
        ("role/r1/secret-id", r#"{"metadata":"junk"}"#, 400, "failed to parse metadata"),
        ("role/r1/secret-id", r#"{"metadata":{"a":"b"}}"#, 400, "metadata"),
        ("role/r1/secret-id", r#"{"cidr_list":["junk"]}"#, 400, "invalid CIDR"),
        ("role/nope/secret-id", "{}", 404, "does not exist"),
        ("role/nope/role-id", r#"{"role_id":"x"}"#, 404, "unsupported path"),
        ("role/r1/custom-secret-id", "{}", 400, "missing secret_id"),
        ("role/r1/secret-id/lookup", "{}", 400, "missing secret_id"),
        ("role/r1/secret-id-accessor/lookup", "{}", 400, "missing secret_id_accessor"),
        ("role/r2", r#"{"bind_secret_id":false}"#, 400, "at least one constraint"),
        ("role/r2", r#"{"role_id":"r"}"#, 400, "already in use"),
        ("role/r2", r#"{"secret_id_bound_cidrs":"junk"}"#, 400, "invalid CIDR"),
        ("role/r2", r#"{"secret_id_num_uses":-1}"#, 400, "negative"),
        ("role/r2", r#"{"token_ttl":"x"}"#, 400, "token_ttl"),
        ("role/r1", r#"{"local_secret_ids":true}"#, 400, "during role creation"),
        ("role/r1/nope", r#"{"nope":1}"#, 404, "unsupported path"),
        ("login", "{}", 400, "missing role_id"),
        ("login", r#"{"role_id":"r"}"#, 400, "missing secret_id"),
        ("login", r#"{"role_id":"x","secret_id":"y"}"#, 400, "invalid role or secret ID"),
    ] {
        let error = server.error("POST", &format!("auth/approle/{path}"), ROOT, body, status);
        assert!(error.contains(part), "{path} {body}: {error}");
    }
    let (id, _) = secret(&server, r#"{"cidr_list":["10.0.0.0/8"]}"#);
    let (status, error) = log_in(&server, "r", &id);
    assert_eq!(status, 400);
    assert!(error.to_string().contains("CIDR restrictions"), "{error}");
    let (id, _) = secret(&server, r#"{"token_bound_cidrs":["127.0.0.0/8"]}"#);
    let (_, made) = log_in(&server, "r", &id);
    let own =
        server.call("GET", "auth/token/lookup-self", &text(&made["auth"]["client_token"]), "");
    assert_eq!(own.1["data"]["bound_cidrs"], json!(["127.0.0.0/8"]));
    let open = r#"{"bind_secret_id":false,"token_bound_cidrs":"127.0.0.0/8","role_id":"open"}"#;
    server.root("POST", "auth/approle/role/open", open, 204);
    assert_eq!(server.call("POST", "auth/approle/login", "", r#"{"role_id":"open"}"#).0, 200);
    let shut = r#"{"bind_secret_id":false,"token_bound_cidrs":"10.0.0.0/8","role_id":"shut"}"#;
    server.root("POST", "auth/approle/role/shut", shut, 204);
    // The login is taken from anywhere; the token is good for nothing from here.
    let (status, made) = server.call("POST", "auth/approle/login", "", r#"{"role_id":"shut"}"#);
    assert_eq!(status, 200, "{made}");
    let token = text(&made["auth"]["client_token"]);
    assert_eq!(server.call("GET", "auth/token/lookup-self", &token, "").0, 403);
}
