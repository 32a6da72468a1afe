//! The switch to another store, as a cluster becomes a secondary.

use strongroom_server::barrier::RootKey;
use strongroom_server::cluster::KEYRING_KEY;
use strongroom_server::cluster::ops::{ClusterOps, NewStore, ReplaceError};
use strongroom_server::keyspace::{CORE, NODE};

use crate::support::{ROOT, TestServer};

/// What a primary would send.
fn handover(primary: &TestServer) -> NewStore {
    let unsealed = primary.cluster.unsealed().unwrap();
    let keyring = unsealed.store.get(CORE, KEYRING_KEY.as_bytes()).unwrap().unwrap().value;
    let dev = primary.cluster.dev().unwrap();
    NewStore {
        root_key: unsealed.root_key.clone(),
        seal_entry: primary.cluster.seal_entry().unwrap(),
        keyring,
        node: vec![("replication/test".to_owned(), b"hello".to_vec())],
        root_token: Some(dev.root_token.clone()),
        dev_keys: Some(dev.unseal_keys.clone()),
    }
}

#[test]
fn the_new_store_has_the_primarys_keys_and_survives_a_restart() {
    let (primary, other) = (TestServer::dev(), TestServer::dev());
    other.root("POST", "secret/data/old", r#"{"data":{"k":"v"}}"#, 200);
    let local = other.token(r#"{"policies":["x"]}"#);
    other.block_on(other.cluster.replace_store(handover(&primary))).unwrap();

    let check = |server: &TestServer| {
        // The mount tables come with the primary's data, so there is nothing to call yet, but the
        // primary's root token is known.
        assert_eq!(server.call("GET", "auth/token/lookup-self", ROOT, "").0, 404);
        assert_eq!(server.call("GET", "auth/token/lookup-self", &local, "").0, 403, "wiped");
        assert_eq!(server.call("GET", "secret/data/old", ROOT, "").0, 404, "wiped");
        let unsealed = server.cluster.unsealed().unwrap();
        let entry = unsealed.session().view(NODE).get("replication/test").unwrap().unwrap();
        assert_eq!(entry.as_slice(), b"hello");
        assert_eq!(server.cluster.seal_entry().unwrap(), primary.cluster.seal_entry().unwrap());
        let folders = std::fs::read_dir(server.folder.path()).unwrap();
        let names = folders.map(|f| f.unwrap().file_name().into_string().unwrap());
        let stores: Vec<String> = names.filter(|n| n.starts_with("store-")).collect();
        assert_eq!(stores, ["store-2"], "the old store is gone");
    };
    check(&other);
    let other = other.restart();
    check(&other);
    // Sealed and unsealed with the primary's key.
    other.root("PUT", "sys/seal", "", 204);
    let key = primary.cluster.dev().unwrap().unseal_keys[0].clone();
    let body = serde_json::json!({ "key": key }).to_string();
    assert_eq!(other.call("PUT", "sys/unseal", "", &body).1["sealed"], false);
}

#[test]
fn keys_that_do_not_fit_leave_the_old_store_in_use() {
    let (primary, other) = (TestServer::dev(), TestServer::dev());
    other.root("POST", "secret/data/old", r#"{"data":{"k":"v"}}"#, 200);
    let wrong_root = NewStore { root_key: RootKey::generate().unwrap(), ..handover(&primary) };
    let wrong_seal = NewStore { seal_entry: b"{}".to_vec(), ..handover(&primary) };
    let wrong_ring = NewStore { keyring: vec![0; 90], ..handover(&primary) };
    for new in [wrong_root, wrong_seal, wrong_ring] {
        let refused = other.block_on(other.cluster.replace_store(new));
        assert!(matches!(refused, Err(ReplaceError::Keys(_))));
    }
    assert_eq!(other.root("GET", "secret/data/old", "", 200)["data"]["data"]["k"], "v");
    let other = other.restart();
    assert_eq!(other.root("GET", "secret/data/old", "", 200)["data"]["data"]["k"], "v");
}

#[test]
fn a_sealed_cluster_is_not_replaced() {
    let (primary, other) = (TestServer::dev(), TestServer::dev());
    other.root("PUT", "sys/seal", "", 204);
    let refused = other.block_on(other.cluster.replace_store(handover(&primary)));
    assert!(matches!(refused, Err(ReplaceError::NotUnsealed)));
}
