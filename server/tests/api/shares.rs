//! What key shares can do on an unsealed cluster: a root token, new key shares.

use serde_json::{Value, json};

use crate::support::{ROOT, TestServer};

/// A server of three shares, two of which unseal, and its shares.
fn shared() -> (TestServer, Vec<String>) {
    let server = TestServer::bare();
    let body = r#"{"secret_shares":3,"secret_threshold":2}"#;
    let (status, made) = server.call("POST", "sys/init", "", body);
    assert_eq!(status, 200, "{made}");
    let keys = strings(&made["keys"]);
    unseal(&server, &keys);
    (server, keys)
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|k| k.as_str().unwrap().to_owned()).collect()
}

fn unseal(server: &TestServer, keys: &[String]) {
    for key in &keys[..2] {
        server.call("POST", "sys/unseal", "", &json!({ "key": key }).to_string());
    }
    assert_eq!(server.call("GET", "sys/seal-status", "", "").1["sealed"], false);
}

fn share(key: &str, nonce: &Value) -> String {
    json!({ "key": key, "nonce": nonce }).to_string()
}

#[test]
fn enough_key_shares_make_a_root_token() {
    let (server, keys) = shared();
    let call = |method: &str, path: &str, body: &str| {
        let (status, value) = server.call(method, &format!("sys/generate-root/{path}"), "", body);
        assert_eq!(status, 200, "{method} {path} {body}: {value}");
        value
    };
    let idle = call("GET", "attempt", "");
    assert_eq!((&idle["started"], &idle["required"]), (&json!(false), &json!(2)));
    let begun = call("POST", "attempt", "{}");
    let (nonce, otp) = (&begun["nonce"], begun["otp"].as_str().unwrap());
    assert_eq!(begun["otp_length"], otp.len());
    let error = |body: &str| server.error("POST", "sys/generate-root/update", "", body, 400);
    assert!(server.error("POST", "sys/generate-root/attempt", "", "{}", 400).contains("already"));
    assert!(error("{}").contains("'key'"));
    assert!(error(&share("zz", nonce)).contains("hex or base64"));
    assert!(error(&share(&keys[0], &json!("other"))).contains("incorrect nonce"));
    assert_eq!(call("POST", "update", &share(&keys[0], nonce))["progress"], 1);
    assert!(error(&share(&keys[0], nonce)).contains("already been provided"));
    assert_eq!(call("GET", "attempt", "")["otp"], "", "shown once");
    let done = call("POST", "update", &share(&keys[1], nonce));
    assert_eq!((&done["complete"], &done["progress"]), (&json!(true), &json!(2)));
    let body = json!({ "encoded_token": done["encoded_token"], "otp": otp }).to_string();
    let (_, decoded) = server.call("POST", "sys/decode-token", "", &body);
    let token = decoded["data"]["token"].as_str().unwrap();
    let (status, own) = server.call("GET", "auth/token/lookup-self", token, "");
    assert_eq!((status, &own["data"]["policies"]), (200, &json!(["root"])));
    assert_eq!(call("GET", "attempt", "")["started"], false);
    assert!(error(&share(&keys[0], nonce)).contains("no root generation in progress"));
    // Shares of another cluster.
    let nonce = &call("POST", "attempt", "{}")["nonce"];
    let (_other, others) = shared();
    call("POST", "update", &share(&others[0], nonce));
    assert!(error(&share(&others[1], nonce)).contains("do not fit together"));
    assert_eq!(call("GET", "attempt", "")["progress"], 0);
    assert_eq!(server.call("DELETE", "sys/generate-root/attempt", "", "").0, 204);
}

/// Clients that never look at the answer bring the one-time password.
#[test]
fn a_one_time_password_that_is_brought_is_used_and_not_shown() {
    let (server, keys) = shared();
    let start = |otp: &str| {
        let body = json!({ "otp": otp }).to_string();
        server.call("POST", "sys/generate-root/attempt", "", &body)
    };
    for short in ["x", "abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyz012"] {
        let (status, answer) = start(short);
        assert_eq!(
            (status, &answer["errors"][0]),
            (400, &json!("OTP string has incorrect length"))
        );
    }
    let otp = "abcdefghijklmnopqrstuvwxyz01";
    let (status, begun) = start(otp);
    assert_eq!((status, &begun["otp"], &begun["otp_length"]), (200, &json!(""), &json!(28)));
    let update = |key: &str| {
        let body = share(key, &begun["nonce"]);
        server.call("POST", "sys/generate-root/update", "", &body).1
    };
    update(&keys[0]);
    let body = json!({ "encoded_token": update(&keys[1])["encoded_token"], "otp": otp });
    let (_, decoded) = server.call("POST", "sys/decode-token", "", &body.to_string());
    let token = decoded["data"]["token"].as_str().unwrap();
    assert_eq!(server.call("GET", "auth/token/lookup-self", token, "").0, 200);
}

