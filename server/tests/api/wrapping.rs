//! Wrapped answers.

use serde_json::{Value, json};

use crate::support::{ROOT, TestServer};

fn wrapped(server: &TestServer, method: &str, path: &str, ttl: &str, body: &str) -> Value {
    let headers = format!("X-Vault-Token: root\r\nX-Vault-Wrap-TTL: {ttl}\r\n");
    let answer = server.raw(method, &format!("/v1/{path}"), &headers, body.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

#[test]
fn an_answer_is_handed_out_once() {
    let server = TestServer::dev();
    server.root("POST", "secret/data/x", r#"{"data":{"k":"v"}}"#, 200);
    let answer = wrapped(&server, "GET", "secret/data/x", "60", "");
    let info = &answer["wrap_info"];
    assert_eq!((&answer["data"], &info["ttl"]), (&Value::Null, &json!(60)));
    assert_eq!(info["creation_path"], "secret/data/x");
    let token = info["token"].as_str().unwrap();
    let body = json!({ "token": token }).to_string();
    let (_, looked) = server.call("POST", "sys/wrapping/lookup", "", &body);
    assert_eq!(looked["data"]["creation_ttl"], 60);
    assert_eq!(looked["data"]["creation_time"], info["creation_time"]);
    // The wrapping token may be the client's token.
    let (status, unwrapped) = server.call("POST", "sys/wrapping/unwrap", token, "");
    assert_eq!((status, &unwrapped["data"]["data"]["k"]), (200, &json!("v")));
    for path in ["sys/wrapping/unwrap", "sys/wrapping/lookup"] {
        let error = server.error("POST", path, "", &body, 400);
        assert_eq!(error, "wrapping token is not valid or does not exist");
    }
    server.error("POST", "sys/wrapping/unwrap", "", "", 403);
    server.error("POST", "sys/wrapping/lookup", ROOT, r#"{"token":""}"#, 403);
    assert_eq!(server.call("GET", "auth/token/lookup-self", token, "").0, 403);
}

#[test]
fn old_clients_unwrap_by_reading_the_cubbyhole() {
    let server = TestServer::dev();
    let made = wrapped(&server, "POST", "auth/token/create", "60", "{}");
    let token = made["wrap_info"]["token"].as_str().unwrap();
    assert_eq!(server.call("GET", "cubbyhole/other", token, "").0, 403);
    let (status, answer) = server.call("GET", "cubbyhole/response", token, "");
    assert_eq!((status, answer["warnings"].as_array().unwrap().len()), (200, 1));
    let inner: Value = serde_json::from_str(answer["data"]["response"].as_str().unwrap()).unwrap();
    let token = inner["auth"]["client_token"].as_str().unwrap();
    assert_eq!(server.call("GET", "auth/token/lookup-self", token, "").0, 200);
    for token in [made["wrap_info"]["token"].as_str().unwrap(), "nope", ""] {
        assert_eq!(server.call("GET", "cubbyhole/response", token, "").0, 403);
    }
    assert_eq!(server.call("GET", "cubbyhole/response", ROOT, "").0, 404);
}

#[test]
fn logins_data_and_rewraps_are_wrapped_too() {
    let server = TestServer::dev();
    let made = wrapped(&server, "POST", "auth/token/create", "5m", r#"{"policies":["x"]}"#);
    assert!(made["auth"].is_null() && made["wrap_info"]["wrapped_accessor"].is_string());
    let body = json!({ "token": made["wrap_info"]["token"] }).to_string();
    let again = server.root("POST", "sys/wrapping/rewrap", &body, 200);
    server.error("POST", "sys/wrapping/unwrap", "", &body, 400);
    let body = json!({ "token": again["wrap_info"]["token"] }).to_string();
    let (_, auth) = server.call("POST", "sys/wrapping/unwrap", "", &body);
    let token = auth["auth"]["client_token"].as_str().unwrap();
    assert_eq!(server.call("GET", "auth/token/lookup-self", token, "").0, 200);

    let data = wrapped(&server, "POST", "sys/wrapping/wrap", "60", r#"{"a":"b"}"#);
    let body = json!({ "token": data["wrap_info"]["token"] }).to_string();
    let (_, plain) = server.call("POST", "sys/wrapping/unwrap", "", &body);
    assert_eq!(plain["data"], json!({ "a": "b" }));
    server.error("POST", "sys/wrapping/wrap", "root", "{}", 400);
}

#[test]
fn of_many_who_unwrap_one_gets_the_answer() {
    let server = TestServer::dev();
    for _ in 0..10 {
        let data = wrapped(&server, "POST", "sys/wrapping/wrap", "60", r#"{"a":"b"}"#);
        let body = json!({ "token": data["wrap_info"]["token"] }).to_string();
        let got: usize = std::thread::scope(|scope| {
            let all: Vec<_> = (0..6)
                .map(|_| scope.spawn(|| server.call("POST", "sys/wrapping/unwrap", "", &body).0))
                .collect();
            all.into_iter().map(|t| usize::from(t.join().unwrap() == 200)).sum()
        });
        assert_eq!(got, 1);
    }
}

#[test]
fn a_wrapped_answer_ends_with_its_ttl() {
    let server = TestServer::dev();
    let data = wrapped(&server, "POST", "sys/wrapping/wrap", "1s", r#"{"a":"b"}"#);
    let body = json!({ "token": data["wrap_info"]["token"] }).to_string();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while server.call("POST", "sys/wrapping/lookup", "", &body).0 == 200 {
        assert!(std::time::Instant::now() < deadline, "a wrapped answer outlived its TTL");
    }
    server.error("POST", "sys/wrapping/unwrap", "", &body, 400);
}

/// Whoever suspects that a wrapping token was stolen revokes it as any other; that once did nothing.
#[test]
fn wrapping_tokens_are_looked_up_and_revoked_as_tokens() {
    let server = TestServer::dev();
    let wrap = || {
        let headers = format!("X-Vault-Token: {ROOT}\r\nX-Vault-Wrap-TTL: 60\r\n");
        let answer = server.raw("POST", "/v1/sys/wrapping/wrap", &headers, br#"{"a":"b"}"#);
        let answer: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        let info = &answer["wrap_info"];
        let text = |name: &str| info[name].as_str().unwrap().to_owned();
        (text("token"), text("accessor"))
    };
    let (token, accessor) = wrap();
    let by_token = json!({ "token": token }).to_string();
    let by_accessor = json!({ "accessor": accessor }).to_string();
    for (path, body, id) in
        [("lookup", &by_token, token.as_str()), ("lookup-accessor", &by_accessor, "")]
    {
        let shown = server.root("POST", &format!("auth/token/{path}"), body, 200)["data"].clone();
        assert_eq!(shown["policies"], json!(["response-wrapping"]), "{shown}");
        assert_eq!((&shown["id"], &shown["num_uses"]), (&json!(id), &json!(1)), "{shown}");
        assert_eq!(
            (&shown["accessor"], &shown["path"]),
            (&json!(accessor), &json!("sys/wrapping/wrap"))
        );
    }
    let listed = |accessor: &str| {
        let all = server.root("LIST", "auth/token/accessors", "", 200);
        all["data"]["keys"].as_array().unwrap().contains(&json!(accessor))
    };
    assert!(listed(&accessor));
    // Looking is not using.
    server.root("POST", "sys/wrapping/unwrap", &by_token, 200);
    assert!(!listed(&accessor));
    server.error("POST", "auth/token/lookup-accessor", ROOT, &by_accessor, 400);

    let (first, _) = wrap();
    server.root("POST", "auth/token/revoke", &json!({ "token": first }).to_string(), 204);
    let (second, accessor) = wrap();
    let body = json!({ "accessor": accessor }).to_string();
    server.root("POST", "auth/token/revoke-accessor", &body, 204);
    assert!(!listed(&accessor));
    for token in [first, second] {
        let body = json!({ "token": token }).to_string();
        server.error("POST", "sys/wrapping/unwrap", ROOT, &body, 400);
    }
}
