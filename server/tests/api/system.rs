//! The smaller parts of `sys/`.

use serde_json::json;

use crate::support::{ROOT, TestServer};

#[test]
fn tools_are_those_of_transit() {
    let server = TestServer::dev();
    let sum = |path: &str, body: &str| {
        server.root("POST", &format!("sys/tools/{path}"), body, 200)["data"].clone()
    };
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(sum("hash", r#"{"input":"YWJj"}"#)["sum"], abc);
    assert_eq!(
        sum("hash/sha2-512", r#"{"input":"YWJj","format":"base64"}"#)["sum"],
        "3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw=="
    );
    let hex = sum("random/8", r#"{"format":"hex"}"#)["random_bytes"].clone();
    assert_eq!(hex.as_str().unwrap().len(), 16);
    assert_eq!(sum("random", "")["random_bytes"].as_str().unwrap().len(), 44);
    sum("random/all/8", "");
    for (path, body) in [
        ("random/0", "{}"),
        ("random/abc", "{}"),
        ("random", r#"{"format":"zz"}"#),
        ("random", r#"{"bytes":[]}"#),
        ("hash/zz", r#"{"input":"YWJj"}"#),
        ("hash", r#"{"input":"zz!"}"#),
        ("hash", "{}"),
    ] {
        server.error("POST", &format!("sys/tools/{path}"), ROOT, body, 400);
    }
}

#[test]
fn a_mount_moves_with_its_data() {
    let server = TestServer::dev();
    server.root("POST", "secret/data/app", r#"{"data":{"k":"v"}}"#, 200);
    let moved = server.root("POST", "sys/remount", r#"{"from":"secret","to":"team/kv/"}"#, 200);
    assert_eq!(server.root("GET", "team/kv/data/app", "", 200)["data"]["data"]["k"], "v");
    server.error("GET", "secret/data/app", ROOT, "", 404);
    let id = moved["data"]["migration_id"].as_str().unwrap();
    let status = server.root("GET", &format!("sys/remount/status/{id}"), "", 200);
    let info = json!({
        "source_mount": "secret/", "target_mount": "team/kv/", "status": "success",
    });
    assert_eq!(status["data"]["migration_info"], info);
    server.error("GET", "sys/remount/status/abc", ROOT, "", 404);
    server.root("POST", "sys/mounts/other", r#"{"type":"kv"}"#, 204);
    for (body, want) in [
        (r#"{"from":"nono","to":"sec3"}"#, "no matching mount"),
        (r#"{"from":"sys","to":"sec3"}"#, "cannot remount"),
        (r#"{"from":"team/kv","to":"sys/a"}"#, "cannot remount to destination"),
        (r#"{"from":"team/kv","to":"auth/x"}"#, "cannot remount to destination"),
        (r#"{"from":"team/kv","to":"cubbyhole"}"#, "cannot remount to destination"),
        (r#"{"from":"team/kv","to":"other/x"}"#, "already in use"),
        (r#"{"from":"team/kv","to":"a/../b"}"#, "cannot remount to destination"),
        (r#"{"from":"auth/token","to":"auth/x"}"#, "cannot remount"),
        (r#"{"from":"team/kv"}"#, "both 'from' and 'to'"),
    ] {
        let error = server.error("POST", "sys/remount", ROOT, body, 400);
        assert!(error.contains(want), "{body}: {error}");
    }
}

#[test]
fn rate_limits_hold_where_they_are_set() {
    let server = TestServer::dev();
    let rule = "sys/quotas/rate-limit/few";
    server.error("LIST", "sys/quotas/rate-limit", ROOT, "", 404);
    server.root("POST", rule, r#"{"rate":2,"path":"secret/","interval":"1h"}"#, 204);
    let want = json!({
        "type": "rate-limit", "name": "few", "path": "secret/", "role": "", "rate": 2,
        "interval": 3600, "block_interval": 0, "inheritable": false,
    });
    assert_eq!(server.root("GET", rule, "", 200)["data"], want);
    assert_eq!(
        server.root("LIST", "sys/quotas/rate-limit", "", 200)["data"]["keys"],
        json!(["few"])
    );
    for want in [404, 404, 429, 429] {
        assert_eq!(server.call("GET", "secret/data/x", ROOT, "").0, want);
    }
    let error = server.error("GET", "secret/data/x", ROOT, "", 429);
    assert!(error.contains("rate limit quota exceeded"));
    server.root("GET", "sys/mounts", "", 200);
    let config = r#"{"rate_limit_exempt_paths":["secret/data/x"]}"#;
    server.root("POST", "sys/quotas/config", config, 204);
    let shown = &server.root("GET", "sys/quotas/config", "", 200)["data"];
    assert_eq!(shown["rate_limit_exempt_paths"], json!(["secret/data/x"]));
    server.error("GET", "secret/data/x", ROOT, "", 404);
    for body in [
        r#"{"rate":0}"#,
        r#"{"rate":"NaN"}"#,
        "{}",
        r#"{"rate":5,"path":"nomount/"}"#,
        r#"{"rate":5,"path":"secret/"}"#,
        r#"{"rate":5,"role":"r"}"#,
        r#"{"rate":5,"interval":"zz"}"#,
    ] {
        server.error("POST", "sys/quotas/rate-limit/other", ROOT, body, 400);
    }
    server.root("DELETE", rule, "", 204);
    server.error("GET", rule, ROOT, "", 404);
    server.error("GET", "secret/data/y", ROOT, "", 404);
}

#[test]
fn browsers_may_call_from_the_origins_that_are_allowed() {
    let server = TestServer::dev();
    assert_eq!(server.root("GET", "sys/config/cors", "", 200)["data"], json!({ "enabled": false }));
    let from = |origin: &str, method: &str| {
        let headers = format!("X-Vault-Token: root\r\nOrigin: {origin}\r\n");
        server.raw(method, "/v1/sys/mounts", &headers, b"")
    };
    assert_eq!(from("https://a.example", "GET").status, 200);
    server.error("POST", "sys/config/cors", ROOT, "{}", 400);
    server.error("POST", "sys/config/cors", ROOT, r#"{"allowed_origins":["*","a"]}"#, 400);
    let body = r#"{"allowed_origins":["https://a.example"],"allowed_headers":"X-Own"}"#;
    server.root("POST", "sys/config/cors", body, 204);
    let answer = from("https://a.example", "GET");
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("access-control-allow-origin: https://a.example"));
    let asked = from("https://a.example", "OPTIONS");
    assert_eq!(asked.status, 204);
    assert!(asked.head.contains("access-control-allow-headers: content-type,"));
    assert!(asked.head.contains(",x-own") && asked.head.contains("access-control-allow-methods"));
    assert_eq!(from("https://b.example", "GET").status, 403);
    server.root("DELETE", "sys/config/cors", "", 204);
    assert!(!from("https://a.example", "GET").head.contains("access-control"));
}

#[test]
fn headers_of_a_user_interface_are_kept() {
    let server = TestServer::dev();
    let base = "sys/config/ui/headers";
    server.error("LIST", base, ROOT, "", 404);
    server.root("POST", &format!("{base}/X-Foo"), r#"{"values":["a","b"]}"#, 204);
    let get = |path: &str| server.root("GET", &format!("{base}/{path}"), "", 200)["data"].clone();
    assert_eq!(get("X-Foo"), json!({ "value": "a" }));
    assert_eq!(get("x-foo?multivalue=true"), json!({ "values": ["a", "b"] }));
    assert_eq!(server.root("LIST", base, "", 200)["data"]["keys"], json!(["X-Foo"]));
    server.error("POST", &format!("{base}/X-Vault-Foo"), ROOT, r#"{"values":["a"]}"#, 400);
    server.error("POST", &format!("{base}/X-Foo"), ROOT, r#"{"values":["a\nb"]}"#, 400);
    server.root("DELETE", &format!("{base}/X-Foo"), "", 204);
    server.error("GET", &format!("{base}/X-Foo"), ROOT, "", 404);
}

#[test]
fn when_the_barrier_key_is_rotated_can_be_said() {
    let server = TestServer::dev();
    let shown = |path: &str| server.root("GET", path, "", 200)["data"].clone();
    let want = json!({ "enabled": true, "interval": 0, "max_operations": 3_865_470_566_u64 });
    assert_eq!(shown("sys/rotate/config"), want);
    for body in [
        r#"{"interval":"1h"}"#,
        r#"{"max_operations":5}"#,
        r#"{"max_operations":3865470567}"#,
        r#"{"enabled":"zz"}"#,
    ] {
        server.error("POST", "sys/rotate/config", ROOT, body, 400);
    }
    let body = r#"{"interval":"48h","max_operations":2000000,"enabled":false}"#;
    server.root("POST", "sys/rotate/keyring/config", body, 204);
    let want = json!({ "enabled": false, "interval": "48h0m0s", "max_operations": 2_000_000 });
    assert_eq!(shown("sys/rotate/config"), want);
}

#[test]
fn figures_come_in_two_forms_under_known_names() {
    let server = TestServer::dev();
    server.root("GET", "sys/mounts", "", 200);
    let json = server.root("GET", "sys/metrics", "", 200);
    let names = |kind: &str| -> Vec<String> {
        let list = json[kind].as_array().unwrap();
        list.iter().map(|f| f["Name"].as_str().unwrap().to_owned()).collect()
    };
    for name in ["vault.core.unsealed", "vault.replication.wal.last_wal"] {
        assert!(names("Gauges").iter().any(|n| n == name), "{name}");
    }
    assert!(names("Counters").iter().any(|n| n == "vault.wal.persistWALs"));
    assert!(names("Samples").iter().any(|n| n == "vault.core.handle_request"));
    let token = "X-Vault-Token: root\r\n";
    let text = server.raw("GET", "/v1/sys/metrics?format=prometheus", token, b"");
    assert!(text.head.contains("content-type: text/plain"));
    for line in ["# TYPE vault_core_unsealed gauge", "vault_core_handle_request_count "] {
        assert!(text.body.contains(line), "{line}: {}", text.body);
    }
    server.error("GET", "sys/metrics?format=zz", ROOT, "", 400);
    server.error("GET", "sys/metrics", "", "", 403);
    let flying = server.root("GET", "sys/in-flight-req", "", 200);
    let only = flying.as_object().unwrap().values().next().unwrap();
    assert_eq!(only["request_path"], "/v1/sys/in-flight-req");
}

/// What the store does behind the requests could not be seen: `sys/metrics` knew none of it.
#[test]
fn figures_of_the_store_move_with_what_it_does() {
    let server = TestServer::dev();
    let shown = |server: &TestServer| {
        let all = server.root("GET", "sys/metrics", "", 200);
        move |name: &str| {
            let mut list = ["Gauges", "Counters"].iter().flat_map(|k| all[k].as_array().unwrap());
            let figure = list.find(|f| f["Name"] == name).unwrap_or_else(|| panic!("no {name}"));
            figure.get("Value").or(figure.get("Count")).unwrap().as_f64().unwrap()
        }
    };
    let before = shown(&server);
    for i in 0..20 {
        server.root("POST", &format!("secret/data/{i}"), r#"{"data":{"k":"v"}}"#, 200);
    }
    let after = shown(&server);
    for name in ["strongroom.store.keys", "strongroom.store.commits", "strongroom.wal.bytes"] {
        assert!(after(name) >= before(name) + 20.0, "{name}");
    }
    assert!(after("strongroom.wal.segments") >= 1.0 && after("strongroom.store.healthy") >= 1.0);
    let distance = after("strongroom.store.checkpoint_distance");
    let checkpoint = after("strongroom.store.checkpoint_lsn");
    assert!((checkpoint + distance - after("vault.replication.wal.last_wal")).abs() < 0.5);

    // A clean stop ends with a checkpoint, and this is what the next start has to do.
    let server = server.restart();
    let restarted = shown(&server);
    assert!(restarted("strongroom.recovery.pages") > 0.0);
    assert!(restarted("strongroom.store.checkpoint_lsn") > checkpoint);
    assert!(restarted("strongroom.recovery.undone") < 0.5);
}

/// Whoever is called at night looks a figure up.
#[test]
fn each_figure_of_ours_stands_in_the_documentation_and_each_there_is_shown() {
    let server = TestServer::dev();
    let all = server.root("GET", "sys/metrics", "", 200);
    let list = ["Gauges", "Counters"].iter().flat_map(|k| all[k].as_array().unwrap());
    let shown: Vec<&str> = list.map(|f| f["Name"].as_str().unwrap()).collect();
    let text = include_str!("../../../docs/operations.md");
    let row = |line: &'static str| line.strip_prefix("| `")?.split_once('`');
    let table = text.split("## Figures").nth(1).unwrap().split("\n## ").next().unwrap();
    let told: Vec<&str> = table.lines().filter_map(|l| Some(row(l)?.0)).collect();
    for name in shown.iter().filter(|n| n.starts_with("strongroom.")) {
        assert!(told.contains(name), "{name} is not told of");
    }
    // No audit device is there that could have figures.
    for name in told.iter().filter(|n| !n.starts_with("strongroom.audit.")) {
        assert!(shown.contains(name), "there is no {name}");
    }
}

#[test]
fn levels_of_the_log_are_shown_and_set() {
    let server = TestServer::dev();
    let shown = || server.root("GET", "sys/loggers", "", 200)["data"].clone();
    assert_eq!(shown()["audit"], "info");
    server.root("POST", "sys/loggers/audit", r#"{"level":"debug"}"#, 204);
    assert_eq!(server.root("GET", "sys/loggers/audit", "", 200)["data"]["audit"], "debug");
    server.root("POST", "sys/loggers", r#"{"level":"warning"}"#, 204);
    assert_eq!(shown()["audit"], "warn");
    server.error("POST", "sys/loggers", ROOT, r#"{"level":"zz"}"#, 400);
    server.error("POST", "sys/loggers", ROOT, "{}", 400);
    server.error("POST", "sys/loggers/nope", ROOT, r#"{"level":"info"}"#, 400);
    server.root("DELETE", "sys/loggers/audit", "", 204);
    server.root("DELETE", "sys/loggers", "", 204);
    assert_eq!(shown()["audit"], "info");
}
