//! Development mode: a cluster that initialises and unseals itself.
//!
//! Its keys are kept in the open, as NODE/`dev`, so that they change in the same step as the store
//! when the cluster becomes a secondary.

use zeroize::Zeroizing;

use super::ops::DevHandover;
use super::{Cluster, DEV_KEY, InitRequest, StartError, UnsealRequest};
use crate::keyspace::NODE;
use crate::mount;

impl Cluster {
    /// Initialises (one share, `secret/` as KV version 2) when there is no store, unseals, and says
    /// what it takes to log in.
    ///
    /// # Errors
    /// [`StartError::Dev`].
    pub async fn dev_start(&self) -> Result<DevHandover, StartError> {
        let fail = |e: crate::logical::ApiError| StartError::Dev(e.errors.join("; "));
        let Some(dev) = self.config.dev.clone() else {
            return Err(StartError::Dev("the server is not in development mode".to_owned()));
        };
        let fresh = !self.initialised();
        if fresh {
            let request = InitRequest { shares: 1, threshold: 1, root_token_id: dev.root_token_id };
            self.init(request).await.map_err(fail)?;
        }
        let handover = self.dev_keys().ok_or_else(|| {
            StartError::Dev("the data folder was not made in development mode".to_owned())
        })?;
        for key in &handover.unseal_keys {
            let request = UnsealRequest { key: Some(Zeroizing::new(key.clone())), reset: false };
            self.unseal(request).await.map_err(fail)?;
        }
        let unsealed = self.unsealed().map_err(fail)?;
        if fresh {
            let mut session = unsealed.session();
            mount::create_dev_secret(&mut session).map_err(|e| fail(e.into()))?;
            let commit = session.into_txn().commit().await;
            commit.map_err(|e| StartError::Dev(e.to_string()))?;
        }
        Ok(handover)
    }

    /// What NODE/`dev` holds, in development mode.
    pub(super) fn dev_keys(&self) -> Option<DevHandover> {
        self.config.dev.as_ref()?;
        let entry = self.store()?.get(NODE, DEV_KEY.as_bytes()).ok()??;
        serde_json::from_slice(&entry.value).ok()
    }
}
