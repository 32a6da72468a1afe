//! `sys/policy`, `sys/policies/acl`, `sys/capabilities`, and what they do to requests.

use serde_json::json;

use crate::support::{ROOT, TestServer};

fn write(server: &TestServer, name: &str, text: &str) {
    let body = json!({ "policy": text }).to_string();
    server.root("PUT", &format!("sys/policies/acl/{name}"), &body, 204);
}

#[test]
fn policies_are_written_read_listed_and_deleted() {
    let server = TestServer::dev();
    let text = r#"path "a/*" { capabilities = ["read"] }"#;
    write(&server, "Foo", text);
    let new = server.root("GET", "sys/policies/acl/foo", "", 200);
    assert_eq!((&new["data"]["name"], &new["data"]["policy"]), (&json!("foo"), &json!(text)));
    assert_eq!(new["data"]["version"], 1);
    let old = server.root("GET", "sys/policy/FOO", "", 200);
    assert_eq!((&old["rules"], &old["data"]["rules"]), (&json!(text), &json!(text)));
    let names = json!(["default", "foo", "root"]);
    assert_eq!(server.root("LIST", "sys/policies/acl", "", 200)["data"]["keys"], names);
    assert_eq!(server.root("GET", "sys/policy", "", 200)["policies"], names);
    let base64 = r#"{"policy":"cGF0aCAiYi8qIiB7IGNhcGFiaWxpdGllcyA9IFsibGlzdCJdIH0="}"#;
    server.root("POST", "sys/policy/coded", base64, 204);
    let read = server.root("GET", "sys/policy/coded", "", 200);
    assert!(read["rules"].as_str().unwrap().starts_with("path"));
    server.root("DELETE", "sys/policy/foo", "", 204);
    server.root("DELETE", "sys/policy/foo", "", 204);
    server.error("GET", "sys/policy/foo", ROOT, "", 404);
    assert_eq!(server.root("GET", "sys/policies/acl/root", "", 200)["data"]["policy"], "");
    for (method, name, body) in [
        ("DELETE", "root", ""),
        ("DELETE", "default", ""),
        ("PUT", "root", r#"{"policy":"path \"a\" { capabilities = [] }"}"#),
        ("PUT", "bad", "{}"),
        ("PUT", "bad", r#"{"policy":"path \"a\" {"}"#),
        ("PUT", "bad", r#"{"policy":"path \"a\" { capabilities = [\"zap\"] }"}"#),
        ("PUT", "bad", r#"{"policy":"path \"a\" { capabilitie = [\"read\"] }"}"#),
        ("PUT", "bad", r#"{"policy":"path \"a/+*\" { capabilities = [\"read\"] }"}"#),
    ] {
        server.error(method, &format!("sys/policy/{name}"), ROOT, body, 400);
    }
    assert_eq!(server.call("GET", "sys/policies/acl", ROOT, "").0, 405);
}

/// A folder has two names, with its slash and without; what a policy says of either goes before patterns.
#[test]
fn a_listing_is_denied_by_the_name_of_the_folder() {
    let server = TestServer::dev();
    server.root("POST", "sys/mounts/m", r#"{"type":"kv"}"#, 204);
    server.root("POST", "m/x/y", r#"{"a":1}"#, 204);
    for (first, second, status) in [
        (("m/*", "list"), ("m/x", "deny"), 403),
        (("m/*", "list"), ("m/x", "read"), 403),
        (("m/x/*", "list"), ("m/x", "deny"), 403),
        (("m/x/", "list"), ("m/x", "deny"), 200),
        (("m/x/", "deny"), ("m/x", "list"), 403),
        (("m/x/*", "deny"), ("m/x", "list"), 200),
        (("m/x/*", "deny"), ("m/+", "list"), 403),
        (("m/*", "list"), ("m/+", "deny"), 200),
        (("m/*", "deny"), ("m/+", "list"), 403),
        (("m/*", "list"), ("m/+/", "deny"), 403),
        (("q", "read"), ("m/+", "list"), 200),
        (("q", "read"), ("m/x", "list"), 200),
    ] {
        let rule =
            |(path, can): (&str, &str)| format!("path {path:?} {{ capabilities = [{can:?}] }}\n");
        write(&server, "p", &(rule(first) + &rule(second)));
        let token = server.token(r#"{"policies":["p"],"no_default_policy":true}"#);
        for (verb, path) in [("LIST", "m/x"), ("LIST", "m/x/"), ("GET", "m/x?list=true")] {
            let found = server.call(verb, path, &token, "").0;
            assert_eq!(found, status, "{first:?} {second:?} {verb} {path}");
        }
        let body = json!({ "token": token, "paths": ["m/x/"] }).to_string();
        let can = server.root("POST", "sys/capabilities", &body, 200);
        let lists = can["capabilities"].as_array().unwrap().contains(&json!("list"));
        assert_eq!((lists, status), (status == 200, status), "{first:?} {second:?}: {can}");
    }
}

/// The parameters of a read are those of its query.
#[test]
fn parameters_of_reads_are_limited_too() {
    let server = TestServer::dev();
    for value in [1, 2] {
        let body = json!({"data": {"a": value}}).to_string();
        server.root("POST", "secret/data/x", &body, 200);
    }
    let queries = ["", "?version=1", "?version=2", "?k=1"];
    for (limit, good) in [
        (r#"required_parameters = ["version"]"#, "?version=1 ?version=2"),
        (r#"allowed_parameters = { "version" = ["1"] }"#, " ?version=1"),
        (r#"denied_parameters = { "version" = ["2"] }"#, " ?version=1 ?k=1"),
        (r#"denied_parameters = { "*" = [] }"#, ""),
    ] {
        let text =
            format!("path \"secret/*\" {{\n capabilities = [\"read\", \"list\"]\n {limit}\n}}");
        write(&server, "p", &text);
        let token = server.token(r#"{"policies":["p"]}"#);
        for query in queries {
            let fits = good.split(' ').any(|one| one == query);
            let status = server.call("GET", &format!("secret/data/x{query}"), &token, "").0;
            assert_eq!(status, if fits { 200 } else { 403 }, "{limit} {query:?}");
        }
        assert_eq!(server.call("LIST", "secret/metadata/", &token, "").0, 200, "{limit}");
    }
}

#[test]
fn requests_are_allowed_as_the_policy_says_and_as_it_is_now() {
    let server = TestServer::dev();
    write(
        &server,
        "app",
        r#"path "secret/data/app/*" { capabilities = ["create", "read"] }
           path "secret/data/app/locked" { capabilities = ["deny"] }
           path "secret/metadata/app/" { capabilities = ["list"] }"#,
    );
    let token = server.token(r#"{"policies":["app"]}"#);
    let body = r#"{"data":{"k":"v"}}"#;
    let status = |method: &str, path: &str, body: &str| server.call(method, path, &token, body).0;
    assert_eq!(status("POST", "secret/data/app/x", body), 200, "create");
    assert_eq!(status("POST", "secret/data/app/x", body), 403, "update");
    assert_eq!(status("GET", "secret/data/app/x", ""), 200);
    assert_eq!(status("DELETE", "secret/data/app/x", ""), 403);
    assert_eq!(status("GET", "secret/data/app/locked", ""), 403);
    assert_eq!(status("GET", "secret/data/other", ""), 403);
    assert_eq!(status("LIST", "secret/metadata/app", ""), 200);
    assert_eq!(status("LIST", "secret/metadata/other", ""), 403);
    assert_eq!(status("GET", "secret/../sys/mounts", ""), 307);
    write(&server, "app", r#"path "secret/data/app/*" { capabilities = ["update"] }"#);
    assert_eq!(status("POST", "secret/data/app/x", body), 200, "the new text counts at once");
    assert_eq!(status("GET", "secret/data/app/x", ""), 403);
    server.root("DELETE", "sys/policy/app", "", 204);
    assert_eq!(status("POST", "secret/data/app/x", body), 403, "a deleted policy grants nothing");
    assert_eq!(status("GET", "auth/token/lookup-self", ""), 200, "default is still there");
}

#[test]
fn sudo_paths_need_sudo() {
    let server = TestServer::dev();
    write(&server, "w", r#"path "sys/*" { capabilities = ["create", "read", "update", "list"] }"#);
    let token = server.token(r#"{"policies":["w"]}"#);
    assert_eq!(server.call("PUT", "sys/seal", &token, "").0, 403);
    assert_eq!(server.call("POST", "sys/rotate", &token, "").0, 403);
    assert_eq!(server.call("GET", "sys/mounts", &token, "").0, 200);
    write(&server, "w", r#"path "sys/rotate" { capabilities = ["update", "sudo"] }"#);
    assert_eq!(server.call("POST", "sys/rotate", &token, "").0, 204);
}

#[test]
fn capabilities_are_told() {
    let server = TestServer::dev();
    write(&server, "c", r#"path "a/*" { capabilities = ["update", "read"] }"#);
    let token = server.token(r#"{"policies":["c"]}"#);
    let ask = json!({ "token": token, "paths": ["a/b", "zz", "cubbyhole/x"] }).to_string();
    let told = server.root("POST", "sys/capabilities", &ask, 200);
    assert_eq!(told["data"]["a/b"], json!(["read", "update"]));
    assert_eq!(told["zz"], json!(["deny"]));
    assert_eq!(told["cubbyhole/x"], json!(["create", "delete", "list", "read", "update"]));
    let own = server.root("POST", "sys/capabilities-self", r#"{"path":"sys/mounts"}"#, 200);
    assert_eq!(own["data"]["sys/mounts"], json!(["root"]));
    assert_eq!(own["data"]["capabilities"], json!(["root"]));
    let (status, own) =
        server.call("POST", "sys/capabilities-self", &token, r#"{"paths":["a/x"]}"#);
    assert_eq!((status, &own["capabilities"]), (200, &json!(["read", "update"])));
    for (path, body) in [
        ("sys/capabilities-self", "{}"),
        ("sys/capabilities", r#"{"paths":["a"]}"#),
        ("sys/capabilities", r#"{"token":"zz","paths":["a"]}"#),
        ("sys/capabilities-accessor", r#"{"accessor":"zz","paths":["a"]}"#),
    ] {
        server.error("POST", path, ROOT, body, 400);
    }
}

#[test]
fn parameters_and_wrapping_are_limited_as_the_policy_says() {
    let server = TestServer::dev();
    server.root("POST", "sys/mounts/kv", r#"{"type":"kv"}"#, 204);
    let write = |name: &str, rules: &str| {
        let body = json!({ "policy": rules }).to_string();
        server.root("PUT", &format!("sys/policies/acl/{name}"), &body, 204);
    };
    write(
        "limited",
        r#"path "kv/a" { capabilities = ["create", "update", "read"]
             allowed_parameters = { "x" = ["1", "a*"], "y" = [] }
             denied_parameters = { "y" = ["no"] } required_parameters = ["x"] }"#,
    );
    write("more", r#"path "kv/a" { capabilities = ["update"] allowed_parameters = { z = [] } }"#);
    write(
        "wrapped",
        r#"path "kv/a" { capabilities = ["read"] min_wrapping_ttl = "10s"
             max_wrapping_ttl = "1m" }"#,
    );
    let token = server.token(r#"{"policies":["limited"]}"#);
    for (body, want) in [
        (r#"{"x":"1"}"#, 204),
        (r#"{"x":"abc","y":{"b":1}}"#, 204),
        (r#"{"x":"1","y":"no"}"#, 403),
        (r#"{"x":"2"}"#, 403),
        (r#"{"y":"1"}"#, 403),
        (r#"{"x":"1","z":"1"}"#, 403),
        (r#"{"x":"#, 403),
        ("", 403),
    ] {
        assert_eq!(server.call("POST", "kv/a", &token, body).0, want, "{body}");
    }
    for (path, want) in [("kv/a", 403), ("kv/a?x=1", 200), ("kv/a?x=2", 403)] {
        assert_eq!(server.call("GET", path, &token, "").0, want, "{path}");
    }
    let token = server.token(r#"{"policies":["limited","more"]}"#);
    assert_eq!(server.call("POST", "kv/a", &token, r#"{"x":"1","z":"1"}"#).0, 204);
    let token = server.token(r#"{"policies":["wrapped"]}"#);
    for (ttl, want) in [("", 403), ("9", 403), ("10", 200), ("1m", 200), ("61s", 403)] {
        let wrap = match ttl {
            "" => String::new(),
            ttl => format!("X-Vault-Wrap-TTL: {ttl}\r\n"),
        };
        let headers = format!("X-Vault-Token: {token}\r\n{wrap}");
        assert_eq!(server.raw("GET", "/v1/kv/a", &headers, b"").status, want, "{ttl}");
    }
}

#[test]
fn rules_and_policies_end_when_they_say_so() {
    let server = TestServer::dev();
    let write = |name: &str, body: &serde_json::Value, status| {
        server.root("POST", &format!("sys/policies/acl/{name}"), &body.to_string(), status)
    };
    let text = r#"path "kv/a" { capabilities = ["read"] expiration = "2020-01-01T00:00:00Z" }
        path "kv/a" { capabilities = ["list"] expiration = "2999-01-01T00:00:00Z" }
        path "kv/b" { capabilities = ["read"] expiration = 4102444800 }
        path "kv/c" { capabilities = ["read"] expiration = "" }"#;
    write("p", &json!({ "policy": text }), 204);
    let all = r#"path "kv/d" { capabilities = ["read"] }"#;
    write("ended", &json!({"policy": all, "expiration": "2020-01-01T00:00:00Z"}), 400);
    let token = server.token(r#"{"policies":["p","ended"]}"#);
    let can = |path: &str| {
        let body = json!({ "path": path }).to_string();
        server.call("POST", "sys/capabilities-self", &token, &body).1["data"][path].clone()
    };
    assert_eq!(can("kv/a"), json!(["list"]));
    assert_eq!((can("kv/b"), can("kv/c")), (json!(["read"]), json!(["read"])));
    assert_eq!(can("kv/d"), json!(["deny"]));
    write("ended", &json!({"policy": all, "ttl": "1h"}), 204);
    assert_eq!(can("kv/d"), json!(["read"]));
    let shown = server.root("GET", "sys/policies/acl/ended", "", 200)["data"].clone();
    assert!(shown["expiration"].is_string() && shown["version"] == 1, "{shown}");
    for (text, part) in [
        (r#"path "a" { capabilities = ["read"] expiration = "soon" }"#, "expiration"),
        (r#"path "a" { list_scan_response_keys_filter_path = "x" }"#, "list_scan"),
    ] {
        let body = json!({ "policy": text }).to_string();
        let error = server.error("POST", "sys/policies/acl/q", ROOT, &body, 400);
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_policy_is_replaced_only_by_whoever_knows_its_version() {
    let server = TestServer::dev();
    let text = r#"path "a" { capabilities = ["read"] }"#;
    let write = |more: serde_json::Value, status| {
        let mut body = json!({ "policy": text });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        server.call("POST", "sys/policies/acl/p", ROOT, &body.to_string()).0 == status
    };
    assert!(write(json!({"cas": 1}), 400) && write(json!({"cas": 0}), 204));
    assert!(write(json!({"cas": 0}), 400) && write(json!({"cas": 1}), 204));
    assert!(write(json!({}), 204) && write(json!({"cas_required": true}), 400));
    assert!(write(json!({"cas": 3, "cas_required": true}), 204));
    assert!(write(json!({}), 400) && write(json!({"cas": -1}), 400));
    let shown = server.root("GET", "sys/policies/acl/p", "", 200)["data"].clone();
    assert_eq!((&shown["version"], &shown["cas_required"]), (&json!(4), &json!(true)));
    assert!(write(json!({"cas": 4}), 204) && write(json!({}), 204));
}

#[test]
fn policies_are_listed_by_folder_and_rules_are_an_old_name() {
    let server = TestServer::dev();
    let body = r#"{"policy":"path \"x\" {}"}"#;
    for name in ["team/a", "team/b", "other"] {
        server.root("PUT", &format!("sys/policies/acl/{name}"), body, 204);
    }
    let listed = server.root("LIST", "sys/policies/acl/team", "", 200);
    assert_eq!(listed["data"]["keys"], json!(["team/a", "team/b"]));
    assert_eq!(server.call("LIST", "sys/policies/acl/none", ROOT, "").0, 404);
    let old = r#"{"rules":"path \"x\" {}"}"#;
    server.error("PUT", "sys/policies/acl/old", ROOT, old, 400);
    let answer = server.root("PUT", "sys/policy/old", old, 200);
    assert!(answer["warnings"][0].as_str().unwrap().contains("deprecated"));
}

#[test]
fn lists_are_as_long_as_a_policy_lets_them_be() {
    let server = TestServer::dev();
    let two = r#"path "secret/metadata/*" { capabilities = ["list"]
        pagination_limit = 2 }
        path "sys/policies/acl" { capabilities = ["list"]
        pagination_limit = 1 }"#;
    write(&server, "two", two);
    for name in ["a", "b", "c"] {
        server.root("POST", &format!("secret/data/x/{name}"), r#"{"data":{"k":1}}"#, 200);
    }
    let token = server.token(r#"{"policies":["two"]}"#);
    let list = |query: &str| {
        let (status, answer) =
            server.call("LIST", &format!("secret/metadata/x{query}"), &token, "");
        (status, answer["data"]["keys"].clone())
    };
    assert_eq!(list(""), (200, json!(["a", "b"])));
    assert_eq!(list("?limit=1"), (200, json!(["a"])));
    assert_eq!(list("?after=b&limit=2"), (200, json!(["c"])));
    for refused in ["?limit=3", "?limit=-1", "?limit=x"] {
        assert_eq!(list(refused).0, 403, "{refused}");
    }
    let names = server.call("LIST", "sys/policies/acl", &token, "").1;
    assert_eq!(names["data"]["keys"].as_array().unwrap().len(), 1);
}
