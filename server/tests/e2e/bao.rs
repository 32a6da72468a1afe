//! The `bao` client, unchanged, doing an operator's work.

use std::process::Command;

use serde_json::json;

use crate::support::{ROOT, Server, client, eventually};

#[test]
fn init_unseal_seal_with_five_shares() {
    let mut server = Server::configured();
    server.bao("", &["status"]).fails(2, "false");
    let init = server.bao("", &["operator", "init", "-format=json"]).ok().json();
    let keys: Vec<&str> =
        init["unseal_keys_b64"].as_array().unwrap().iter().map(|k| k.as_str().unwrap()).collect();
    let root = init["root_token"].as_str().unwrap();
    assert_eq!(keys.len(), 5);
    server.bao("", &["operator", "init"]).fails(2, "already initialized");

    server.bao("", &["operator", "unseal", keys[4]]).ok();
    server.bao("", &["status"]).fails(2, "1/3");
    server.bao("", &["operator", "unseal", "-reset"]).ok();
    server.bao("", &["status"]).fails(2, "0/3");
    // The hex form of a share unseals as well.
    for key in [keys[0], keys[1], init["unseal_keys_hex"][2].as_str().unwrap()] {
        server.bao("", &["operator", "unseal", key]).ok();
    }
    let status = server.bao("", &["status", "-format=json"]).ok().json();
    assert_eq!(
        (&status["sealed"], &status["t"], &status["n"]),
        (&json!(false), &json!(3), &json!(5))
    );

    server.bao(root, &["secrets", "enable", "-path=kv", "kv-v2"]).ok();
    server.bao(root, &["kv", "put", "kv/a", "x=1"]).ok();
    server.bao(root, &["operator", "seal"]).ok();
    server.wait_for(503);
    server.bao(root, &["kv", "get", "kv/a"]).fails(2, "503");
    for key in &keys[2..] {
        server.bao("", &["operator", "unseal", key]).ok();
    }
    assert_eq!(server.bao(root, &["kv", "get", "-field=x", "kv/a"]).ok().out, "1");
}

#[test]
fn a_wrapped_answer_is_fetched_once() {
    let server = Server::dev();
    server.bao(ROOT, &["kv", "put", "secret/a", "x=1"]).ok();
    let wrapped =
        server.bao(ROOT, &["kv", "get", "-wrap-ttl=60s", "-format=json", "secret/a"]).ok();
    let token = wrapped.json()["wrap_info"]["token"].as_str().unwrap().to_owned();
    let answer = server.bao("", &["unwrap", "-format=json", &token]).ok().json();
    assert_eq!(answer["data"]["data"]["x"], "1");
    server.bao("", &["unwrap", &token]).fails(2, "wrapping token");
}

#[test]
fn login_lists_and_listed_secrets() {
    let server = Server::dev();
    let out = server.bao("", &["login", "-no-store", "-format=json", ROOT]).ok().json();
    assert_eq!(out["auth"]["client_token"], ROOT);
    server.bao("", &["login", "-no-store", "hvs.wrong"]).fails(2, "403");
    let out = server.bao(ROOT, &["secrets", "list", "-format=json"]).ok().json();
    for mount in ["secret/", "sys/", "cubbyhole/", "identity/"] {
        assert!(out[mount]["accessor"].is_string(), "{mount} in {out}");
    }
    let out = server.bao(ROOT, &["auth", "list", "-format=json"]).ok().json();
    assert_eq!(out["token/"]["type"], "token");
}

#[test]
fn audit_root_token_and_new_key_shares() {
    let server = Server::dev();
    let file = server.folder().join("audit.log").display().to_string();
    let option = format!("file_path={file}");
    server.bao(ROOT, &["audit", "enable", "file", &option, "durable=true"]).ok();
    let out = server.bao(ROOT, &["audit", "list", "-detailed", "-format=json"]).ok().json();
    assert_eq!(out["file/"]["options"]["file_path"], file);
    server.bao(ROOT, &["kv", "put", "secret/a", "x=c4n4ry"]).ok();
    server.bao(ROOT, &["audit", "disable", "file"]).ok();
    let log = std::fs::read_to_string(&file).unwrap();
    assert!(log.contains("secret/data/a") && !log.contains("c4n4ry"));

    let begun =
        server.bao(ROOT, &["operator", "generate-root", "-init", "-format=json"]).ok().json();
    assert_eq!(begun["started"], true);
    server.bao(ROOT, &["operator", "generate-root", "-cancel"]).ok();
    let plan = ["operator", "rekey", "-init", "-key-shares=3", "-key-threshold=2", "-format=json"];
    assert_eq!(server.bao(ROOT, &plan).ok().json()["n"], 3);
    server.bao(ROOT, &["operator", "rekey", "-cancel"]).ok();
    server.bao(ROOT, &["operator", "rotate"]).ok();
    server.bao(ROOT, &["secrets", "move", "secret/", "team/"]).ok();
    assert_eq!(server.bao(ROOT, &["kv", "get", "-field=x", "team/a"]).ok().out, "c4n4ry");
    let help = server.bao(ROOT, &["path-help", "team/data/a"]).ok().out;
    assert!(help.contains("data/{path}"), "{help}");
}

#[test]
fn the_log_is_followed_until_the_server_stops() {
    let mut server = Server::configured();
    let (keys, root) = server.init(1, 1);
    server.unseal(&keys);
    server.bao(&root, &["monitor", "-log-level=loud"]).fails(1, "loud");
    let path = server.folder().join("followed");
    let mut monitor = Command::new(client("bao"))
        .args(["monitor", "-log-level=debug"])
        .env("HOME", "/nonexistent")
        .env("BAO_ADDR", server.url())
        .env("BAO_TOKEN", &root)
        .stdout(std::fs::File::create(&path).unwrap())
        .spawn()
        .unwrap();
    let followed = || std::fs::read_to_string(&path).unwrap();
    eventually("a line of the log", || {
        server.signal("HUP");
        followed()
            .contains("[WARN]  strongroom_server::cli::server: the log level is")
            .then_some(())
    });
    assert!(server.terminate().success());
    monitor.wait().unwrap();
    // While nobody followed, the server's own log once was empty.
    assert!(server.log().contains("the API listens on"), "{}", server.log());
    assert!(followed().contains("stopping: no new requests"), "{}", followed());
}
