//! A secret that is easy to recognise goes through the server in every role that a secret can have.
//! It must not be found afterwards where it has no business: logs, records of audit devices, errors,
//! the data folder, a core dump.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::Server;

/// Recognised in the clear and in base64, whatever comes before it.
const CANARY: &str = "canary-5b1fq0xw7pzt";

/// The forms in which it would give itself away: as it is, in base64 at each of three offsets, in
/// hexadecimal.
fn forms() -> Vec<Vec<u8>> {
    // The middle of "canary-5b1fq0xw7pzt" in base64, for each place that it can begin at.
    let base64 =
        ["Y2FuYXJ5LTViMWZxMHh3N3B6d", "NhbmFyeS01YjFmcTB4dzdwen", "jYW5hcnktNWIxZnEweHc3cHp0"];
    let plain = [CANARY, "63616e6172792d356231667130787737707a74"];
    plain.into_iter().chain(base64).map(|form| form.as_bytes().to_vec()).collect()
}

fn betrayed(bytes: &[u8]) -> bool {
    forms().iter().any(|form| holds(bytes, form))
}

fn holds(bytes: &[u8], secret: &[u8]) -> bool {
    bytes.windows(secret.len()).any(|window| window == secret)
}

/// Neither the canary nor one of these tokens is in the folder.
fn search(folder: &Path, tokens: &[String]) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            search(&path, tokens);
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        assert!(!betrayed(&bytes), "found in {}", path.display());
        for token in tokens {
            assert!(!holds(&bytes, token.as_bytes()), "a token was found in {}", path.display());
        }
    }
}

/// Wraps the canary: once to be fetched, once to lie there until the end. All tokens that came of it.
fn wrap_it(server: &Server, root: &str) -> Vec<String> {
    let secret = format!("k={CANARY}");
    let wrap = || {
        let words = ["write", "-wrap-ttl=1h", "-format=json", "sys/wrapping/wrap", &secret];
        let answer = server.bao(root, &words).ok().json();
        answer["wrap_info"]["token"].as_str().unwrap().to_owned()
    };
    let (first, left) = (wrap(), wrap());
    let again = |path: &str, token: &str| {
        let body = json!({ "token": token });
        let (status, reply) =
            server.call("POST", &format!("sys/wrapping/{path}"), root, Some(&body));
        (status, reply)
    };
    let (_, reply) = again("rewrap", &first);
    let second = reply["wrap_info"]["token"].as_str().unwrap().to_owned();
    assert_eq!(again("lookup", &second).0, 200);
    assert_eq!(again("unwrap", &second).1["data"]["k"], CANARY);
    for (path, token) in [("unwrap", &second), ("rewrap", &first), ("lookup", &second)] {
        let (status, reply) = again(path, token);
        assert_eq!(status, 400, "{path}: {reply}");
        assert!(!reply.to_string().contains(token.as_str()), "{path}: {reply}");
    }
    vec![first, second, left]
}

/// Calls that carry the canary and succeed.
fn use_it(server: &Server, root: &str) -> Vec<(u16, Value)> {
    let call = |verb: &str, path: &str, body: Value| server.call(verb, path, root, Some(&body));
    let encoded = "Y2FuYXJ5LTViMWZxMHh3N3B6dA==";
    vec![
        call("POST", "kv2/data/a", json!({"data": {"k": CANARY}})),
        call("GET", "kv2/data/a", json!({})),
        call("POST", "kv1/a", json!({"k": CANARY})),
        call("POST", "cubbyhole/a", json!({"k": CANARY})),
        call("POST", "transit/encrypt/k", json!({"plaintext": encoded})),
        call("POST", "transit/encrypt/k", json!({"batch_input": [{"plaintext": encoded}]})),
        call("POST", "transit/hmac/k", json!({"input": encoded})),
        call("POST", "sys/tools/hash", json!({"input": encoded})),
        call("POST", "auth/token/create", json!({"id": CANARY, "policies": ["default"]})),
        server.call("GET", "auth/token/lookup-self", CANARY, None),
        call("POST", "auth/userpass/users/u", json!({"password": CANARY})),
        server.call("POST", "auth/userpass/login/u", "", Some(&json!({"password": CANARY}))),
        call("POST", "auth/approle/role/r/custom-secret-id", json!({"secret_id": CANARY})),
    ]
}

