//! A secondary that was away for longer than the log is kept, between servers that are set up as an
//! operator would: configuration files, shares, no development mode.

use std::fs::OpenOptions;
use std::io::Write;
use std::thread;

use serde_json::{Value, json};

use crate::support::{BASE, Server, eventually, status, wait_until_level};

const KEYS: usize = 10_000;
const WRITERS: usize = 8;

/// A configured server that keeps 1 MiB of log, not initialised.
fn configured() -> Server {
    let mut server = Server::prepared("tls_disable = true", "http");
    let file = server.folder().join("strongroom.hcl");
    let mut file = OpenOptions::new().append(true).open(file).unwrap();
    file.write_all(b"replication {\n  log_retention = \"1mb\"\n}\n").unwrap();
    server.start();
    server.wait_for(501);
    server
}

#[test]
fn it_reconciles_and_then_streams() {
    let (primary, mut secondary) = (configured(), configured());
    let (keys, root) = primary.init(3, 2);
    let (_, old_root) = secondary.init(1, 1);
    let post = |server: &Server, path: &str, token: &str, body: Value| {
        let (status, reply) = server.call("POST", path, token, Some(&body));
        assert!(status < 300, "{path}: {status} {reply}");
        reply
    };
    post(&primary, "sys/mounts/secret", &root, json!({"type": "kv", "options": {"version": "2"}}));
    post(&primary, &format!("{BASE}/primary/enable"), &root, json!({}));
    let reply =
        post(&primary, &format!("{BASE}/primary/secondary-token"), &root, json!({"id": "away"}));
    let token = &reply["wrap_info"]["token"];
    let enable = format!("{BASE}/secondary/enable");
    post(&secondary, &enable, &old_root, json!({ "token": token }));
    wait_until_level(&primary, std::slice::from_ref(&secondary));
    // Its own token went with its data; the primary's keys unseal it now.
    let (code, _) = secondary.call("GET", "auth/token/lookup-self", &old_root, None);
    assert_eq!(code, 403);
    secondary.kill();

    thread::scope(|scope| {
        for w in 0..WRITERS {
            let (primary, root) = (&primary, &root);
            scope.spawn(move || {
                for n in (w..KEYS).step_by(WRITERS) {
                    let body = json!({"data": {"n": n}});
                    let path = format!("secret/data/bulk/{n}");
                    let (status, reply) = primary.call("POST", &path, root, Some(&body));
                    assert_eq!(status, 200, "{reply}");
                }
            });
        }
    });
    secondary.start();
    secondary.wait_for(503);
    secondary.unseal(&keys[..2]);
    wait_until_level(&primary, std::slice::from_ref(&secondary));
    assert_eq!(status(&secondary)["reconciliations"], 1, "since it was started again");
    // And streams again.
    post(&primary, "secret/data/after", &root, json!({"data": {"k": "v"}}));
    let before = status(&secondary)["last_remote_wal"].clone();
    eventually("the stream", || {
        (status(&secondary)["last_remote_wal"] != before
            || status(&secondary)["merkle_root"] == status(&primary)["merkle_root"])
            .then_some(())
    });
    wait_until_level(&primary, std::slice::from_ref(&secondary));
}
