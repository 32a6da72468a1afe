//! Renewals ask whoever the token was made for: users, roles and token roles as they are today.

use serde_json::{Value, json};

use crate::support::TestServer;

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// A server with a user or role of the method at `path`, and a token of a login there.
fn logged_in(kind: &str, path: &str, body: &str) -> (TestServer, String) {
    let server = TestServer::dev();
    server.root("POST", &format!("sys/auth/{kind}"), &json!({"type": kind}).to_string(), 204);
    server.root("POST", path, body, 204);
    let (at, wish) = if kind == "userpass" {
        ("auth/userpass/login/bob".to_owned(), json!({"password": "p"}))
    } else {
        let id = server.root("GET", &format!("{path}/role-id"), "", 200);
        let secret = server.root("POST", &format!("{path}/secret-id"), "", 200);
        let (id, secret) = (&id["data"]["role_id"], &secret["data"]["secret_id"]);
        ("auth/approle/login".to_owned(), json!({"role_id": id, "secret_id": secret}))
    };
    let made = server.root("POST", &at, &wish.to_string(), 200);
    let token = text(&made["auth"]["client_token"]);
    (server, token)
}

fn renew(server: &TestServer, token: &str, body: &str) -> (u16, Value) {
    server.call("POST", "auth/token/renew-self", token, body)
}

/// Seconds that a renewal gave.
fn renewed(server: &TestServer, token: &str, body: &str) -> u64 {
    let (status, answer) = renew(server, token, body);
    assert_eq!(status, 200, "{answer}");
    answer["auth"]["lease_duration"].as_u64().unwrap()
}

fn refused(server: &TestServer, token: &str, want: &str) {
    let (status, answer) = renew(server, token, "");
    assert_eq!(status, 400, "{answer}");
    let message = text(&answer["errors"][0]);
    assert!(message.contains(want), "{message}");
}

#[test]
fn times_of_today_count() {
    for (kind, path) in
        [("userpass", "auth/userpass/users/bob"), ("approle", "auth/approle/role/app")]
    {
        let (server, token) =
            logged_in(kind, path, r#"{"password":"p","token_policies":"w","token_ttl":600}"#);
        assert_eq!(renewed(&server, &token, ""), 600);
        server.root("POST", path, r#"{"token_ttl":60}"#, 204);
        assert_eq!(renewed(&server, &token, ""), 60);
        assert_eq!(renewed(&server, &token, r#"{"increment":120}"#), 120);
        server.root("POST", path, r#"{"token_max_ttl":90}"#, 204);
        assert!(renewed(&server, &token, r#"{"increment":120}"#) <= 90);
        server.root("POST", path, r#"{"token_period":75}"#, 204);
        assert_eq!(renewed(&server, &token, r#"{"increment":120}"#), 75);
        server.root("DELETE", path, "", 204);
        refused(&server, &token, "does not exist during renewal");
    }
}

#[test]
fn a_users_token_is_not_renewed_once_its_policies_are_others() {
    let path = "auth/userpass/users/bob";
    let (server, token) = logged_in("userpass", path, r#"{"password":"p","token_policies":"w"}"#);
    server.root("POST", path, r#"{"token_policies":"w,x"}"#, 204);
    refused(&server, &token, "policies have changed, not renewing");
    server.root("POST", path, r#"{"token_policies":"w","token_no_default_policy":true}"#, 204);
    renewed(&server, &token, "");
    let lease = json!({"lease_id": format!("auth/userpass/login/bob/{}", "0".repeat(64))});
    assert_eq!(server.call("POST", "sys/leases/renew", "root", &lease.to_string()).0, 400);
    server.root("DELETE", path, "", 204);
    refused(&server, &token, "does not exist during renewal");
}

#[test]
fn a_role_keeps_its_tokens_though_its_policies_are_others() {
    let path = "auth/approle/role/app";
    let (server, token) = logged_in("approle", path, r#"{"token_policies":"w"}"#);
    server.root("POST", path, r#"{"token_policies":"w,x"}"#, 204);
    renewed(&server, &token, "");
}

#[test]
fn a_token_roles_period_of_today_counts_and_without_the_role_nothing_is_renewed() {
    let server = TestServer::dev();
    let role = |body: &str| server.root("POST", "auth/token/roles/r", body, 204);
    role(r#"{"token_period":100,"allowed_policies":"w"}"#);
    let made = server.root("POST", "auth/token/create/r", "", 200);
    let token = text(&made["auth"]["client_token"]);
    assert_eq!(renewed(&server, &token, ""), 100);
    role(r#"{"token_period":50}"#);
    assert_eq!(renewed(&server, &token, ""), 50);
    role(r#"{"token_explicit_max_ttl":20}"#);
    assert!(renewed(&server, &token, "") <= 20);
    role(r#"{"token_period":0,"token_explicit_max_ttl":0}"#);
    assert_eq!(renewed(&server, &token, r#"{"increment":3000}"#), 3000);
    server.root("DELETE", "auth/token/roles/r", "", 204);
    refused(&server, &token, "original token role \"r\" could not be found");
}

#[test]
fn a_token_may_be_bound_to_the_address_of_the_login() {
    let path = "auth/userpass/users/bob";
    let (server, token) =
        logged_in("userpass", path, r#"{"password":"p","token_strictly_bind_ip":true}"#);
    let (_, shown) = server.call("GET", "auth/token/lookup-self", &token, "");
    assert_eq!(shown["data"]["bound_cidrs"], json!(["127.0.0.1"]));
    let both = r#"{"token_bound_cidrs":"127.0.0.0/8"}"#;
    assert!(server.error("POST", path, "root", both, 400).contains("conflicts"));
}
