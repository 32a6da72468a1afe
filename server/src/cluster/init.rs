//! Making the first store, with its keys.

use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use super::build::{Contents, build, seconds};
use super::ops::DevHandover;
use super::shares::hex;
use super::{Cluster, Sealed, State};
use crate::barrier::{Keyring, RootKey};
use crate::logical::{ApiError, ApiResult};
use crate::seal::{self, SealEntry, ShamirSeal};
use crate::token;

/// How to initialise.
#[derive(Debug, Clone)]
pub struct InitRequest {
    /// Key shares in all.
    pub shares: u8,
    /// Key shares that unseal.
    pub threshold: u8,
    /// Id of the root token; drawn when absent.
    pub root_token_id: Option<String>,
}

/// The only time that these are shown.
#[derive(Serialize)]
pub struct InitReply {
    /// Key shares, hex.
    pub keys: Vec<Zeroizing<String>>,
    /// The same, base64.
    pub keys_base64: Vec<Zeroizing<String>>,
    /// The root token.
    pub root_token: Zeroizing<String>,
}

impl Cluster {
    /// Makes the first store; the cluster is sealed afterwards. All or nothing.
    ///
    /// # Errors
    /// 400 when initialised already or for odd numbers, 500 when the store cannot be made.
    pub async fn init(&self, request: InitRequest) -> ApiResult<InitReply> {
        let _changing = self.changing.lock().await;
        match &**self.state.load() {
            State::Uninitialised => {}
            State::Stopped => return Err(ApiError::unavailable("the server is stopping")),
            _ => return Err(ApiError::bad_request("Vault is already initialized")),
        }
        let root = RootKey::generate().map_err(ApiError::internal)?;
        let seal = ShamirSeal::generate().map_err(ApiError::internal)?;
        let shares = seal::split(seal.key(), request.shares, request.threshold)
            .map_err(|e| ApiError::bad_request(e.to_string()))?;
        let entry = SealEntry::new(&seal, &root, request.shares, request.threshold)
            .map_err(ApiError::internal)?;
        let ring = Keyring::generate(seconds(SystemTime::now())).map_err(ApiError::internal)?;
        let root_token = match request.root_token_id {
            Some(id) => Zeroizing::new(id),
            None => token::generate_id().map_err(ApiError::internal)?,
        };
        let keys: Vec<_> = shares.iter().map(|s| Zeroizing::new(hex(s))).collect();
        let dev = self.config.dev.is_some().then(|| DevHandover {
            root_token: root_token.to_string(),
            unseal_keys: keys.iter().map(|k| k.to_string()).collect(),
        });
        let contents = Contents {
            seal_entry: entry.encode().map_err(ApiError::internal)?,
            keyring: ring.seal(&root).map_err(ApiError::internal)?,
            ring,
            defaults: true,
            root_token: Some(root_token.clone()),
            node: Vec::new(),
            dev,
        };
        let me = self.me()?;
        let sealed = spawn_blocking(move || me.first_store(contents))
            .await
            .map_err(ApiError::internal)?
            .map_err(ApiError::internal)?;
        self.set(State::Sealed(Arc::new(sealed)));
        Ok(InitReply {
            keys,
            keys_base64: shares.iter().map(|s| Zeroizing::new(STANDARD.encode(s))).collect(),
            root_token,
        })
    }

    fn first_store(&self, contents: Contents) -> Result<Sealed, String> {
        let prepared = self.data.prepare().map_err(|e| e.to_string())?;
        let made = build(prepared.path(), &self.config, contents)
            .and_then(|store| Sealed::of(store).map_err(|e| e.to_string()))
            .and_then(|sealed| {
                self.data.switch(&prepared).map_err(|e| e.to_string())?;
                Ok(sealed)
            });
        if made.is_err() {
            // The next start removes what this cannot.
            let _ = self.data.remove_leftovers();
        }
        made
    }
}
