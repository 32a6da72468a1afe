//! Our own command line, as a user types it.

use std::fs;

use crate::support::{ROOT, Server, strongroom};

#[test]
fn a_secret_from_put_to_destroy() {
    let server = Server::dev();
    let cli = |arguments: &[&str]| server.strongroom(ROOT, arguments);
    let put = cli(&["kv", "put", "secret/app", "user=me", "password=p=q"]).ok();
    assert!(put.out.contains("secret/data/app") && put.out.contains("version            1"));
    let get = cli(&["kv", "get", "secret/app"]).ok();
    assert!(get.out.contains("password    p=q"), "{get:#?}");
    assert_eq!(cli(&["kv", "get", "-field=user", "secret/app"]).ok().out, "me");
    assert_eq!(
        cli(&["kv", "get", "-format=json", "secret/app"]).ok().json()["data"]["data"]["user"],
        "me"
    );
    assert_eq!(cli(&["kv", "get", "-mount=secret", "-field", "user", "app"]).ok().out, "me");
    cli(&["kv", "put", "-cas=0", "secret/app", "x=1"]).fails(2, "check-and-set");
    cli(&["kv", "patch", "secret/app", "user=you"]).ok();
    assert_eq!(cli(&["kv", "get", "-field=password", "secret/app"]).ok().out, "p=q");
    assert_eq!(cli(&["kv", "list", "secret"]).ok().out, "Keys\n----\napp\n");
    cli(&["kv", "delete", "secret/app"]).ok();
    cli(&["kv", "undelete", "-versions=2", "secret/app"]).ok();
    cli(&["kv", "rollback", "-version=1", "secret/app"]).ok();
    assert_eq!(cli(&["kv", "get", "-field=user", "secret/app"]).ok().out, "me");
    cli(&["kv", "destroy", "-versions=1,2", "secret/app"]).ok();
    let metadata = cli(&["kv", "metadata", "get", "secret/app"]).ok();
    assert!(metadata.out.contains("Version 3"), "{metadata:#?}");
    cli(&["kv", "metadata", "delete", "secret/app"]).ok();
    cli(&["kv", "get", "secret/app"]).fails(2, "No value found");
}

#[test]
fn version_1_is_told_from_version_2() {
    let server = Server::dev();
    let cli = |arguments: &[&str]| server.strongroom(ROOT, arguments);
    cli(&["secrets", "enable", "-path=one", "-version=1", "kv"]).ok();
    cli(&["kv", "put", "one/a", "x=1"]).ok();
    assert_eq!(cli(&["kv", "get", "-field=x", "one/a"]).ok().out, "1");
    cli(&["kv", "undelete", "-versions=1", "one/a"]).fails(1, "version 2");
    cli(&["kv", "delete", "one/a"]).ok();
    cli(&["kv", "get", "one/a"]).fails(2, "No value found");
    cli(&["secrets", "disable", "one"]).ok();
}

