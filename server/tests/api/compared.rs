//! Answers that were others when the same calls were played at OpenBao's server.

use serde_json::{Value, json};

use crate::support::{ROOT, TestServer};

/// Names of policies are as they were given by the new name, and plain by the old one and under a
/// path of their own.
#[test]
fn policies_of_a_role_are_plain_names_where_they_are_not_kept_as_given() {
    let server = TestServer::dev();
    for kind in ["approle", "userpass"] {
        server.root("POST", &format!("sys/auth/{kind}"), &json!({"type": kind}).to_string(), 204);
    }
    for path in ["auth/approle/role/r", "auth/userpass/users/u"] {
        let shown = |body: Value| {
            server.root("POST", path, &body.to_string(), 204);
            server.root("GET", path, "", 200)["data"].clone()
        };
        let given = json!(["x", "A", "x", " y "]);
        let data = shown(json!({"password": "p", "token_policies": given}));
        assert_eq!(data["token_policies"], json!(["x", "A", "x", "y"]), "{path}");
        assert_eq!(data.get("policies"), None, "{path}");
        let data = shown(json!({"policies": given}));
        assert_eq!(data["token_policies"], json!(["a", "x", "y"]), "{path}");
        assert_eq!(data["policies"], data["token_policies"], "{path}");
        let own = json!({"token_policies": ["z", "B", "b"]}).to_string();
        server.root("POST", &format!("{path}/policies"), &own, 204);
        let data = server.root("GET", path, "", 200)["data"].clone();
        assert_eq!(data["token_policies"], json!(["b", "z"]), "{path}");
        // What was given by an old name and is nothing is not shown by it.
        let data = shown(json!({"policies": "", "period": 0}));
        assert_eq!((data.get("policies"), data.get("period")), (None, None), "{path}");
    }
}

