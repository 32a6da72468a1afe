//! What routes take: forms of fields, what is ignored, and what clients are told of it.

use serde_json::{Value, json};

use crate::support::{ROOT, TestServer};

#[test]
fn what_means_nothing_is_told_where_there_is_an_answer() {
    let server = TestServer::dev();
    server.root("POST", "sys/mounts/transit", r#"{"type":"transit"}"#, 204);
    server.root("POST", "transit/keys/k", "", 200);
    let ignored =
        |names: &str| json!([format!("Endpoint ignored these unrecognized parameters: [{names}]")]);
    for (verb, path, body, names) in [
        (
            "POST",
            "transit/encrypt/k",
            r#"{"plaintext":"YQ==","zz":1,"aa":{"plaintext":2}}"#,
            "aa zz",
        ),
        ("POST", "secret/data/a", r#"{"data":{"x":1},"zz":1}"#, "zz"),
        ("POST", "auth/token/create", r#"{"zz":null}"#, "zz"),
        ("GET", "auth/token/lookup-self?zz=1&list=false", "", "zz"),
        ("LIST", "secret/metadata/?zz=1&limit=5", "", "zz"),
    ] {
        let answer = server.root(verb, path, body, 200);
        assert_eq!(answer["warnings"], ignored(names), "{verb} {path}: {answer}");
    }
    let answer =
        server.root("POST", "transit/encrypt/k", r#"{"plaintext":"YQ==","name":"x"}"#, 200);
    let replaced = answer["warnings"][0].as_str().unwrap();
    assert!(replaced.starts_with("Endpoint replaced") && replaced.ends_with(": [name]"));
    // Where nothing is answered, nothing is told.
    let quiet = server.root("POST", "secret/config", r#"{"zz":1}"#, 204);
    assert_eq!(quiet, Value::Null);
    // These take anything.
    server.root("POST", "cubbyhole/x", r#"{"zz":1}"#, 204);
    assert_eq!(server.root("GET", "cubbyhole/x?zz=1", "", 200)["warnings"], Value::Null);
}

#[test]
fn wrong_types_are_refused_by_the_name_of_the_field() {
    let server = TestServer::dev();
    for (path, body, field) in [
        ("secret/data/a", r#"{"data":"s3cret"}"#, "data"),
        ("secret/config", r#"{"max_versions":"s3cret"}"#, "max_versions"),
        ("auth/token/roles/r", r#"{"orphan":"s3cret"}"#, "orphan"),
        ("auth/token/create", r#"{"num_uses":"s3cret"}"#, "num_uses"),
        ("sys/tools/random", r#"{"bytes":{"s3cret":1}}"#, "bytes"),
        ("sys/quotas/rate-limit/q", r#"{"rate":"s3cret"}"#, "rate"),
    ] {
        let error = server.error("POST", path, ROOT, body, 400);
        let wanted = format!("error converting input for field {field:?}");
        assert!(error.contains(&wanted) && !error.contains("s3cret"), "{path}: {error}");
    }
    // Who may not call learns nothing of fields.
    assert_eq!(server.call("POST", "secret/data/a", "", r#"{"data":"x"}"#).0, 403);
}

#[test]
fn forms_are_read_as_objects_of_text() {
    let server = TestServer::dev();
    let form = "X-Vault-Token: root\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let answer = server.raw("POST", "/v1/cubbyhole/f", form, b"a=1&b=x+y&b=%2B");
    assert_eq!(answer.status, 204, "{}", answer.body);
    let kept = server.root("GET", "cubbyhole/f", "", 200);
    assert_eq!(kept["data"], json!({"a": "1", "b": "x y,+"}));
    // What `curl -d` sends is JSON whatever it says.
    let answer = server.raw("POST", "/v1/cubbyhole/f", form, br#" {"a":{"b":1}}"#);
    assert_eq!(answer.status, 204, "{}", answer.body);
    assert_eq!(server.root("GET", "cubbyhole/f", "", 200)["data"], json!({"a": {"b": 1}}));
}

/// PHP and Lua have one kind of empty value for lists and objects.
#[test]
fn an_empty_list_is_an_empty_object() {
    let server = TestServer::dev();
    server.root("POST", "secret/data/a", r#"{"data":[],"options":[ ]}"#, 200);
    assert_eq!(server.root("GET", "secret/data/a", "", 200)["data"]["data"], json!({}));
    server.root("POST", "secret/metadata/a", r#"{"custom_metadata":[]}"#, 204);
    server.root("POST", "sys/mounts/kv", r#"{"type":"kv","config":[],"options":[]}"#, 204);
    server.root("POST", "auth/token/create", r#"{"meta":[],"policies":[]}"#, 200);
    // Lua has the same for the other of the two.
    server.root("POST", "auth/token/roles/r", r#"{"allowed_policies":{},"orphan":true}"#, 204);
    let error = server.error("POST", "secret/data/a", ROOT, r#"{"data":[1]}"#, 400);
    assert!(error.contains("field \"data\""), "{error}");
}

/// Names end in no full stop; paths of secrets and of policies may.
#[test]
fn a_path_may_end_in_a_full_stop() {
    let server = TestServer::dev();
    server.root("POST", "secret/data/a.", r#"{"data":{"x":1}}"#, 200);
    assert_eq!(server.root("LIST", "secret/metadata/", "", 200)["data"]["keys"], json!(["a."]));
    server.root("POST", "sys/mounts/transit", r#"{"type":"transit"}"#, 204);
    let unsupported = "1 error occurred:\n\t* unsupported path\n\n";
    for path in ["transit/keys/a.", "auth/token/roles/a.", "sys/quotas/rate-limit/a."] {
        assert_eq!(server.error("POST", path, ROOT, "{}", 404), unsupported, "{path}");
    }
    let error = server.error("GET", "nothing/a.", ROOT, "", 404);
    assert_eq!(error, "no handler for route \"nothing/a.\". route entry not found.");
}

#[test]
fn a_listing_is_asked_for_by_a_flag_in_any_form() {
    let server = TestServer::dev();
    for flag in ["true", "1", "t", "TRUE"] {
        server.root("GET", &format!("sys/policies/acl?list={flag}"), "", 200);
    }
    for flag in ["yes", "2"] {
        let answer = server.root("GET", &format!("sys/policies/acl?list={flag}"), "", 400);
        assert_eq!(answer, json!({"errors": []}));
    }
    for path in ["secret/data/x/", "sys/policies/acl/", "nowhere/"] {
        let error = server.error("POST", path, ROOT, r#"{"data":{}}"#, 400);
        assert_eq!(error, "cannot write to a path ending in '/'", "{path}");
    }
}

#[test]
fn documents_say_what_routes_take() {
    let server = TestServer::dev();
    let document = server.root("GET", "sys/internal/specs/openapi", "", 200);
    let config = &document["paths"]["/secret/config"]["post"]["requestBody"]["content"];
    let fields = &config["application/json"]["schema"]["properties"];
    assert_eq!(fields["max_versions"]["type"], "integer");
    assert_eq!(fields["cas_required"]["type"], "boolean");
    let read = &document["paths"]["/secret/data/{path}"]["get"];
    assert_eq!(read["parameters"][0]["name"], "version");
    assert!(read["responses"]["403"].is_object());
    let help = server.root("GET", "secret/config?help=1", "", 200);
    assert!(help["help"].as_str().unwrap().contains("max_versions"));
}
