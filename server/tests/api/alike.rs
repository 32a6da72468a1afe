//! Answers in the details that clients of other servers were seen to notice.

use serde_json::{Value, json};

use crate::support::{ROOT, TestServer};

#[test]
fn head_tells_whether_there_is_a_path_and_no_more() {
    let server = TestServer::dev();
    let weak = server.token(r#"{"policies":["default"]}"#);
    let head = |path: &str, token: &str| server.raw("HEAD", &format!("/v1/{path}"), token, b"");
    let root = "X-Vault-Token: root\r\n";
    for (path, status) in [
        ("nothing/x", 404),
        ("sys/nothing", 404),
        ("auth/token/nothing", 404),
        ("secret/data/x", 405),
        ("sys/mounts", 405),
        ("auth/token/lookup-self", 405),
        ("sys/health", 200),
        ("sys/seal-status", 405),
    ] {
        let answer = head(path, root);
        assert_eq!((answer.status, answer.body.as_str()), (status, ""), "{path}");
        let open = ["sys/health", "sys/seal-status"].contains(&path);
        let weak = head(path, &format!("X-Vault-Token: {weak}\r\n"));
        assert_eq!(weak.status, if open { status } else { 403 }, "{path}");
        assert_eq!(head(path, "").status, if open { status } else { 403 }, "{path}");
    }
    assert_eq!(head("sys/internal/ui/mounts", "").status, 405);
    for verb in ["LIST", "SCAN", "OPTIONS", "PATCH"] {
        let answer = server.raw(verb, "/v1/sys/health", "", b"");
        assert_eq!((answer.status, answer.body.trim()), (405, "{\"errors\":[]}"), "{verb}");
    }
    assert!(head("sys/health", "").head.contains("strict-transport-security: max-age=31536000"));
}

/// A text was split at its commas once, which made policies out of a name.
#[test]
fn a_token_has_the_policies_that_are_named_and_no_parts_of_names() {
    let server = TestServer::dev();
    for (policies, want) in [
        (json!("a,b"), json!(["a,b", "default"])),
        (json!([" a ", "b,c", ""]), json!(["a", "b,c", "default"])),
        (json!(5), json!(["5", "default"])),
        (json!(""), json!(["root"])),
    ] {
        let body = json!({ "policies": policies }).to_string();
        let made = server.root("POST", "auth/token/create", &body, 200);
        assert_eq!(made["auth"]["policies"], want, "{policies}");
    }
}

#[test]
fn the_configuration_bounds_tokens_that_nothing_else_bounds() {
    let server = TestServer::configured(|config| {
        config.lease_times.default = 3600;
        config.lease_times.max = 7200;
    });
    let make = |body: &str| {
        let mut made = server.root("POST", "auth/token/create", body, 200);
        (made["auth"]["lease_duration"].clone(), made["warnings"].take())
    };
    assert_eq!(make(r#"{"policies":["default"]}"#), (json!(3600), Value::Null));
    let long = |what: &str| {
        json!([format!(
            "{what} of \"9h\" exceeded the effective max_ttl of \"2h\"; {what} value is capped \
             accordingly"
        )])
    };
    assert_eq!(make(r#"{"ttl":"9h"}"#), (json!(7200), long("TTL")));
    assert_eq!(make(r#"{"period":"9h"}"#), (json!(7200), long("period")));
    assert_eq!(
        make(r#"{"explicit_max_ttl":"30m","policies":["a"],"no_default_policy":true}"#).0,
        1800
    );
    let tune = server.root("GET", "sys/mounts/secret/tune", "", 200);
    assert_eq!(tune["data"]["default_lease_ttl"], 3600);
    assert_eq!(tune["data"]["max_lease_ttl"], 7200);
    let state = server.root("GET", "sys/config/state/sanitized", "", 200);
    assert_eq!(state["data"]["max_lease_ttl"], 7200);
    let body = r#"{"type":"kv","config":{"default_lease_ttl":"3h"}}"#;
    let error = server.error("POST", "sys/mounts/kv", ROOT, body, 400);
    assert_eq!(error, "given default lease TTL greater than system max lease TTL of 7200");
    // A mount may be tuned beyond it.
    server.root("POST", "sys/auth/token/tune", r#"{"max_lease_ttl":"5h"}"#, 204);
    assert_eq!(make(r#"{"ttl":"9h"}"#).0, 18_000);
    server.root("POST", "sys/mounts/one", r#"{"type":"kv"}"#, 204);
    server.root("POST", "one/a", r#"{"x":1}"#, 204);
    assert_eq!(server.root("GET", "one/a", "", 200)["lease_duration"], 3600);
}

#[test]
fn a_renewal_that_asks_for_nothing_gives_what_the_last_one_gave() {
    let server = TestServer::dev();
    let token = server.token(r#"{"policies":["default"],"ttl":"1h"}"#);
    let renew = |body: &str| {
        let (status, answer) = server.call("POST", "auth/token/renew-self", &token, body);
        assert_eq!(status, 200, "{answer}");
        answer["auth"]["lease_duration"].clone()
    };
    assert_eq!(renew("{}"), 3600);
    assert_eq!(renew(r#"{"increment":"2h"}"#), 7200);
    assert_eq!(renew("{}"), 7200);
}

#[test]
fn tokens_of_an_entity_that_was_deleted_may_do_nothing_and_of_one_that_was_merged_go_on() {
    let server = TestServer::dev();
    let login = |mount: &str| {
        server.root("POST", &format!("sys/auth/{mount}"), r#"{"type":"userpass"}"#, 204);
        server.root("POST", &format!("auth/{mount}/users/u"), r#"{"password":"p"}"#, 204);
        let path = format!("auth/{mount}/login/u");
        let mut made = server.call("POST", &path, "", r#"{"password":"p"}"#).1;
        let auth = made["auth"].take();
        let text = |name: &str| auth[name].as_str().unwrap().to_owned();
        (text("client_token"), text("entity_id"))
    };
    let [(gone, gone_id), (merged, merged_id), (_, into)] = ["a", "b", "c"].map(login);
    server.root("DELETE", &format!("identity/entity/id/{gone_id}"), "", 204);
    let body = json!({"from_entity_ids": [merged_id], "to_entity_id": into}).to_string();
    server.root("POST", "identity/entity/merge", &body, 204);
    assert_eq!(server.call("GET", "auth/token/lookup-self", &gone, "").0, 403);
    assert_eq!(server.call("GET", "auth/token/lookup-self", &merged, "").0, 200);
}

#[test]
fn a_name_that_nobody_has_is_not_locked() {
    let server = TestServer::dev();
    server.root("POST", "sys/auth/userpass", r#"{"type":"userpass"}"#, 204);
    let login = |name: &str| {
        let path = format!("auth/userpass/login/{name}");
        server.call("POST", &path, "", r#"{"password":"wrong"}"#).0
    };
    assert_eq!([(); 6].map(|()| login("later")), [400; 6]);
    server.root("POST", "auth/userpass/users/later", r#"{"password":"p"}"#, 204);
    assert_eq!([(); 6].map(|()| login("later")), [400, 400, 400, 400, 400, 403]);
}

#[test]
fn single_fields_of_roles_are_shown_by_the_names_that_they_were_given_by() {
    let server = TestServer::dev();
    server.root("POST", "sys/auth/approle", r#"{"type":"approle"}"#, 204);
    let role = "auth/approle/role/r";
    let made = server.root("POST", role, r#"{"token_type":"default-batch"}"#, 200);
    assert_eq!(
        made["warnings"],
        json!(["default-batch has no useful meaning; adjusting to batch"])
    );
    let body = r#"{"token_type":"service","token_policies":["b","a","a"]}"#;
    server.root("POST", role, body, 204);
    assert_eq!(server.root("GET", role, "", 200)["data"]["token_policies"], json!(["b", "a", "a"]));
    let read = |field: &str| server.root("GET", &format!("{role}/{field}"), "", 200);
    assert_eq!(read("policies")["data"], json!({"token_policies": ["b", "a", "a"]}));
    server.root("POST", &format!("{role}/policies"), r#"{"policies":"x"}"#, 204);
    assert_eq!(read("policies")["data"], json!({"token_policies": ["x"], "policies": ["x"]}));
    let cidrs = r#"{"secret_id_bound_cidrs":"127.0.0.1/32"}"#;
    server.root("POST", &format!("{role}/secret-id-bound-cidrs"), cidrs, 204);
    assert_eq!(read("bound-cidr-list")["data"], json!({"bound_cidr_list": ["127.0.0.1/32"]}));
    server.root("DELETE", "auth/approle/role/none/policies", "", 204);

    let secret = server.root("POST", &format!("{role}/secret-id"), "{}", 200)["data"].clone();
    let accessor = json!({"secret_id_accessor": secret["secret_id_accessor"]}).to_string();
    let lookup = format!("{role}/secret-id-accessor/lookup");
    server.root("POST", &lookup, &accessor, 200);
    let id = secret["secret_id"].as_str().unwrap();
    server.root("DELETE", &format!("{role}/secret-id/destroy?secret_id={id}"), "", 204);
    let gone = server.root("POST", &lookup, &accessor, 404);
    assert!(gone["data"]["error"].as_str().unwrap().contains("failed to find accessor entry"));
    assert_eq!(gone.get("errors"), None::<&Value>);
}