/// A policy that a role names twice, or in capitals, once kept its tokens from being renewed.
#[test]
fn tokens_have_plain_names_whatever_their_role_has_and_are_renewed() {
    let server = TestServer::dev();
    server.root("POST", "sys/auth/up", r#"{"type":"userpass"}"#, 204);
    let user = r#"{"password":"p","token_policies":["W","w","ROOTS"]}"#;
    server.root("POST", "auth/up/users/u", user, 204);
    let (_, made) = server.call("POST", "auth/up/login/u", "", r#"{"password":"p"}"#);
    assert_eq!(made["auth"]["policies"], json!(["default", "roots", "w"]));
    let token = made["auth"]["client_token"].as_str().unwrap();
    assert_eq!(server.call("POST", "auth/token/renew-self", token, "").0, 200);
    server.root("POST", "auth/up/users/u", r#"{"token_policies":["Root"]}"#, 204);
    let error = server.error("POST", "auth/up/login/u", "", r#"{"password":"p"}"#, 400);
    assert_eq!(error, "auth methods cannot create root tokens");
}

#[test]
fn secrets_say_which_version_is_the_oldest_as_soon_as_all_places_are_taken() {
    let server = TestServer::dev();
    server.root("POST", "secret/metadata/v", r#"{"max_versions":2}"#, 204);
    for oldest in [0, 1, 2, 3] {
        server.root("POST", "secret/data/v", r#"{"data":{"a":1}}"#, 200);
        let shown = server.root("GET", "secret/metadata/v", "", 200);
        assert_eq!(shown["data"]["oldest_version"], oldest);
    }
    for bad in [-2, 4_294_967_296_i64] {
        let body = json!({ "max_versions": bad }).to_string();
        let patch = "X-Vault-Token: root\r\nContent-Type: application/merge-patch+json\r\n";
        let answer = server.raw("PATCH", "/v1/secret/metadata/v", patch, body.as_bytes());
        assert_eq!(answer.status, 400, "{}", answer.body);
    }
    assert_eq!(server.root("GET", "secret/metadata/v", "", 200)["data"]["max_versions"], 2);
    for path in ["secret/data", "secret/metadata"] {
        let answer = server.root("DELETE", path, "", 404);
        let warning = "Non-listing operations on the root of a K/V v2 mount are not supported.";
        assert_eq!(answer["warnings"], json!([warning]));
    }
}

#[test]
fn tools_take_what_the_path_says_and_batches_tell_what_is_valid() {
    let server = TestServer::dev();
    server.root("POST", "sys/mounts/transit", r#"{"type":"transit"}"#, 204);
    for base in ["sys/tools", "transit"] {
        let call =
            |path: &str, body: &str| server.root("POST", &format!("{base}/{path}"), body, 200);
        // The body has a name of its own for these, which then means nothing.
        for (path, body) in [
            ("hash/sha2-224", r#"{"input":"aGVsbG8=","algorithm":"sha2-512"}"#),
            ("random/platform/7", r#"{"bytes":9,"format":"hex"}"#),
        ] {
            let answer = call(path, body);
            assert_eq!(answer["warnings"], Value::Null, "{path}");
            let text = answer["data"].as_object().unwrap().values().next().unwrap();
            let length = if path.starts_with("hash") { 56 } else { 14 };
            assert_eq!(text.as_str().unwrap().len(), length, "{path}");
        }
    }
    server.root("POST", "transit/keys/k", r#"{"type":"ecdsa-p256"}"#, 200);
    server.root("POST", "transit/keys/l", "", 200);
    let page = server.root("LIST", "transit/keys?limit=1&after=k", "", 200);
    assert_eq!((&page["data"]["keys"], &page["warnings"]), (&json!(["l"]), &Value::Null));
    let signed = server.root("POST", "transit/sign/k/sha2-512", r#"{"input":"YQ=="}"#, 200);
    let body = json!({"hash_algorithm": "sha2-512", "batch_input": [
        {"input": "YQ==", "signature": signed["data"]["signature"]},
        {"input": "YQ==", "signature": "vault:v1:AAAA"},
        {"input": "YQ==", "signature": "x"},
    ]});
    let answer = server.root("POST", "transit/verify/k", &body.to_string(), 200);
    let results = answer["data"]["batch_results"].as_array().unwrap();
    let valid: Vec<&Value> = results.iter().map(|item| &item["valid"]).collect();
    assert_eq!(valid, [true, false, false], "{answer}");
    assert!(results[1]["error"].is_string() && results[2]["error"].is_string());
}

#[test]
fn mounts_are_read_by_any_path_in_them() {
    let server = TestServer::dev();
    server.root("POST", "sys/auth/up", r#"{"type":"userpass"}"#, 204);
    for (path, kind) in [
        ("secret", "kv"),
        ("secret/data/x", "kv"),
        ("sys/policies", "system"),
        ("auth/up", "userpass"),
        ("auth/up/login", "userpass"),
    ] {
        let mount = server.root("GET", &format!("sys/mounts/{path}"), "", 200);
        assert_eq!(mount["data"]["type"], kind, "{path}");
    }
    for path in ["secret", "secret/data/x", "auth/up"] {
        server.root("GET", &format!("sys/mounts/{path}/tune"), "", 200);
    }
    for path in ["mounts/none", "mounts/secre", "mounts/auth/none", "auth/up/login"] {
        server.error("GET", &format!("sys/{path}"), ROOT, "", 400);
    }
    // What is changed has to be named.
    server.error("POST", "sys/mounts/secret/data/tune", ROOT, r#"{"description":"x"}"#, 400);
    let system = server.root("GET", "sys/mounts/sys", "", 200);
    assert_eq!(system["data"]["config"]["passthrough_request_headers"], json!(["Accept"]));
    server.root("POST", "sys/mounts/e", r#"{"type":"kv","external_entropy_access":true}"#, 204);
    let tuned = server.root("GET", "sys/mounts/e/tune", "", 200);
    assert_eq!(tuned["data"]["external_entropy_access"], true);
    let tuned = server.root("GET", "sys/mounts/secret/tune", "", 200);
    assert_eq!(tuned["data"].get("external_entropy_access"), None);
}

#[test]
fn what_is_asked_of_leases_headers_and_rights_is_answered_alike() {
    let server = TestServer::dev();
    for path in ["sys/leases?type=x", "sys/leases/count?type=x"] {
        server.error("GET", path, ROOT, "", 404);
    }
    server.error("GET", "sys/leases?type=irrevocable&limit=x", ROOT, "", 400);
    for limit in ["5", "none"] {
        server.root("GET", &format!("sys/leases?type=irrevocable&limit={limit}"), "", 200);
    }

    // The value of a header has commas of its own.
    let header = "sys/config/ui/headers/X-List";
    server.root("POST", header, r#"{"values":"a, b"}"#, 204);
    assert_eq!(server.root("GET", header, "", 200)["data"], json!({"value": "a, b"}));

    let policy =
        r#"path "a/+/b" { capabilities = ["read"] } path "c/*" { capabilities = ["list"] }"#;
    let body = json!({ "policy": policy }).to_string();
    server.root("POST", "sys/policies/acl/p", &body, 204);
    let token = server.token(r#"{"policies":["p"]}"#);
    let (_, acl) = server.call("GET", "sys/internal/ui/resultant-acl", &token, "");
    let all = acl["data"].to_string();
    assert!(!all.contains('+') && all.contains("\"c/\""), "{all}");

    server.root("POST", "sys/auth/up", r#"{"type":"userpass"}"#, 204);
    server.root("POST", "auth/up/users/u", r#"{"password":"p"}"#, 204);
    let (_, made) = server.call("POST", "auth/up/login/u", "", r#"{"password":"p"}"#);
    let text = |name: &str| made["auth"][name].as_str().unwrap().to_owned();
    let shown = || server.call("GET", "auth/token/lookup-self", &text("client_token"), "").1;
    assert_eq!(shown()["data"].get("external_namespace_policies"), None);
    let path = format!("identity/entity/id/{}", text("entity_id"));
    server.root("POST", &path, r#"{"policies":["i"]}"#, 204);
    let data = shown()["data"].clone();
    assert_eq!(
        (&data["identity_policies"], &data["external_namespace_policies"]),
        (&json!(["i"]), &json!({}))
    );
}

#[test]
fn a_root_token_with_an_end_and_a_role_with_a_type_are_made_alike() {
    let server = TestServer::dev();
    let made = server.root("POST", "auth/token/create", r#"{"explicit_max_ttl":"1h"}"#, 200);
    assert_eq!((&made["auth"]["lease_duration"], &made["warnings"]), (&json!(3600), &Value::Null));
    let longer = r#"{"explicit_max_ttl":"1h","ttl":"2h"}"#;
    let made = server.root("POST", "auth/token/create", longer, 200);
    assert!(made["warnings"][0].as_str().unwrap().starts_with("TTL of \"2h\" exceeded"));
    let error =
        server.error("POST", "auth/token/roles/r", ROOT, r#"{"token_type":"default"}"#, 400);
    assert_eq!(error, "invalid 'token_type' value \"default\"");
}
