//! The switch to another store: how a cluster becomes a secondary.

use std::sync::Arc;

use super::build::{Contents, build};
use super::data_dir::{DataDir, Prepared};
use super::ops::{DevHandover, NewStore, ReplaceError};
use super::{Cluster, Sealed, State};
use crate::barrier::Keyring;
use crate::config::Config;
use crate::seal::SealEntry;
use strongroom_storage::Store;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

impl Cluster {
    /// See [`super::ops::ClusterOps::replace_store`]. The new store is complete and durable before
    /// the one atomic step that makes it the one in use.
    ///
    /// # Errors
    /// [`ReplaceError`].
    pub async fn replace_store(&self, new: NewStore) -> Result<(), ReplaceError> {
        let _changing = self.changing.lock().await;
        let old = self.unsealed().map_err(|_| ReplaceError::NotUnsealed)?;
        let keys = |e: &dyn std::fmt::Display| ReplaceError::Keys(e.to_string());
        let ring = Keyring::open(&new.keyring, &new.root_key).map_err(|e| keys(&e))?;
        SealEntry::decode(&new.seal_entry).map_err(|e| keys(&e))?;
        let dev = self.config.dev.as_ref().and_then(|_| {
            let root_token = new.root_token.clone()?;
            Some(DevHandover { root_token, unseal_keys: new.dev_keys.clone()? })
        });
        let contents = Contents {
            seal_entry: new.seal_entry,
            keyring: new.keyring,
            ring,
            defaults: false,
            root_token: new.root_token.map(Zeroizing::new),
            node: new.node,
            dev,
        };
        let me = self.me().map_err(|_| ReplaceError::NotUnsealed)?;
        // The old store serves on meanwhile.
        let switched = spawn_blocking(move || switch(&me.data, &me.config, contents))
            .await
            .map_err(|e| ReplaceError::Build(e.to_string()))??;

        // From here on the folder opens on the new store.
        if let Some(replication) = old.replication.get() {
            replication.stop().await;
        }
        let result = match self.come_up(switched.store.clone(), new.root_key).await {
            Ok(unsealed) => {
                self.set(State::Unsealed(unsealed));
                Ok(())
            }
            Err(e) => {
                let sealed =
                    Sealed::of(switched.store).map_err(|e| ReplaceError::Start(e.to_string()))?;
                self.set(State::Sealed(Arc::new(sealed)));
                Err(ReplaceError::Start(e.to_string()))
            }
        };
        if let Ok(me) = self.me() {
            let _ = spawn_blocking(move || me.retire(&old.store, switched.durable)).await;
        }
        result
    }

    fn retire(&self, old: &Store, remove: bool) {
        if let Err(e) = old.close() {
            tracing::warn!("the replaced store did not close cleanly: {e}");
        }
        if remove && let Err(e) = self.data.remove_leftovers() {
            tracing::warn!("the replaced store is removed at the next start: {e}");
        }
    }
}

struct Switched {
    store: Store,
    /// The switch itself is on the medium, so the old store may go.
    durable: bool,
}

fn switch(data: &DataDir, config: &Config, contents: Contents) -> Result<Switched, ReplaceError> {
    let prepared = data.prepare().map_err(|e| ReplaceError::Build(e.to_string()))?;
    let error = match build(prepared.path(), config, contents) {
        Err(e) => e,
        Ok(store) => match data.switch(&prepared) {
            Ok(()) => return Ok(Switched { store, durable: true }),
            // Renamed, but perhaps not durably: both stores stay, and so each outcome opens.
            Err(e) if names(data, &prepared) => {
                tracing::warn!("the switch to the new store may not survive a power cut: {e}");
                return Ok(Switched { store, durable: false });
            }
            Err(e) => {
                let _ = store.close();
                e.to_string()
            }
        },
    };
    // The next start removes what this cannot.
    let _ = data.remove_leftovers();
    Err(ReplaceError::Build(error))
}

fn names(data: &DataDir, prepared: &Prepared) -> bool {
    data.current().is_ok_and(|current| current.as_deref() == Some(prepared.path()))
}
