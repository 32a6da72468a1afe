//! `identity/oidc/`: keys, roles, and the tokens that they sign.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::{ROOT, TestServer};

const KEYS: &str = "identity/oidc/.well-known/keys";

/// A server where `bob` has an entity and may do everything; his token and entity.
fn with_bob() -> (TestServer, String, String) {
    let server = TestServer::dev();
    let rules = r#"path "*" { capabilities = ["create", "read", "update", "list"] }"#;
    let body = json!({ "policy": rules }).to_string();
    server.root("PUT", "sys/policies/acl/all", &body, 204);
    server.root("POST", "sys/auth/up", r#"{"type":"userpass"}"#, 204);
    server.root("POST", "auth/up/users/bob", r#"{"password":"pw","token_policies":"all"}"#, 204);
    let answer = server.call("POST", "auth/up/login/bob", "", r#"{"password":"pw"}"#).1;
    let text = |name: &str| answer["auth"][name].as_str().unwrap().to_owned();
    let (token, entity) = (text("client_token"), text("entity_id"));
    (server, token, entity)
}

fn part(token: &str, at: usize) -> Value {
    let part = token.split('.').nth(at).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn introspect(server: &TestServer, token: &str, more: &Value) -> Value {
    let mut body = json!({ "token": token });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = server.root("POST", "identity/oidc/introspect", &body.to_string(), 200);
    assert_eq!(answer["active"] == true, answer.get("error").is_none(), "{answer}");
    answer["active"].clone()
}

#[test]
fn a_role_signs_tokens_that_the_published_keys_verify() {
    let (server, bob, entity) = with_bob();
    let key = r#"{"algorithm":"ES256","allowed_client_ids":["app"]}"#;
    server.root("POST", "identity/oidc/key/k", key, 204);
    let template = r#"{"who":{{identity.entity.name}},"groups":{{identity.entity.groups.names}} }"#;
    let role = json!({"key": "k", "client_id": "app", "ttl": "5m", "template": template});
    server.root("POST", "identity/oidc/role/r", &role.to_string(), 204);
    let shown = server.root("GET", "identity/oidc/role/r", "", 200);
    let want = json!({"key": "k", "client_id": "app", "ttl": 300, "template": template});
    assert_eq!(shown["data"], want);

    // A root token is nobody's.
    let error = server.error("GET", "identity/oidc/token/r", ROOT, "", 400);
    assert!(error.contains("no entity associated"), "{error}");
    let (status, answer) = server.call("GET", "identity/oidc/token/r", &bob, "");
    assert_eq!((status, &answer["data"]["ttl"]), (200, &json!(300)), "{answer}");
    let token = answer["data"]["token"].as_str().unwrap();
    let (header, claims) = (part(token, 0), part(token, 1));
    let issuer = claims["iss"].as_str().unwrap();
    assert!(issuer.ends_with("/v1/identity/oidc"), "{claims}");
    assert_eq!((&claims["sub"], &claims["aud"]), (&json!(entity), &json!("app")));
    assert_eq!(claims["exp"].as_i64(), claims["iat"].as_i64().map(|at| at + 300));
    assert!(claims["who"].as_str().unwrap().starts_with("entity_"), "{claims}");
    assert_eq!(claims["groups"], json!([]));

    // Verifiers need no token.
    let path = "identity/oidc/.well-known/openid-configuration";
    let (status, known) = server.call("GET", path, "", "");
    assert_eq!((status, &known["issuer"]), (200, &json!(issuer)));
    let keys = server.call("GET", KEYS, "", "").1["keys"].clone();
    let found = keys.as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]).unwrap();
    assert_eq!((&found["alg"], &found["kty"]), (&json!("ES256"), &json!("EC")));

    assert_eq!(introspect(&server, token, &json!({})), true);
    assert_eq!(introspect(&server, token, &json!({"client_id": "app"})), true);
    assert_eq!(introspect(&server, token, &json!({"client_id": "other"})), false);
    assert_eq!(introspect(&server, &token.replace('.', ".A"), &json!({})), false);
    assert_eq!(introspect(&server, "nonsense", &json!({})), false);
    let disable = format!("identity/entity/id/{entity}");
    server.root("POST", &disable, r#"{"disabled":true}"#, 204);
    assert_eq!(introspect(&server, token, &json!({})), false);
}

#[test]
fn a_rotated_key_still_verifies_unless_told_otherwise() {
    let (server, bob, _) = with_bob();
    let key = r#"{"algorithm":"EdDSA","allowed_client_ids":"*"}"#;
    server.root("POST", "identity/oidc/key/k", key, 204);
    server.root("POST", "identity/oidc/role/r", r#"{"key":"k"}"#, 204);
    let issue = || {
        let answer = server.call("GET", "identity/oidc/token/r", &bob, "").1;
        answer["data"]["token"].as_str().unwrap().to_owned()
    };
    let announced = |token: &str| {
        let keys = server.call("GET", KEYS, "", "").1["keys"].clone();
        keys.as_array().unwrap().iter().any(|key| key["kid"] == part(token, 0)["kid"])
    };
    let first = issue();
    server.root("POST", "identity/oidc/key/k/rotate", "", 204);
    let second = issue();
    assert_ne!(part(&first, 0)["kid"], part(&second, 0)["kid"]);
    assert!(announced(&first) && announced(&second));
    assert_eq!(introspect(&server, &first, &json!({})), true);
    server.root("POST", "identity/oidc/key/k/rotate", r#"{"verification_ttl":0}"#, 204);
    assert!(!announced(&second) && announced(&first));
    assert_eq!(introspect(&server, &second, &json!({})), false);
}

#[test]
fn keys_and_roles_are_refused_that_could_not_work() {
    let server = TestServer::dev();
    let listed = server.root("LIST", "identity/oidc/key", "", 200);
    assert_eq!(listed["data"]["keys"], json!(["default"]));
    let default = server.root("GET", "identity/oidc/key/default", "", 200);
    assert_eq!(default["data"]["allowed_client_ids"], json!(["*"]));
    assert_eq!(server.call("LIST", "identity/oidc/role", ROOT, "").0, 404);
    server.root("POST", "identity/oidc/key/k", r#"{"algorithm":"EdDSA"}"#, 204);
    server.root("POST", "identity/oidc/role/r", r#"{"key":"k","ttl":"2h"}"#, 204);
    for (method, path, body, part) in [
        ("POST", "key/x", r#"{"algorithm":"HS256"}"#, "unknown signing algorithm"),
        ("POST", "key/x", r#"{"rotation_period":"30s"}"#, "at least one minute"),
        ("POST", "key/x", r#"{"rotation_period":60,"verification_ttl":601}"#, "10x"),
        ("POST", "key/k/rotate", r#"{"verification_ttl":"9000h"}"#, "10x"),
        ("POST", "key/none/rotate", "", "no named key"),
        ("POST", "key/k", r#"{"verification_ttl":"1h"}"#, "referenced by one or more roles"),
        ("DELETE", "key/k", "", "these roles: r"),
        ("DELETE", "key/default", "", "not allowed"),
        ("POST", "role/x", "{}", "key parameter is required"),
        ("POST", "role/x", r#"{"key":"none"}"#, "cannot find key"),
        ("POST", "role/x", r#"{"key":"k","ttl":"25h"}"#, "verification_ttl"),
        ("POST", "role/x", r#"{"key":"k","template":"{"}"#, "error parsing template JSON"),
        ("POST", "config", r#"{"issuer":"https://x/y"}"#, "invalid issuer"),
        ("GET", "token/none", "", "not found"),
        ("GET", "token/r", "", "does not list the client ID"),
    ] {
        let error = server.error(method, &format!("identity/oidc/{path}"), ROOT, body, 400);
        assert!(error.contains(part), "{method} {path} {body}: {error}");
    }
    let body = r#"{"issuer":"https://id.example:8200"}"#;
    let set = server.root("POST", "identity/oidc/config", body, 200);
    assert_eq!(set["warnings"].as_array().unwrap().len(), 1);
    let shown = server.root("GET", "identity/oidc/config", "", 200);
    assert_eq!(shown["data"]["issuer"], "https://id.example:8200");
    let path = "identity/oidc/.well-known/openid-configuration";
    let known = server.call("GET", path, "", "").1;
    assert_eq!(known["issuer"], "https://id.example:8200/v1/identity/oidc");
    server.root("DELETE", "identity/oidc/role/r", "", 204);
    server.root("DELETE", "identity/oidc/key/k", "", 204);
    assert_eq!(server.call("GET", "identity/oidc/key/k", ROOT, "").0, 404);
}
