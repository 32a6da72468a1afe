//! A primary that was restored from a backup older than what its secondaries hold: they follow it back
//! in time and say so, and nothing differs afterwards.

use serde_json::{Value, json};

use crate::support::{BASE, Server, status, wait_until_level};

#[track_caller]
fn post(server: &Server, path: &str, token: &str, body: &Value) -> Value {
    let (status, reply) = server.call("POST", path, token, Some(body));
    assert!(status < 300, "{path}: {status} {reply}");
    reply
}

fn read(server: &Server, path: &str, token: &str) -> (u16, Value) {
    let (status, mut reply) = server.call("GET", path, token, None);
    (status, reply["data"]["v"].take())
}

#[test]
fn secondaries_that_are_ahead_of_a_restored_primary_go_back_with_it() {
    let (mut primary, mut secondary) = (Server::configured(), Server::configured());
    let (keys, root) = primary.init(1, 1);
    let (_, own_root) = secondary.init(1, 1);
    post(&primary, "sys/mounts/kv", &root, &json!({"type": "kv"}));
    post(&primary, "sys/auth/userpass", &root, &json!({"type": "userpass"}));
    let policy = json!({"policy": "path \"kv/*\" { capabilities = [\"read\"] }"});
    post(&primary, "sys/policies/acl/reads", &root, &policy);
    let user = json!({"password": "p", "token_policies": "reads"});
    post(&primary, "auth/userpass/users/u", &root, &user);
    post(&primary, &format!("{BASE}/primary/enable"), &root, &json!({}));
    let path = format!("{BASE}/primary/secondary-token");
    let reply = post(&primary, &path, &root, &json!({"id": "ahead"}));
    let token = json!({"token": reply["wrap_info"]["token"]});
    post(&secondary, &format!("{BASE}/secondary/enable"), &own_root, &token);
    wait_until_level(&primary, std::slice::from_ref(&secondary));
    let login = |server: &Server| {
        let reply = post(server, "auth/userpass/login/u", "", &json!({"password": "p"}));
        reply["auth"]["client_token"].as_str().unwrap().to_owned()
    };
    let early = login(&secondary);
    post(&primary, "kv/a", &root, &json!({"v": "old"}));
    let file = primary.folder().join("backup");
    let file = file.to_str().unwrap();
    primary.strongroom(&root, &["operator", "backup", file]).ok();

    // What the backup does not know: values, and a term of the keyring that both clusters use.
    post(&primary, "kv/a", &root, &json!({"v": "new"}));
    post(&primary, "sys/rotate", &root, &json!({}));
    post(&primary, "kv/b", &root, &json!({"v": "new"}));
    wait_until_level(&primary, std::slice::from_ref(&secondary));
    let late = login(&secondary);
    assert_eq!(read(&secondary, "kv/b", &late), (200, json!("new")));
    assert!(primary.terminate().success());
    let data = primary.data();
    let restore = ["operator", "restore", file, "--data", data.to_str().unwrap(), "--replace"];
    primary.strongroom("", &restore).ok();
    primary.start();
    primary.wait_for(503);
    primary.unseal(&keys);

    wait_until_level(&primary, std::slice::from_ref(&secondary));
    for server in [&primary, &secondary] {
        let token = if server.url() == primary.url() { &root } else { &early };
        assert_eq!(read(server, "kv/a", token), (200, json!("old")));
        assert_eq!(read(server, "kv/b", token).0, 404);
    }
    assert_eq!(read(&secondary, "kv/a", &late), (200, json!("old")), "its own tokens stay");
    assert_eq!(status(&secondary)["reconciliations"], 2, "one to join, one to go back");

    // The next term has the number of the one that is gone, and another key.
    post(&primary, "sys/rotate", &root, &json!({}));
    post(&primary, "kv/c", &root, &json!({"v": "newer"}));
    wait_until_level(&primary, std::slice::from_ref(&secondary));
    let again = |secondary: &Server| {
        for token in [&early, &late, &login(secondary)] {
            assert_eq!(read(secondary, "kv/c", token), (200, json!("newer")));
        }
    };
    again(&secondary);
    secondary.kill();
    secondary.start();
    secondary.wait_for(503);
    secondary.unseal(&keys);
    wait_until_level(&primary, std::slice::from_ref(&secondary));
    again(&secondary);
}
