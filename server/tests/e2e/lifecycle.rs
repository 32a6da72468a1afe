//! Init, unseal, seal; SIGTERM, SIGKILL, SIGHUP.

use serde_json::json;

use crate::support::{ROOT, Server, eventually};

#[test]
fn shares_unseal_at_the_threshold_also_after_a_restart() {
    let mut server = Server::configured();
    let (keys, root) = server.init(5, 3);
    assert_eq!(server.call("POST", "sys/mounts/kv", &root, Some(&json!({"type": "kv"}))).0, 204);
    assert_eq!(server.call("POST", "kv/a", &root, Some(&json!({"x": "1"}))).0, 204);

    assert!(server.terminate().success(), "{}", server.log());
    server.start();
    server.wait_for(503);
    // Any three of the five.
    for key in &keys[..2] {
        let (status, reply) = server.call("POST", "sys/unseal", "", Some(&json!({ "key": key })));
        assert_eq!((status, &reply["sealed"]), (200, &json!(true)));
    }
    assert_eq!(server.call("GET", "kv/a", &root, None).0, 503);
    server.call("POST", "sys/unseal", "", Some(&json!({"reset": true})));
    server.unseal(&keys[2..]);
    let (status, reply) = server.call("GET", "kv/a", &root, None);
    assert_eq!((status, &reply["data"]), (200, &json!({"x": "1"})));
}

#[test]
fn a_wrong_share_is_refused_and_the_right_ones_still_unseal() {
    let mut server = Server::configured();
    let (keys, root) = server.init(3, 2);
    assert_eq!(server.call("POST", "sys/seal", &root, None).0, 204);
    server.wait_for(503);
    let garbage = json!({"key": "bm90IGEgc2hhcmU="});
    assert_eq!(server.call("POST", "sys/unseal", "", Some(&garbage)).0, 400);
    let mut wrong = keys[0].clone();
    wrong.replace_range(0..2, if wrong.starts_with("AA") { "BB" } else { "AA" });
    server.call("POST", "sys/unseal", "", Some(&json!({ "key": wrong })));
    let (status, reply) = server.call("POST", "sys/unseal", "", Some(&json!({"key": keys[1]})));
    assert_eq!(status, 400, "{reply}");
    let (_, status) = server.call("GET", "sys/seal-status", "", None);
    assert_eq!((&status["sealed"], &status["progress"]), (&json!(true), &json!(0)), "{status}");
    server.unseal(&keys[..2]);
}

#[test]
fn a_sealed_server_answers_503_to_everything_that_needs_keys() {
    let mut server = Server::configured();
    let (_, root) = server.init(1, 1);
    assert_eq!(server.call("POST", "sys/seal", &root, None).0, 204);
    server.wait_for(503);
    for (verb, path) in
        [("GET", "sys/mounts"), ("GET", "secret/data/a"), ("POST", "auth/token/create")]
    {
        let (status, reply) = server.call(verb, path, &root, None);
        assert_eq!(status, 503, "{path}: {reply}");
        assert!(reply["errors"][0].as_str().unwrap().contains("sealed"), "{reply}");
    }
    assert_eq!(server.call("GET", "sys/health?sealedcode=299", "", None).0, 299);
    assert_eq!(server.call("GET", "sys/seal-status", "", None).0, 200);
}

#[test]
fn acknowledged_writes_survive_sigkill() {
    let mut server = Server::dev();
    for round in 0..5 {
        for number in 0..20 {
            let path = format!("secret/data/r{round}/k{number}");
            let body = json!({"data": {"value": format!("{round}-{number}")}});
            assert_eq!(server.call("POST", &path, ROOT, Some(&body)).0, 200);
        }
        server.kill();
        server.start();
        server.wait_for(200);
        for number in 0..20 {
            let path = format!("secret/data/r{round}/k{number}");
            let (status, reply) = server.call("GET", &path, ROOT, None);
            assert_eq!(status, 200, "{path} is lost: {reply}");
            assert_eq!(reply["data"]["data"]["value"], json!(format!("{round}-{number}")));
        }
    }
}

#[test]
fn sigterm_ends_with_code_0_and_the_data_is_there() {
    let mut server = Server::dev();
    let body = json!({"data": {"x": "1"}});
    assert_eq!(server.call("POST", "secret/data/a", ROOT, Some(&body)).0, 200);
    assert_eq!(server.terminate().code(), Some(0), "{}", server.log());
    server.start();
    server.wait_for(200);
    assert_eq!(
        server.call("GET", "secret/data/a", ROOT, None).1["data"]["data"],
        json!({"x": "1"})
    );
    server.signal("INT");
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
}

#[test]
fn sighup_changes_the_log_level() {
    let mut server = Server::configured();
    let file = server.folder().join("strongroom.hcl");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}log_level = \"debug\"\n")).unwrap();
    server.signal("HUP");
    eventually("word of the new level", || {
        server.log().contains("log level is debug").then_some(())
    });
    // A file that does not parse changes nothing and stops nothing.
    std::fs::write(&file, "listener {").unwrap();
    server.signal("HUP");
    eventually("word of the bad file", || {
        server.log().contains("keeps its settings").then_some(())
    });
    server.wait_for(501);
}
