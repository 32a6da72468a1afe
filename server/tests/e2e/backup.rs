//! A backup of a running server, and a server made of it.

use serde_json::json;

use crate::support::Server;

#[test]
fn a_running_server_is_backed_up_and_made_again() {
    let mut server = Server::configured();
    let (keys, root) = server.init(1, 1);
    server.unseal(&keys);
    let post = |server: &Server, path: &str, body| {
        let (status, reply) = server.call("POST", path, &root, Some(&body));
        assert!(status < 300, "{path}: {reply}");
    };
    post(&server, "sys/mounts/kv", json!({"type": "kv"}));
    // Larger than one part of the stream.
    for n in 0..40 {
        post(&server, &format!("kv/large/{n}"), json!({"v": "x".repeat(10_000)}));
    }
    post(&server, "kv/a", json!({"v": "before"}));
    let file = server.folder().join("backup");
    let (file, data) = (file.to_str().unwrap(), server.data());
    let data = data.to_str().unwrap();
    let weak = server.call("POST", "auth/token/create", &root, Some(&json!({"policies": ["x"]})));
    let weak = weak.1["auth"]["client_token"].as_str().unwrap().to_owned();
    server.strongroom(&weak, &["operator", "backup", file]).fails(2, "permission denied");
    assert!(!std::fs::exists(file).unwrap());
    let other = strongroom_storage::BackupFile::create(file.as_ref()).unwrap();
    server
        .strongroom(&root, &["operator", "backup", file])
        .fails(1, "another backup is being written");
    drop(other);
    let done = server.strongroom(&root, &["operator", "backup", file]).ok();
    assert!(done.out.contains("were backed up"), "{}", done.out);
    post(&server, "kv/a", json!({"v": "after"}));

    let restore = ["operator", "restore", file, "--data", data];
    server.strongroom("", &restore).fails(1, "another server");
    assert!(server.terminate().success());
    server.strongroom("", &restore).fails(1, "--replace");
    let bytes = std::fs::read(file).unwrap();
    let torn = server.folder().join("torn");
    std::fs::write(&torn, &bytes[..bytes.len() - 100]).unwrap();
    let torn = ["operator", "restore", torn.to_str().unwrap(), "--data", data, "--replace"];
    server.strongroom("", &torn).fails(1, "nothing was restored");

    let mut restored = restore.to_vec();
    restored.push("--replace");
    server.strongroom("", &restored).ok();
    server.start();
    server.wait_for(503);
    server.unseal(&keys);
    let (status, read) = server.call("GET", "kv/a", &root, None);
    assert_eq!((status, &read["data"]["v"]), (200, &json!("before")));
    let (_, read) = server.call("GET", "kv/large/39", &root, None);
    assert_eq!(read["data"]["v"].as_str().unwrap().len(), 10_000);
}
