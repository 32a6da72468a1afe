//! Bad input and too much of it: a clear error of the right status, and nothing is lost.

use serde_json::json;

use crate::support::{ROOT, Server, http};

const LIMIT: usize = 32 << 20;

#[test]
fn bad_json_is_400_in_the_form_of_the_api() {
    let server = Server::dev();
    for body in ["{", "[1]", "\"text\"", "{\"data\": }", "{\"data\": {\"a\": 1}} trailing"] {
        let (status, reply) =
            http("POST", server.url(), "secret/data/bad", Some(ROOT), Some(body)).unwrap();
        assert_eq!(status, 400, "{body}: {reply}");
        assert!(!reply["errors"].as_array().unwrap().is_empty(), "{body}: {reply}");
    }
    assert_eq!(server.call("GET", "secret/data/bad", ROOT, None).0, 404);
}

#[test]
fn a_body_over_32_mib_is_413_and_the_server_goes_on() {
    let server = Server::dev();
    let head = "{\"data\":{\"v\":\"";
    let tail = "\"}}";
    let body = format!("{head}{}{tail}", "x".repeat(LIMIT + 1 - head.len() - tail.len()));
    let (status, reply) =
        http("POST", server.url(), "secret/data/big", Some(ROOT), Some(&body)).unwrap();
    assert_eq!(status, 413, "{reply}");
    assert_eq!(server.call("GET", "secret/data/big", ROOT, None).0, 404);
    let small = json!({"data": {"v": "x".repeat(1 << 20)}});
    assert_eq!(server.call("POST", "secret/data/ok", ROOT, Some(&small)).0, 200);
}

#[test]
fn unknown_paths_verbs_and_tokens_answer_as_documented() {
    let server = Server::dev();
    for (verb, path, token, wanted) in [
        ("GET", "nowhere/a", ROOT, 404),
        ("GET", "sys/nothing", ROOT, 404),
        ("GET", "secret/data/none", ROOT, 404),
        ("LIST", "secret/metadata/none", ROOT, 404),
        ("DELETE", "sys/health", ROOT, 405),
        ("GET", "secret/data/a", "hvs.wrong", 403),
        ("GET", "sys/mounts", "", 403),
    ] {
        let (status, reply) = server.call(verb, path, token, None);
        assert_eq!(status, wanted, "{verb} {path}: {reply}");
        assert!(reply["errors"].is_array(), "{verb} {path}: {reply}");
    }
}

#[test]
fn a_full_disk_refuses_writes_and_loses_nothing() {
    let mut server = Server::dev();
    let body = json!({"data": {"x": "before"}});
    assert_eq!(server.call("POST", "secret/data/kept", ROOT, Some(&body)).0, 200);
    assert!(server.terminate().success());

    // No quota is needed to make a disk look full: files may not grow past what they are now.
    let largest = largest_file(&server.data());
    let blocks = largest.div_ceil(512);
    let limit = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
    server.start_under(&["sh", "-c", &limit, "sh"]);
    server.wait_for(200);
    let large = json!({"data": {"v": "x".repeat(256 << 10)}});
    let mut acknowledged = 0;
    let refused = (0..4000).find_map(|number| {
        let (status, reply) =
            server.call("POST", &format!("secret/data/fill/{number}"), ROOT, Some(&large));
        acknowledged += u32::from(status == 200);
        (status != 200).then_some((status, reply))
    });
    let (status, reply) = refused.expect("the disk never became full");
    assert!(status == 500 || status == 507, "{status} {reply}");
    assert!(!reply["errors"].as_array().unwrap().is_empty());
    let (status, reply) = server.call("GET", "secret/data/kept", ROOT, None);
    assert_eq!((status, &reply["data"]["data"]["x"]), (200, &json!("before")));
    server.kill();

    // With room again, everything that was acknowledged is there.
    server.start();
    server.wait_for(200);
    let (_, reply) = server.call("GET", "secret/data/kept", ROOT, None);
    assert_eq!(reply["data"]["data"]["x"], json!("before"));
    for number in 0..acknowledged {
        let (status, _) = server.call("GET", &format!("secret/data/fill/{number}"), ROOT, None);
        assert_eq!(status, 200, "number {number} of {acknowledged} is lost");
    }
    assert_eq!(server.call("POST", "secret/data/after", ROOT, Some(&body)).0, 200);
}

fn largest_file(folder: &std::path::Path) -> u64 {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let meta = entry.metadata().unwrap();
            if meta.is_dir() { largest_file(&entry.path()) } else { meta.len() }
        })
        .max()
        .unwrap_or(0)
}
