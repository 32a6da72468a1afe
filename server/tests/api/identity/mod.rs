//! `identity/`, and what it adds to tokens.

mod granted;
mod stored;

use serde_json::{Value, json};

use crate::support::TestServer;

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn made(server: &TestServer, path: &str, body: &str) -> String {
    text(&server.root("POST", path, body, 200)["data"]["id"])
}

fn policy(server: &TestServer, name: &str, rules: &str) {
    let body = json!({ "policy": rules }).to_string();
    server.root("PUT", &format!("sys/policies/acl/{name}"), &body, 204);
}

/// Logs `bob` in; token and entity.
fn log_in(server: &TestServer) -> (String, String) {
    let (status, answer) = server.call("POST", "auth/up/login/bob", "", r#"{"password":"pw"}"#);
    assert_eq!(status, 200, "{answer}");
    (text(&answer["auth"]["client_token"]), text(&answer["auth"]["entity_id"]))
}

fn with_bob() -> (TestServer, String) {
    let server = TestServer::dev();
    server.root("POST", "sys/auth/up", r#"{"type":"userpass"}"#, 204);
    server.root("POST", "auth/up/users/bob", r#"{"password":"pw"}"#, 204);
    let accessor = text(&server.root("GET", "sys/auth/up", "", 200)["data"]["accessor"]);
    (server, accessor)
}
