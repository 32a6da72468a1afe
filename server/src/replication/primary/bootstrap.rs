//! Hands a joining secondary what it takes over: root key, seal, keyring.

use zeroize::Zeroizing;

use super::Primary;
use super::error::SessionError;
use crate::cluster::KEYRING_KEY;
use crate::keyspace::CORE;
use crate::replication::wire::{Bootstrap, Connection, Message, WireDev};

/// Answers once; the secondary closes the connection.
pub(crate) async fn serve(
    primary: &Primary,
    connection: &mut Connection,
) -> Result<(), SessionError> {
    let bootstrap = gather(primary)?;
    connection.writer.send(&Message::Bootstrap(bootstrap)).await?;
    Ok(())
}

fn gather(primary: &Primary) -> Result<Bootstrap, SessionError> {
    let context = &primary.context;
    let ops =
        context.ops.upgrade().ok_or_else(|| SessionError::Failed("shutting down".to_owned()))?;
    let failed = |e: &dyn std::fmt::Display| SessionError::Failed(e.to_string());
    let seal_entry = ops.seal_entry().map_err(|e| failed(&e))?;
    let keyring = context
        .store
        .get(CORE, KEYRING_KEY.as_bytes())
        .map_err(|e| failed(&e))?
        .ok_or_else(|| SessionError::Failed("the keyring is missing".to_owned()))?
        .value;
    Ok(Bootstrap {
        root_key: Zeroizing::new(*context.root_key.expose()),
        seal_entry: Zeroizing::new(seal_entry),
        keyring,
        cluster_id: primary.cluster_id.clone(),
        dev: ops.dev().map(|dev| WireDev {
            root_token: Zeroizing::new(dev.root_token.clone()),
            unseal_keys: dev.unseal_keys.iter().cloned().map(Zeroizing::new).collect(),
        }),
    })
}