#[test]
fn there_is_no_backup_of_key_shares_without_keys_for_it() {
    let (server, _) = shared();
    let body = r#"{"secret_shares":1,"secret_threshold":1,"backup":true}"#;
    let error = server.error("POST", "sys/rekey/init", "", body, 400);
    assert!(error.contains("without providing PGP keys"), "{error}");
    assert_eq!(server.call("GET", "sys/rekey/init", "", "").1["started"], false);
}

#[test]
fn new_key_shares_replace_the_old_ones() {
    let (server, old) = shared();
    let call = |method: &str, path: &str, body: &str| {
        let (status, value) = server.call(method, &format!("sys/rekey/{path}"), "", body);
        assert_eq!(status, 200, "{method} {path} {body}: {value}");
        value
    };
    for body in [
        "{}",
        r#"{"secret_shares":3,"secret_threshold":5}"#,
        r#"{"secret_shares":3,"secret_threshold":1}"#,
        r#"{"secret_shares":1000,"secret_threshold":5}"#,
        r#"{"secret_shares":3,"secret_threshold":2,"pgp_keys":["a"]}"#,
        r#"{"secret_shares":[],"secret_threshold":2}"#,
    ] {
        server.error("POST", "sys/rekey/init", "", body, 400);
    }
    let begun = call("POST", "init", r#"{"secret_shares":2,"secret_threshold":2}"#);
    assert_eq!((&begun["t"], &begun["n"], &begun["required"]), (&json!(2), &json!(2), &json!(2)));
    assert!(server.error("POST", "sys/rekey/init", "", "{}", 400).contains("shares"));
    call("POST", "update", &share(&old[0], &begun["nonce"]));
    let done = call("POST", "update", &share(&old[2], &begun["nonce"]));
    assert_eq!(done["complete"], true);
    let new = strings(&done["keys"]);
    let status = server.call("GET", "sys/seal-status", "", "").1;
    assert_eq!((&status["t"], &status["n"]), (&json!(2), &json!(2)));
    let server = server.restart();
    server.call("POST", "sys/unseal", "", &json!({ "key": old[0] }).to_string());
    server.error("POST", "sys/unseal", "", &json!({ "key": old[1] }).to_string(), 400);
    unseal(&server, &new);
}

#[test]
fn verified_shares_count_once_they_were_given_back() {
    let (server, old) = shared();
    let call = |method: &str, path: &str, body: &str| {
        let (status, value) = server.call(method, &format!("sys/rekey/{path}"), "", body);
        assert_eq!(status, 200, "{method} {path} {body}: {value}");
        value
    };
    let body = r#"{"secret_shares":3,"secret_threshold":2,"require_verification":true}"#;
    let begun = call("POST", "init", body);
    assert_eq!(call("GET", "verify", "")["started"], false);
    call("POST", "update", &share(&old[0], &begun["nonce"]));
    let made = call("POST", "update", &share(&old[1], &begun["nonce"]));
    assert_eq!(made["verification_required"], true);
    let new = strings(&made["keys"]);
    assert_eq!(call("GET", "verify", "")["nonce"], made["verification_nonce"]);
    server.error("POST", "sys/rekey/update", "", &share(&old[0], &begun["nonce"]), 400);
    server.error("POST", "sys/rekey/verify", "", &share(&new[0], &json!("other")), 400);
    let nonce = &call("DELETE", "verify", "")["nonce"];
    assert_eq!(call("POST", "verify", &share(&new[0], nonce))["progress"], 1);
    let done = call("POST", "verify", &share(&new[2], nonce));
    assert_eq!(done["complete"], true);
    server.error("GET", "sys/rekey/verify", "", "", 400);
    let server = server.restart();
    unseal(&server, &new);
}

#[test]
fn with_a_token_there_are_the_same_paths_by_other_names() {
    let server = TestServer::dev();
    let get = |path: &str| server.root("GET", path, "", 200);
    assert_eq!(get("sys/generate-root-token/attempt")["data"]["started"], false);
    assert_eq!(get("sys/rotate/root/init")["data"]["required"], 1);
    for (method, path) in [
        ("GET", "sys/generate-root-token/attempt"),
        ("POST", "sys/generate-root-token/update"),
        ("POST", "sys/rotate/root/init"),
        ("POST", "sys/rotate/root/update"),
        ("GET", "sys/rekey/backup"),
    ] {
        assert_eq!(server.error(method, path, "", "{}", 403), "permission denied");
    }
    assert!(server.error("GET", "sys/rekey/backup", ROOT, "", 400).contains("no backed-up keys"));
    // A development server opens itself by keys that it keeps: they are replaced as well.
    let status = server.cluster.seal_status();
    let body = r#"{"secret_shares":2,"secret_threshold":2}"#;
    let begun = server.root("POST", "sys/rotate/root/init", body, 200);
    let key = server.block_on(server.cluster.dev_start()).unwrap().unseal_keys[0].clone();
    let body = share(&key, &begun["data"]["nonce"]);
    assert_eq!(server.root("POST", "sys/rotate/root/update", &body, 200)["data"]["complete"], true);
    assert_ne!(server.cluster.seal_status().n, status.n);
    let server = server.restart();
    assert!(!server.cluster.seal_status().sealed);
}
