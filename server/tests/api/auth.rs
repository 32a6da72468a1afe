//! `sys/auth` and `auth/userpass`.

use serde_json::{Value, json};

use crate::support::{ROOT, TestServer};

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn userpass(server: &TestServer, mount: &str, more: &str) {
    let body = format!(r#"{{"type":"userpass"{more}}}"#);
    server.root("POST", &format!("sys/auth/{mount}"), &body, 204);
}

#[test]
fn auth_methods_are_enabled_tuned_listed_and_disabled() {
    let server = TestServer::dev();
    userpass(&server, "up", r#","description":"people","config":{"default_lease_ttl":"1h"}"#);
    userpass(&server, "deep/er", r#","local":true"#);
    let all = server.root("GET", "sys/auth", "", 200);
    let up = &all["data"]["up/"];
    assert_eq!((&up["type"], &up["description"]), (&json!("userpass"), &json!("people")));
    assert!(text(&up["accessor"]).starts_with("auth_userpass_"));
    assert_eq!(up["config"]["token_type"], "default-service");
    assert_eq!(all["data"]["deep/er/"]["local"], true);
    assert_eq!(server.root("GET", "sys/auth/up", "", 200)["type"], "userpass");
    server.root(
        "POST",
        "sys/auth/up/tune",
        r#"{"max_lease_ttl":"2h","token_type":"service"}"#,
        204,
    );
    let lockout = r#"{"user_lockout_config":{"lockout_threshold":"3","lockout_duration":"10m"}}"#;
    server.root("POST", "sys/auth/up/tune", lockout, 204);
    let tuned = server.root("GET", "sys/mounts/auth/up/tune", "", 200);
    let data = &tuned["data"];
    assert_eq!((&data["default_lease_ttl"], &data["max_lease_ttl"]), (&json!(3600), &json!(7200)));
    assert_eq!(
        (&data["token_type"], &data["user_lockout_threshold"]),
        (&json!("service"), &json!(3))
    );
    for (path, body, part) in [
        ("sys/auth/up", r#"{"type":"userpass"}"#, "path is already in use"),
        ("sys/auth/up/in", r#"{"type":"userpass"}"#, "path is already in use"),
        ("sys/auth/x", r#"{"type":"zz"}"#, "plugin not found in the catalog: zz"),
        ("sys/auth/x", r#"{"type":"token"}"#, "cannot be instantiated"),
        ("sys/auth/x", "{}", "must be specified"),
        ("sys/auth/up/tune", r#"{"token_type":"odd"}"#, "invalid value for 'token_type'"),
        ("sys/auth/up/tune", r#"{"default_lease_ttl":"9h"}"#, "less than backend default"),
        ("sys/auth/nope/tune", "{}", "no mount entry"),
    ] {
        let error = server.error("POST", path, ROOT, body, 400);
        assert!(error.contains(part), "{path} {body}: {error}");
    }
    assert!(server.error("GET", "sys/auth/nope", ROOT, "", 400).contains("No auth engine at"));
    assert!(server.error("DELETE", "sys/auth/token", ROOT, "", 400).contains("cannot be disabled"));
    server.root("DELETE", "sys/auth/nope", "", 204);
    server.root("DELETE", "sys/auth/deep/er", "", 204);
    assert!(server.root("GET", "sys/auth", "", 200)["data"].get("deep/er/").is_none());
    let plain = server.token(r#"{"policies":["default"]}"#);
    assert_eq!(server.call("POST", "sys/auth/z", &plain, r#"{"type":"userpass"}"#).0, 403);
}

#[test]
fn users_log_in_and_their_tokens_are_as_told() {
    let server = TestServer::dev();
    userpass(&server, "up", "");
    let bob = r#"{"password":"pw","token_policies":"B,a","token_ttl":"1h","token_max_ttl":7200,
                  "token_bound_cidrs":["127.0.0.1/32"]}"#;
    server.root("POST", "auth/up/users/Bob", bob, 204);
    let shown = server.root("GET", "auth/up/users/bob", "", 200);
    let data = &shown["data"];
    assert_eq!(data["token_policies"], json!(["B", "a"]), "as they were given");
    assert_eq!((&data["token_ttl"], &data["token_type"]), (&json!(3600), &json!("default")));
    assert_eq!(data["token_bound_cidrs"], json!(["127.0.0.1"]));
    assert!(data.get("password").is_none() && data.get("password_hash").is_none());
    assert_eq!(server.root("LIST", "auth/up/users", "", 200)["data"]["keys"], json!(["bob"]));

    let (status, made) = server.call("POST", "auth/up/login/BoB", "", r#"{"password":"pw"}"#);
    assert_eq!(status, 200, "{made}");
    let auth = &made["auth"];
    assert_eq!(auth["policies"], json!(["a", "b", "default"]));
    assert_eq!(auth["metadata"], json!({"username": "bob"}));
    assert_eq!((&auth["lease_duration"], &auth["orphan"]), (&json!(3600), &json!(true)));
    assert_eq!((&auth["renewable"], &auth["token_type"]), (&json!(true), &json!("service")));
    let entity = text(&auth["entity_id"]);
    assert!(!entity.is_empty());
    let token = text(&auth["client_token"]);
    let own = server.call("GET", "auth/token/lookup-self", &token, "").1;
    assert_eq!(own["data"]["display_name"], "up-bob");
    assert_eq!(own["data"]["path"], "auth/up/login/BoB");
    assert_eq!(own["data"]["bound_cidrs"], json!(["127.0.0.1"]));
    let (_, renewed) =
        server.call("POST", "auth/token/renew-self", &token, r#"{"increment":"9h"}"#);
    assert!(renewed["auth"]["lease_duration"].as_u64().unwrap() <= 7200, "{renewed}");
    // The same entity at the next login.
    let again = server.call("POST", "auth/up/login/bob", "", r#"{"password":"pw"}"#).1;
    assert_eq!(again["auth"]["entity_id"], json!(entity));

    server.root("POST", "auth/up/users/bob/password", r#"{"password":"new"}"#, 204);
    server.root("POST", "auth/up/users/bob/policies", r#"{"token_policies":["q"]}"#, 204);
    assert_eq!(server.call("POST", "auth/up/login/bob", "", r#"{"password":"pw"}"#).0, 400);
    let (_, made) = server.call("POST", "auth/up/login/bob", "", r#"{"password":"new"}"#);
    assert_eq!(made["auth"]["policies"], json!(["default", "q"]));
    server.root("DELETE", "auth/up/users/bob", "", 204);
    assert_eq!(server.call("POST", "auth/up/login/bob", "", r#"{"password":"new"}"#).0, 400);

    // Without the mount the tokens are void.
    assert_eq!(server.call("GET", "auth/token/lookup-self", &token, "").0, 200);
    server.root("DELETE", "sys/auth/up", "", 204);
    assert_eq!(server.call("GET", "auth/token/lookup-self", &token, "").0, 403);
}

#[test]
fn what_is_wrong_with_a_user_or_a_login_is_said() {
    let server = TestServer::dev();
    userpass(&server, "up", "");
    for (path, body, status, part) in [
        ("users/a", "{}", 400, "must provide either password or password_hash"),
        ("users/a", r#"{"password":"a","password_hash":"b"}"#, 400, "only one of password"),
        ("users/a", r#"{"password_hash":"junk"}"#, 400, "not a valid bcrypt hash"),
        ("users/a", r#"{"password":{}}"#, 400, "password"),
        ("users/a", r#"{"password":"x","token_bound_cidrs":"junk"}"#, 400, "invalid CIDR"),
        ("users/a", r#"{"password":"x","token_type":"zzz"}"#, 400, "invalid 'token_type'"),
        ("users/a", r#"{"password":"x","token_ttl":"2h","token_max_ttl":"1h"}"#, 400, "token_ttl"),
        (
            "users/a",
            r#"{"password":"x","token_type":"batch","token_period":"1h"}"#,
            400,
            "periodic",
        ),
        ("users/-a", r#"{"password":"x"}"#, 404, "unsupported path"),
        ("users/a.", r#"{"password":"x"}"#, 404, "unsupported path"),
        ("users/ghost/password", r#"{"password":"x"}"#, 400, "username does not exist"),
        ("users/ghost/policies", r#"{"policies":"x"}"#, 400, "username does not exist"),
    ] {
        let error = server.error("POST", &format!("auth/up/{path}"), ROOT, body, status);
        assert!(error.contains(part), "{path} {body}: {error}");
    }
    for (body, part) in [
        ("{}", "missing password"),
        (r#"{"password":""}"#, "missing password"),
        (r#"{"password":["x"]}"#, "password"),
        ("{", "failed to decode JSON"),
    ] {
        let error = server.error("POST", "auth/up/login/a", "", body, 400);
        assert!(error.contains(part), "{body}: {error}");
    }
    let error = server.error("POST", "auth/up/login/a", "", r#"{"password":"s3cret"}"#, 400);
    assert_eq!(error, "invalid username or password");
    assert_eq!(server.call("GET", "auth/up/login/a", ROOT, "").0, 405);
    assert_eq!(server.call("GET", "auth/up/users/a", "", "").0, 403);
    assert_eq!(server.call("GET", "auth/up/nope", ROOT, "").0, 404);
    assert_eq!(server.call("POST", "auth/nope/login/a", "", "{}").0, 403);
    // Policies of `root` cannot be had by logging in.
    server.root("POST", "auth/up/users/r", r#"{"password":"x","policies":"root"}"#, 204);
    let error = server.error("POST", "auth/up/login/r", "", r#"{"password":"x"}"#, 400);
    assert!(error.contains("root tokens"), "{error}");
}

#[test]
fn too_many_failures_lock_a_name() {
    let server = TestServer::dev();
    let config = r#","config":{"user_lockout_config":{"lockout_threshold":2}}"#;
    userpass(&server, "up", config);
    server.root("POST", "auth/up/users/bob", r#"{"password":"pw"}"#, 204);
    let login = |password: &str| {
        let body = json!({ "password": password }).to_string();
        server.call("POST", "auth/up/login/bob", "", &body).0
    };
    assert_eq!([login("x"), login("pw"), login("x"), login("x")], [400, 200, 400, 400]);
    assert_eq!([login("pw"), login("x")], [403, 403], "locked");
    let locked = server.root("GET", "sys/locked-users", "", 200);
    let accessor = text(&server.root("GET", "sys/auth/up", "", 200)["data"]["accessor"]);
    let mount = &locked["data"]["by_namespace"][0]["mount_accessors"][0];
    assert_eq!(mount["mount_accessor"], json!(accessor));
    assert_eq!(mount["alias_identifiers"], json!(["bob"]));
    assert_eq!(locked["data"]["total"], 1);
    server.root("POST", &format!("sys/locked-users/{accessor}/unlock/bob"), "", 204);
    assert_eq!(login("pw"), 200);
}

#[test]
fn logins_may_get_batch_tokens() {
    let server = TestServer::dev();
    userpass(&server, "up", r#","config":{"token_type":"default-batch"}"#);
    server.root("POST", "auth/up/users/bob", r#"{"password":"pw","token_ttl":"1h"}"#, 204);
    let (_, made) = server.call("POST", "auth/up/login/bob", "", r#"{"password":"pw"}"#);
    let auth = &made["auth"];
    let token = text(&auth["client_token"]);
    assert!(token.starts_with("hvb."), "{made}");
    assert_eq!((&auth["token_type"], &auth["accessor"]), (&json!("batch"), &json!("")));
    assert_eq!((&auth["renewable"], &auth["lease_duration"]), (&json!(false), &json!(3600)));
    let (status, own) = server.call("GET", "auth/token/lookup-self", &token, "");
    assert_eq!((status, &own["data"]["type"]), (200, &json!("batch")));
    server.root("DELETE", "sys/auth/up", "", 204);
    assert_eq!(server.call("GET", "auth/token/lookup-self", &token, "").0, 403);
}