/// Calls that carry it and fail.
fn misuse_it(server: &Server, root: &str) -> Vec<(u16, Value)> {
    let call = |path: &str, body: Value| server.call("POST", path, root, Some(&body));
    let objects = [
        ("kv2/data/a", json!({"data": CANARY})),
        ("kv2/config", json!({"max_versions": CANARY})),
        ("transit/encrypt/k", json!({"plaintext": CANARY})),
        ("transit/encrypt/k", json!({"plaintext": [CANARY]})),
        ("transit/decrypt/k", json!({"ciphertext": CANARY})),
        ("transit/verify/k", json!({"input": "YQ==", "hmac": CANARY})),
        ("transit/keys/i/import", json!({"ciphertext": CANARY})),
        ("auth/token/create", json!({"ttl": CANARY})),
        ("auth/token/create", json!({"num_uses": CANARY})),
        ("auth/token/lookup", json!({"token": CANARY.to_uppercase()})),
        ("auth/userpass/login/u", json!({"password": format!("{CANARY}-not")})),
        ("auth/userpass/users/v", json!({"password": CANARY, "password_hash": CANARY})),
        ("auth/approle/login", json!({"role_id": "x", "secret_id": CANARY})),
        ("auth/approle/role/r/secret-id/lookup", json!({"secret_id": {"x": CANARY}})),
        ("sys/wrapping/unwrap", json!({"token": CANARY})),
        ("sys/rekey/update", json!({"key": CANARY, "nonce": "x"})),
        ("sys/generate-root/update", json!({"key": CANARY, "nonce": "x"})),
    ];
    let mut answers: Vec<_> = objects.into_iter().map(|(path, body)| call(path, body)).collect();
    let broken = format!("{{\"data\": {CANARY}");
    let url = server.url();
    answers
        .push(crate::support::http("POST", url, "kv2/data/a", Some(root), Some(&broken)).unwrap());
    answers.push(server.call("GET", "sys/mounts", &format!("{CANARY}-not"), None));
    answers
}

#[test]
fn a_secret_is_found_nowhere_but_where_it_was_asked_for() {
    assert!(betrayed(b"...canary-5b1fq0xw7pzt...") && betrayed(b"xY2FuYXJ5LTViMWZxMHh3N3B6dA=="));
    let mut server = Server::configured();
    let (_, root) = server.init(1, 1);
    let post = |path: &str, body: Value| {
        let (status, reply) = server.call("POST", path, &root, Some(&body));
        assert!(status < 300, "{path}: {reply}");
    };
    post("sys/loggers", json!({"level": "trace"}));
    let audit = server.folder().join("audit.log");
    post("sys/audit/file", json!({"type": "file", "options": {"file_path": audit}}));
    for (path, kind) in [("kv1", "kv"), ("kv2", "kv-v2"), ("transit", "transit")] {
        post(&format!("sys/mounts/{path}"), json!({ "type": kind }));
    }
    for kind in ["userpass", "approle"] {
        post(&format!("sys/auth/{kind}"), json!({ "type": kind }));
    }
    post("transit/keys/k", json!({}));
    post("auth/approle/role/r", json!({}));
    for (at, (status, reply)) in use_it(&server, &root).into_iter().enumerate() {
        assert!(status < 300, "call {at}: {status} {reply}");
    }
    let mut tokens = wrap_it(&server, &root);
    let login = json!({ "password": CANARY });
    let (_, reply) = server.call("POST", "auth/userpass/login/u", "", Some(&login));
    tokens.extend([root.clone(), reply["auth"]["client_token"].as_str().unwrap().to_owned()]);
    for (at, (status, reply)) in misuse_it(&server, &root).into_iter().enumerate() {
        assert!((400..500).contains(&status), "call {at}: {status} {reply}");
        assert!(!betrayed(reply.to_string().as_bytes()), "call {at}: {reply}");
    }
    assert!(std::fs::metadata(&audit).unwrap().len() > 10_000, "there are records");
    no_core_dump(&server);
    assert!(server.terminate().success());
    assert!(!betrayed(server.log().as_bytes()), "{}", server.log());
    search(server.folder(), &tokens);
}

/// What is in memory stays there: the kernel writes no core file, whatever signal ends the server.
fn no_core_dump(server: &Server) {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let numbers: Vec<&str> = core.split_whitespace().skip(4).take(2).collect();
    assert_eq!(numbers, ["0", "0"], "{core}");
}
