//! Init, unseal, seal, health, leader, rotation.

use crate::support::{ROOT, TestServer};

fn keys(init: &serde_json::Value, form: &str) -> Vec<String> {
    init[form].as_array().unwrap().iter().map(|k| k.as_str().unwrap().to_owned()).collect()
}

#[test]
fn from_nothing_to_unsealed_and_back() {
    let server = TestServer::bare();
    assert_eq!(server.call("GET", "sys/init", "", "").1["initialized"], false);
    assert_eq!(server.call("GET", "sys/health", "", "").0, 501);
    assert_eq!(server.error("GET", "secret/x", "", "", 503), "Vault is sealed");

    let (status, init) =
        server.call("PUT", "sys/init", "", r#"{"secret_shares":5,"secret_threshold":3}"#);
    assert_eq!(status, 200);
    let root = init["root_token"].as_str().unwrap();
    assert!(root.starts_with("hvs.") && root.len() >= 28);
    let (hex, base64) = (keys(&init, "keys"), keys(&init, "keys_base64"));
    assert_eq!((hex.len(), hex[0].len(), base64.len()), (5, 66, 5));
    server.error("PUT", "sys/init", "", r#"{"secret_shares":1,"secret_threshold":1}"#, 400);

    let (_, status) = server.call("GET", "sys/seal-status", "", "");
    assert_eq!(
        (&status["sealed"], &status["t"], &status["n"]),
        (&true.into(), &3.into(), &5.into())
    );
    assert_eq!(server.call("GET", "sys/health", "", "").0, 503);

    let unseal =
        |key: &str| server.call("POST", "sys/unseal", "", &format!(r#"{{"key":"{key}"}}"#));
    assert_eq!(unseal(&hex[0]).1["progress"], 1);
    assert_eq!(unseal(&hex[0]).1["progress"], 1, "the same share twice counts once");
    let (_, reset) = server.call("POST", "sys/unseal", "", r#"{"reset":true}"#);
    assert_eq!((&reset["progress"], &reset["nonce"]), (&0.into(), &"".into()));
    // A wrong share at the threshold: refused, and the attempt starts again.
    unseal(&hex[0]);
    unseal(&hex[1]);
    let wrong = format!("{}00", &hex[2][..64]);
    assert_eq!(unseal(&wrong).0, 400);
    assert_eq!(server.call("GET", "sys/seal-status", "", "").1["progress"], 0);
    // Either form, any three.
    unseal(&hex[4]);
    let (_, second) = unseal(&base64[1]);
    assert_eq!(second["progress"], 2);
    assert!(!second["nonce"].as_str().unwrap().is_empty());
    let (code, open) = unseal(&hex[2]);
    assert_eq!((code, &open["sealed"]), (200, &false.into()));
    assert!(open["cluster_id"].is_string());

    assert_eq!(server.call("GET", "sys/mounts", root, "").0, 200);
    assert_eq!(server.error("PUT", "sys/seal", "", "", 403), "permission denied");
    assert_eq!(server.call("PUT", "sys/seal", root, "").0, 204);
    assert_eq!(server.error("GET", "sys/mounts", root, "", 503), "Vault is sealed");
    for key in &hex[..3] {
        unseal(key);
    }
    assert_eq!(server.call("GET", "sys/mounts", root, "").0, 200);
}

#[test]
fn odd_requests_to_init_and_unseal_are_refused() {
    let server = TestServer::bare();
    for (body, part) in [
        ("{}", "shares must be at least one"),
        (r#"{"secret_shares":1}"#, "threshold must be at least one"),
        (r#"{"secret_shares":2,"secret_threshold":1}"#, "greater than one"),
        (r#"{"secret_shares":1,"secret_threshold":2}"#, "cannot be larger"),
        (r#"{"secret_shares":300,"secret_threshold":2}"#, "less than 256"),
        (r#"{"secret_shares":"a"}"#, ""),
        (r#"{"secret_shares":3,"secret_threshold":2,"pgp_keys":["a"]}"#, "PGP"),
        (r#"{"secret_shares":3,"secret_threshold":2,"recovery_shares":3}"#, "not applicable"),
        ("[1]", "failed to decode JSON input"),
        ("{", "failed to decode JSON input"),
    ] {
        let error = server.error("POST", "sys/init", "", body, 400);
        assert!(error.contains(part), "{body}: {error}");
    }
    assert_eq!(server.call("GET", "sys/init", "", "").1["initialized"], false);
    server.error("POST", "sys/unseal", "", r#"{"key":"aabb"}"#, 400);
    server.call("PUT", "sys/init", "", r#"{"secret_shares":3,"secret_threshold":2}"#);
    for (body, part) in [
        ("{}", "'key' must be specified"),
        (r#"{"key":"zz!"}"#, "valid hex or base64"),
        (r#"{"key":"aabb"}"#, "wrong length"),
        (r#"{"key":5}"#, ""),
    ] {
        let error = server.error("POST", "sys/unseal", "", body, 400);
        assert!(error.contains(part), "{body}: {error}");
    }
    assert_eq!(server.call("DELETE", "sys/init", "", "").0, 405);
    assert_eq!(server.call("DELETE", "sys/seal-status", "", "").0, 405);
}

#[test]
fn health_answers_as_the_load_balancer_asks() {
    let server = TestServer::dev();
    let (status, health) = server.call("GET", "sys/health", "", "");
    assert_eq!(status, 200);
    assert_eq!(health["replication_performance_mode"], "disabled");
    assert_eq!(health["standby"], false);
    assert!(health["cluster_name"].is_string());
    assert_eq!(server.call("GET", "sys/health?activecode=299", "", "").0, 299);
    assert_eq!(server.call("GET", "sys/health?activecode=abc", "", "").0, 400);
    let head = server.raw("HEAD", "/v1/sys/health?activecode=201", "", b"");
    assert_eq!((head.status, head.body.as_str()), (201, ""));
    assert_eq!(server.call("POST", "sys/health", "", "").0, 405);
    assert_eq!(server.call("GET", "sys/leader", "", "").1["ha_enabled"], false);
    server.root("PUT", "sys/seal", "", 204);
    assert_eq!(server.call("GET", "sys/health", "", "").0, 503);
    assert_eq!(server.call("GET", "sys/health?sealedcode=204&uninitcode=205", "", "").0, 204);
}

#[test]
fn rotation_adds_a_term_and_old_values_stay_readable() {
    let server = TestServer::dev();
    server.root("POST", "secret/data/before", r#"{"data":{"k":"v"}}"#, 200);
    assert_eq!(server.root("GET", "sys/key-status", "", 200)["data"]["term"], 1);
    server.root("POST", "sys/rotate", "", 204);
    server.root("PUT", "sys/rotate/keyring", "", 204);
    let status = server.root("GET", "sys/key-status", "", 200);
    assert_eq!((&status["term"], &status["data"]["term"]), (&3.into(), &3.into()));
    assert!(status["install_time"].is_string());
    let read = server.root("GET", "secret/data/before", "", 200);
    assert_eq!(read["data"]["data"]["k"], "v");
    let weak = server.token(r#"{"policies":["default"]}"#);
    assert!(server.error("POST", "sys/rotate", &weak, "", 403).contains("permission denied"));
    assert_eq!(server.call("GET", "sys/key-status", ROOT, "").0, 200);
}

#[test]
fn a_client_that_goes_away_leaves_no_half_rotation() {
    use std::io::Write as _;

    use strongroom_server::barrier::Keyring;
    use strongroom_server::cluster::KEYRING_KEY;
    use strongroom_server::keyspace::CORE;

    // The handler was once dropped with the connection: the stored keyring had a term that the
    // barrier did not use, and the next rotation gave the same term another key.
    let server = TestServer::dev();
    for _ in 0..20 {
        let mut stream = std::net::TcpStream::connect(server.address).unwrap();
        let request = "POST /v1/sys/rotate HTTP/1.1\r\nHost: x\r\nX-Vault-Token: root\r\n\
                       Content-Length: 0\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
    }
    // One after the other, so this one is the last.
    server.root("POST", "sys/rotate", "", 204);
    let unsealed = server.cluster.unsealed().unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let stored = unsealed.store.get(CORE, KEYRING_KEY.as_bytes()).unwrap().unwrap();
        let stored = Keyring::open(&stored.value, &unsealed.root_key).unwrap();
        if stored.active_term() == unsealed.barrier.keyring().active_term() {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "the keyring in use is not the stored one");
    }
    server.root("POST", "secret/data/x", r#"{"data":{"k":"v"}}"#, 200);
    let server = server.restart();
    assert_eq!(server.root("GET", "secret/data/x", "", 200)["data"]["data"]["k"], "v");
}
