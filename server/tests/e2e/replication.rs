//! A replication set as its users see it: write anywhere, read everywhere, encrypt locally.

use serde_json::json;

use crate::support::{BASE, ROOT, Server, Set, eventually, python};

#[test]
fn what_is_written_on_one_cluster_is_read_listed_and_deleted_on_all() {
    let set = Set::new(2);
    let value = json!({"data": {"password": "s3cret"}});
    let (status, reply) = set.servers[0].call("POST", "secret/data/app/db", ROOT, Some(&value));
    assert_eq!(status, 200, "{reply}");
    for i in 1..=2 {
        let reply = set.read_eventually(i, "secret/data/app/db");
        assert_eq!(reply["data"]["data"]["password"], "s3cret");
    }
    // A write through a secondary is answered as if it were local, and read back there at once.
    let value = json!({"data": {"n": 2}, "options": {"cas": 1}});
    let (status, reply) = set.servers[1].call("POST", "secret/data/app/db", ROOT, Some(&value));
    assert_eq!((status, &reply["data"]["version"]), (200, &json!(2)), "{reply}");
    assert_eq!(reply["warnings"], json!(null), "it was level within the wait: {reply}");
    let (_, reply) = set.servers[1].call("GET", "secret/data/app/db", ROOT, None);
    assert_eq!(reply["data"]["data"]["n"], 2);
    // Errors come back as they are.
    let (status, reply) = set.servers[2].call("POST", "secret/data/app/db", ROOT, Some(&value));
    assert_eq!(status, 400, "{reply}");
    assert!(reply["errors"][0].as_str().unwrap().contains("check-and-set"), "{reply}");
    let (status, reply) = set.servers[2].call("LIST", "secret/metadata/app", ROOT, None);
    assert_eq!((status, &reply["data"]["keys"]), (200, &json!(["db"])));
    let (status, _) = set.servers[2].call("DELETE", "secret/metadata/app/db", ROOT, None);
    assert_eq!(status, 204);
    for i in 0..=2 {
        eventually("the deletion everywhere", || {
            let (status, _) = set.servers[i].call("GET", "secret/data/app/db", ROOT, None);
            (status == 404).then_some(())
        });
    }
    set.wait_until_level();
}

#[test]
fn encrypt_on_one_secondary_and_decrypt_on_the_other() {
    let set = Set::new(2);
    let mount = json!({"type": "transit"});
    let (status, reply) = set.servers[1].call("POST", "sys/mounts/transit", ROOT, Some(&mount));
    assert_eq!(status, 204, "{reply}");
    let (status, reply) = set.servers[1].call("POST", "transit/keys/app", ROOT, Some(&json!({})));
    assert!(status < 300, "{reply}");
    let plain = json!({"plaintext": "aGVsbG8="});
    let (status, reply) = set.servers[1].call("POST", "transit/encrypt/app", ROOT, Some(&plain));
    assert_eq!(status, 200, "{reply}");
    set.read_eventually(2, "transit/keys/app");
    let (status, reply) =
        set.servers[2].call("POST", "transit/decrypt/app", ROOT, Some(&reply["data"]));
    assert_eq!((status, &reply["data"]["plaintext"]), (200, &json!("aGVsbG8=")), "{reply}");
    // Secondaries do this by themselves: the primary may be gone.
    let mut set = set;
    set.servers[0].kill();
    let (status, sealed) = set.servers[2].call("POST", "transit/encrypt/app", ROOT, Some(&plain));
    assert_eq!(status, 200, "{sealed}");
    let (status, reply) =
        set.servers[1].call("POST", "transit/decrypt/app", ROOT, Some(&sealed["data"]));
    assert_eq!((status, &reply["data"]["plaintext"]), (200, &json!("aGVsbG8=")), "{reply}");
    // Writes need it, and say so.
    let (status, reply) = set.servers[2].call("POST", "transit/keys/other", ROOT, Some(&json!({})));
    assert!((500..600).contains(&status), "{status} {reply}");
    assert!(!reply["errors"][0].as_str().unwrap().is_empty());
}

#[test]
fn local_mounts_and_tokens_stay_where_they_are() {
    let set = Set::new(1);
    let local = json!({"type": "kv", "local": true});
    let (status, reply) = set.servers[1].call("POST", "sys/mounts/here", ROOT, Some(&local));
    assert_eq!(status, 204, "{reply}");
    let (status, _) = set.servers[1].call("POST", "here/a", ROOT, Some(&json!({"k": "v"})));
    assert_eq!(status, 204);
    let (status, reply) = set.servers[1].call("GET", "here/a", ROOT, None);
    assert_eq!((status, &reply["data"]["k"]), (200, &json!("v")));
    let (_, reply) = set.servers[0].call("GET", "sys/mounts", ROOT, None);
    assert!(reply["data"].get("here/").is_none(), "{reply}");
    let (status, reply) =
        set.servers[1].call("POST", "auth/token/create", ROOT, Some(&json!({"ttl": "1h"})));
    assert_eq!(status, 200, "{reply}");
    let token = reply["auth"]["client_token"].as_str().unwrap();
    let (status, _) = set.servers[1].call("GET", "auth/token/lookup-self", token, None);
    assert_eq!(status, 200);
    let (status, _) = set.servers[0].call("GET", "auth/token/lookup-self", token, None);
    assert_eq!(status, 403, "the primary does not know the secondary's token");
    set.wait_until_level();
}