#[test]
fn any_path_can_be_read_and_written() {
    let server = Server::dev();
    let cli = |arguments: &[&str]| server.strongroom(ROOT, arguments);
    cli(&["secrets", "enable", "transit"]).ok();
    cli(&["write", "transit/keys/k"]).fails(1, "-force");
    cli(&["write", "-f", "transit/keys/k"]).ok();
    let ciphertext =
        cli(&["write", "-field=ciphertext", "transit/encrypt/k", "plaintext=aGVsbG8="]).ok().out;
    let argument = format!("ciphertext={ciphertext}");
    let plain = cli(&["write", "-field=plaintext", "transit/decrypt/k", &argument]).ok().out;
    assert_eq!(plain, "aGVsbG8=");
    assert_eq!(
        cli(&["list", "-format=json", "transit/keys"]).ok().json(),
        serde_json::json!(["k"])
    );
    let file = server.folder().join("body.json");
    fs::write(&file, r#"{"data": {"n": {"deep": [1]}}}"#).unwrap();
    cli(&["write", "secret/data/json", &format!("@{}", file.display())]).ok();
    assert_eq!(
        cli(&["read", "-format=json", "secret/data/json"]).ok().json()["data"]["data"]["n"]["deep"]
            [0],
        1
    );
    cli(&["delete", "secret/data/json"]).ok();
    cli(&["read", "sys/nothing"]).fails(2, "404");
}

#[test]
fn login_keeps_the_token_for_the_next_command() {
    let server = Server::dev();
    let home = server.folder().join("home");
    fs::create_dir(&home).unwrap();
    let home = home.to_str().unwrap();
    let at_home =
        |arguments: &[&str]| strongroom(&[("VAULT_ADDR", server.url()), ("HOME", home)], arguments);
    at_home(&["kv", "put", "secret/a", "x=1"]).fails(2, "403");
    at_home(&["login", "hvs.wrong"]).fails(2, "403");
    let login = at_home(&["login", ROOT]).ok();
    assert!(login.out.contains("You are now authenticated"), "{login:#?}");
    at_home(&["kv", "put", "secret/a", "x=1"]).ok();
    at_home(&["token", "lookup"]).ok();
    // BAO_ wins over VAULT_, as with bao.
    let both = [("VAULT_ADDR", "http://127.0.0.1:1"), ("BAO_ADDR", server.url()), ("HOME", home)];
    assert_eq!(strongroom(&both, &["kv", "get", "-field=x", "secret/a"]).ok().out, "1");
}

#[test]
fn policies_and_tokens_by_command() {
    let server = Server::dev();
    let cli = |arguments: &[&str]| server.strongroom(ROOT, arguments);
    let file = server.folder().join("reader.hcl");
    fs::write(&file, "path \"secret/data/*\" { capabilities = [\"read\"] }\n").unwrap();
    cli(&["policy", "write", "reader", file.to_str().unwrap()]).ok();
    assert!(cli(&["policy", "read", "reader"]).ok().out.contains("secret/data/*"));
    assert!(cli(&["policy", "list"]).ok().out.lines().any(|name| name == "reader"));
    let token = cli(&["token", "create", "-policy=reader", "-ttl=1h", "-field=token"]).ok().out;
    assert_eq!(cli(&["token", "capabilities", &token, "secret/data/a"]).ok().out, "read\n");
    server.strongroom(&token, &["kv", "put", "secret/a", "x=1"]).fails(2, "403");
    server.strongroom(&token, &["token", "renew", "-increment=2h"]).ok();
    cli(&["token", "revoke", &token]).ok();
    server.strongroom(&token, &["token", "lookup"]).fails(2, "403");
    cli(&["policy", "delete", "reader"]).ok();
}

#[test]
fn operators_init_unseal_and_seal() {
    let mut server = Server::configured();
    let url = server.url().to_owned();
    let cli = |token: &str, arguments: &[&str]| {
        strongroom(&[("VAULT_ADDR", &url), ("VAULT_TOKEN", token)], arguments)
    };
    cli("", &["operator", "init", "-status"]).fails(2, "not initialised");
    let init = cli("", &["operator", "init", "-n", "3", "-t", "2", "-format=json"]).ok().json();
    let root = init["root_token"].as_str().unwrap();
    cli("", &["operator", "init", "-status"]).ok();
    cli("", &["status"]).fails(2, "0/2");
    for key in [0, 2] {
        cli("", &["operator", "unseal", init["unseal_keys_b64"][key].as_str().unwrap()]).ok();
    }
    cli("", &["status"]).ok();
    let rotated = cli(root, &["operator", "rotate", "-format=json"]).ok().json();
    assert_eq!(rotated["data"]["term"], 2);
    cli(root, &["operator", "seal"]).ok();
    server.wait_for(503);
    cli(root, &["secrets", "list"]).fails(2, "operator unseal");
}

#[test]
fn messages_say_what_to_do() {
    let nobody = [("VAULT_ADDR", "http://127.0.0.1:1")];
    strongroom(&nobody, &["status"]).fails(1, "VAULT_ADDR");
    strongroom(&nobody, &["read", "a"]).fails(2, "Is the server running");
    strongroom(&[("VAULT_ADDR", "127.0.0.1:8200")], &["read", "a"]).fails(1, "http://");
    strongroom(&nobody, &["write", "a", "hunter2"]).fails(1, "key=value");
    strongroom(&nobody, &["kv", "frobnicate"]).fails(1, "--help");
    let server = Server::dev();
    let tls = server.url().replace("http", "https");
    strongroom(&[("VAULT_ADDR", &tls), ("VAULT_SKIP_VERIFY", "1")], &["status"])
        .fails(1, "http://");
    assert_eq!(
        strongroom(&[], &["--version"]).ok().out.trim(),
        concat!("strongroom ", env!("CARGO_PKG_VERSION"))
    );
}
