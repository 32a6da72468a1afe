//! The first contents of a store, written in one transaction before anything names the store.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use strongroom_storage::{Class, Store};
use zeroize::Zeroizing;

use super::{
    DEV_KEY, IDENTITY_KEY, Identity, KEYRING_KEY, SEAL_KEY, report_durable, store_options,
};
use crate::barrier::{Barrier, DecodeCache, Keyring, Session};
use crate::cluster::ops::DevHandover;
use crate::config::Config;
use crate::keyspace::{CORE, CUBBYHOLE, LOCAL, NODE};
use crate::{mount, policy, token};

/// What a store starts with.
pub(super) struct Contents {
    /// Raw bytes of NODE/`seal`.
    pub(super) seal_entry: Vec<u8>,
    /// Raw bytes of CORE/`keyring`.
    pub(super) keyring: Vec<u8>,
    /// The same keyring, opened.
    pub(super) ring: Keyring,
    /// Mount tables and built-in policies; not on a secondary, which gets the primary's.
    pub(super) defaults: bool,
    /// Id of a root token to make.
    pub(super) root_token: Option<Zeroizing<String>>,
    /// More entries for NODE, in plaintext.
    pub(super) node: Vec<(String, Vec<u8>)>,
    /// Development mode only.
    pub(super) dev: Option<DevHandover>,
}

/// Makes the store in the empty folder `path`; durable when it answers. Blocks on the disk.
pub(super) fn build(path: &Path, config: &Config, contents: Contents) -> Result<Store, String> {
    let store = Store::open(path, store_options(config)).map_err(|e| e.to_string())?;
    report_durable(&store);
    match fill(&store, config, contents) {
        Ok(()) => Ok(store),
        Err(e) => {
            // The folder is removed next, so a failed close has no consequence.
            let _ = store.close();
            Err(e)
        }
    }
}

fn fill(store: &Store, config: &Config, contents: Contents) -> Result<(), String> {
    let text = |e: &dyn std::fmt::Display| e.to_string();
    let barrier = Barrier::new(contents.ring).map_err(|e| text(&e))?;
    let mut session = Session::new(store.begin(), barrier.into(), DecodeCache::default().into());
    let txn = session.txn();
    txn.create_keyspace(CORE, Class::Replicated);
    txn.create_keyspace(LOCAL, Class::Local);
    txn.create_keyspace(CUBBYHOLE, Class::Local);
    txn.create_keyspace(NODE, Class::Ignored);
    txn.put(NODE, SEAL_KEY.as_bytes(), contents.seal_entry);
    txn.put(CORE, KEYRING_KEY.as_bytes(), contents.keyring);
    if let Some(dev) = &contents.dev {
        let plain = serde_json::to_vec(dev).map_err(|e| text(&e))?;
        txn.put(NODE, DEV_KEY.as_bytes(), plain);
    }
    let mut node = session.view(NODE);
    node.put_json(IDENTITY_KEY, &identity(config)).map_err(|e| text(&e))?;
    for (key, value) in &contents.node {
        node.put(key, value).map_err(|e| text(&e))?;
    }
    token::create_salt(&mut session).map_err(|e| text(&e))?;
    if contents.defaults {
        mount::create_defaults(&mut session).map_err(|e| text(&e))?;
        policy::create_defaults(&mut session).map_err(|e| text(&e))?;
    }
    if let Some(id) = &contents.root_token {
        token::create_root(&mut session, id, SystemTime::now()).map_err(|e| text(&e))?;
    }
    session.into_txn().commit_blocking().map_err(|e| text(&e))?;
    Ok(())
}

fn identity(config: &Config) -> Identity {
    let id = uuid::Uuid::new_v4();
    let name = config
        .cluster_name
        .clone()
        .unwrap_or_else(|| format!("strongroom-{:08x}", id.as_fields().0));
    Identity { name, id: id.to_string() }
}

/// Seconds since the epoch.
pub(super) fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}