#[test]
fn a_policy_made_on_the_primary_binds_a_token_of_the_secondary_there_and_through_it() {
    let set = Set::new(1);
    let rules =
        "path \"secret/data/allowed\" { capabilities = [\"create\", \"update\", \"read\"] }";
    let (status, reply) =
        set.servers[0].call("POST", "sys/policies/acl/app", ROOT, Some(&json!({"policy": rules})));
    assert!(status < 300, "{reply}");
    set.read_eventually(1, "sys/policies/acl/app");
    let (_, reply) =
        set.servers[1].call("POST", "auth/token/create", ROOT, Some(&json!({"policies": ["app"]})));
    let token = reply["auth"]["client_token"].as_str().unwrap();
    let value = json!({"data": {"k": "v"}});
    let (status, reply) = set.servers[1].call("POST", "secret/data/allowed", token, Some(&value));
    assert_eq!(status, 200, "{reply}");
    let (status, reply) = set.servers[1].call("POST", "secret/data/denied", token, Some(&value));
    assert_eq!(status, 403, "{reply}");
}

#[test]
fn activation_tokens_are_used_once_and_a_failed_enable_loses_nothing() {
    let servers = vec![Server::dev(), Server::dev()];
    let set = Set::of(servers);
    let third = Server::dev();
    let kept = json!({"data": {"k": "v"}});
    third.call("POST", "secret/data/kept", ROOT, Some(&kept));
    let enable = format!("{BASE}/secondary/enable");
    let used = {
        let token = set.activation_token("used");
        let other = Server::dev();
        let (status, reply) = other.call("POST", &enable, ROOT, Some(&json!({ "token": token })));
        assert!(status < 300, "{reply}");
        token
    };
    let fresh = set.activation_token("fresh");
    // Not simply an x: one token in 64 has one there already, and is then no other token.
    let (head, tail) = fresh.split_at(fresh.len() - 6);
    let other = if tail.starts_with('x') { 'y' } else { 'x' };
    let tampered = format!("{head}{other}{}", &tail[1..]);
    for (what, body) in [
        ("reused", json!({ "token": used })),
        ("tampered", json!({ "token": tampered })),
        ("no token", json!({})),
        ("nonsense", json!({"token": "nonsense"})),
        ("wrong address", json!({"token": fresh, "primary_api_addr": "http://127.0.0.1:1"})),
    ] {
        let (status, reply) = third.call("POST", &enable, ROOT, Some(&body));
        assert!((400..=503).contains(&status) && status != 500, "{what}: {status} {reply}");
        assert!(!reply["errors"][0].as_str().unwrap().is_empty(), "{what}: {reply}");
        let (status, reply) = third.call("GET", "secret/data/kept", ROOT, None);
        assert_eq!((status, &reply["data"]["data"]["k"]), (200, &json!("v")), "after {what}");
    }
    // A secondary is no primary, and a primary no secondary.
    let (status, _) =
        set.servers[1].call("POST", &format!("{BASE}/primary/enable"), ROOT, Some(&json!({})));
    assert_eq!(status, 400);
    let token = set.activation_token("again");
    let (status, _) = set.servers[0].call("POST", &enable, ROOT, Some(&json!({ "token": token })));
    assert_eq!(status, 400);
}

#[test]
fn a_revoked_secondary_is_cut_off() {
    let set = Set::new(1);
    set.expect_ok(0, "primary/revoke-secondary", &json!({"id": "secondary-1"}));
    eventually("the cut", || (set.status(1)["state"] != "stream-wals").then_some(()));
    let (status, _) =
        set.servers[0].call("POST", "secret/data/later", ROOT, Some(&json!({"data": {"k": 1}})));
    assert_eq!(status, 200);
    assert_eq!(set.status(0)["known_secondaries"], json!([]));
    // It serves what it has.
    let (status, _) = set.servers[1].call("GET", "sys/mounts", ROOT, None);
    assert_eq!(status, 200);
}

#[test]
fn hvac_sees_one_store_in_three_places() {
    let set = Set::new(2);
    let run = python(
        &[
            ("VAULT_TOKEN", ROOT),
            ("PRIMARY", set.servers[0].url()),
            ("ONE", set.servers[1].url()),
            ("TWO", set.servers[2].url()),
        ],
        "replication.py",
    );
    assert_eq!(run.ok().out.trim(), "ok");
}

#[test]
fn bao_sees_one_store_in_three_places() {
    let set = Set::new(2);
    let [primary, one, two] = [0, 1, 2].map(|i| &set.servers[i]);
    primary.bao(ROOT, &["kv", "put", "secret/bao/a", "from=primary"]).ok();
    set.read_eventually(2, "secret/data/bao/a");
    let got = two.bao(ROOT, &["kv", "get", "-field=from", "secret/bao/a"]).ok();
    assert_eq!(got.out.trim(), "primary");
    one.bao(ROOT, &["kv", "put", "secret/bao/b", "from=one"]).ok();
    assert_eq!(one.bao(ROOT, &["kv", "get", "-field=from", "secret/bao/b"]).ok().out.trim(), "one");
    one.bao(ROOT, &["secrets", "enable", "transit"]).ok();
    one.bao(ROOT, &["write", "-f", "transit/keys/app"]).ok();
    let encrypt = ["write", "-field=ciphertext", "transit/encrypt/app", "plaintext=aGVsbG8="];
    let sealed = format!("ciphertext={}", one.bao(ROOT, &encrypt).ok().out.trim());
    set.read_eventually(2, "transit/keys/app");
    let decrypt = ["write", "-field=plaintext", "transit/decrypt/app", &sealed];
    assert_eq!(two.bao(ROOT, &decrypt).ok().out.trim(), "aGVsbG8=");
    two.bao(ROOT, &["kv", "metadata", "delete", "secret/bao/a"]).ok();
    set.wait_until_level();
    for server in [primary, one, two] {
        let listed = server.bao(ROOT, &["kv", "list", "-format=json", "secret/bao"]).ok();
        assert_eq!(listed.json(), json!(["b"]));
    }
}
