//! Init, unseal, seal, shutdown.

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use strongroom_storage::Store;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use super::build::{Contents, build, seconds};
use super::gather::Operations;
use super::ops::{ClusterOps, DevHandover};
use super::rotation;
use super::shares::{Progress, decode_share, hex, is_encoded};
use super::{
    Cluster, FORMER_KEYS_KEY, IDENTITY_KEY, KEYRING_KEY, Sealed, StartError, State, Unsealed,
};
use crate::audit::{self, Broker};
use crate::auth::Lockout;
use crate::barrier::{Barrier, DecodeCache, FormerKeys, Keyring, RootKey, Session};
use crate::config::LeaseTimes;
use crate::engine;
use crate::keyspace::{CORE, NODE};
use crate::logical::{ApiError, ApiResult};
use crate::quota::Quotas;
use crate::replication::{Replication, ReplicationContext};
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

/// One step of unsealing.
#[derive(Default)]
pub struct UnsealRequest {
    /// A key share, hex or base64.
    pub key: Option<Zeroizing<String>>,
    /// Forget the shares given so far.
    pub reset: bool,
}

/// The body of `sys/seal-status`.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the fields are the API's")]
pub struct SealStatus {
    /// Kind of seal.
    pub r#type: &'static str,
    /// There is a store.
    pub initialized: bool,
    /// The keys are not here.
    pub sealed: bool,
    /// Shares that unseal.
    pub t: u8,
    /// Shares in all.
    pub n: u8,
    /// Shares given so far.
    pub progress: usize,
    /// Names this attempt to unseal.
    pub nonce: String,
    /// Of the server.
    pub version: &'static str,
    /// Always empty.
    pub build_date: &'static str,
    /// Always false.
    pub migration: bool,
    /// Always false.
    pub recovery_seal: bool,
    /// Name of the store.
    pub storage_type: &'static str,
    /// Only unsealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_name: Option<String>,
    /// Only unsealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
}

/// Why a clean stop was not clean; recovery at the next start makes up for it.
#[derive(Debug, thiserror::Error)]
#[error("the store could not be closed cleanly: {0}")]
pub struct ShutdownError(String);

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

    /// Takes one key share; unseals when there are enough.
    ///
    /// # Errors
    /// 400 for a share of the wrong form, and at the threshold for wrong shares, which are then all
    /// forgotten; 500 when the store cannot be read.
    pub async fn unseal(&self, request: UnsealRequest) -> ApiResult<SealStatus> {
        let given = request.key.as_ref().map_or("", |k| k.as_str());
        if given.is_empty() && !request.reset {
            return Err(ApiError::bad_request(
                "'key' must be specified in request body as JSON, or 'reset' set to true",
            ));
        }
        let _changing = self.changing.lock().await;
        let sealed = match &**self.state.load() {
            State::Sealed(sealed) => Arc::clone(sealed),
            State::Unsealed(_) if request.reset => {
                return Err(ApiError::bad_request("vault is unsealed"));
            }
            State::Unsealed(_) => {
                is_encoded(given)?;
                return Ok(self.seal_status());
            }
            State::Uninitialised => {
                return Err(ApiError::bad_request("server is not yet initialized"));
            }
            State::Stopped => return Err(ApiError::unavailable("the server is stopping")),
        };
        if request.reset {
            *sealed.progress() = Progress::default();
            return Ok(self.seal_status());
        }
        let share = decode_share(given)?;
        let Some(shares) = sealed.add_share(share) else { return Ok(self.seal_status()) };
        let root = sealed.root_key(&shares)?;
        let unsealed =
            self.come_up(sealed.store.clone(), root).await.map_err(ApiError::internal)?;
        self.set(State::Unsealed(unsealed));
        tracing::info!("unsealed");
        Ok(self.seal_status())
    }

    /// Drops the keys. Requests in flight finish or fail.
    ///
    /// # Errors
    /// 503 when it is not unsealed, 500 when the store went away.
    pub async fn seal(&self) -> ApiResult<()> {
        let _changing = self.changing.lock().await;
        let unsealed = self.unsealed()?;
        let sealed = Sealed::of(unsealed.store.clone()).map_err(ApiError::internal)?;
        self.set(State::Sealed(Arc::new(sealed)));
        if let Some(replication) = unsealed.replication.get() {
            replication.stop().await;
        }
        tracing::info!("sealed");
        Ok(())
    }

    /// Adds a key to the keyring; new values are sealed under it. The keyring is durable before its
    /// first use.
    ///
    /// # Errors
    /// 503 while sealed, 500 when it cannot be stored; the keys are as before then.
    pub async fn rotate(&self, now: SystemTime) -> ApiResult<u32> {
        let _changing = self.changing.lock().await;
        let unsealed = self.unsealed()?;
        let mut txn = unsealed.store.begin();
        let stored = txn.get(CORE, KEYRING_KEY.as_bytes()).map_err(ApiError::internal)?;
        let stored = stored.ok_or_else(|| ApiError::internal("the keyring is missing"))?;
        let mut ring = Keyring::open(&stored, &unsealed.root_key).map_err(ApiError::internal)?;
        let term = ring.rotate(seconds(now)).map_err(ApiError::internal)?;
        let stored = ring.seal(&unsealed.root_key).map_err(ApiError::internal)?;
        txn.put(CORE, KEYRING_KEY.as_bytes(), stored);
        txn.commit().await.map_err(|e| crate::dispatch::commit_error(&e))?;
        unsealed.barrier.replace_keyring(ring).map_err(ApiError::internal)?;
        tracing::info!(term, "rotated the barrier key");
        Ok(term)
    }

    /// Stops replication, checkpoints and closes the store. The cluster answers 503 from then on.
    ///
    /// # Errors
    /// [`ShutdownError`].
    pub async fn shutdown(&self) -> Result<(), ShutdownError> {
        let _changing = self.changing.lock().await;
        let Some(store) = self.store() else {
            self.set(State::Stopped);
            return Ok(());
        };
        let unsealed = self.unsealed().ok();
        self.set(State::Stopped);
        if let Some(replication) = unsealed.as_ref().and_then(|u| u.replication.get()) {
            replication.stop().await;
        }
        drop(unsealed);
        spawn_blocking(move || store.close())
            .await
            .map_err(|e| ShutdownError(e.to_string()))?
            .map_err(|e| ShutdownError(e.to_string()))
    }

    /// The body of `sys/seal-status`.
    pub fn seal_status(&self) -> SealStatus {
        let mut status = SealStatus {
            r#type: "shamir",
            initialized: false,
            sealed: true,
            t: 0,
            n: 0,
            progress: 0,
            nonce: String::new(),
            version: env!("CARGO_PKG_VERSION"),
            build_date: "",
            migration: false,
            recovery_seal: false,
            storage_type: "strongroom",
            cluster_name: None,
            cluster_id: None,
        };
        match &**self.state.load() {
            State::Uninitialised | State::Stopped => {}
            State::Sealed(sealed) => {
                let progress = sealed.progress();
                status.initialized = true;
                (status.t, status.n) = (sealed.entry.threshold, sealed.entry.shares);
                status.progress = progress.shares.len();
                status.nonce.clone_from(&progress.nonce);
            }
            State::Unsealed(unsealed) => {
                status.initialized = true;
                status.sealed = false;
                if let Ok(sealed) = Sealed::of(unsealed.store.clone()) {
                    (status.t, status.n) = (sealed.entry.threshold, sealed.entry.shares);
                }
                status.cluster_name = Some(unsealed.identity.name.clone());
                status.cluster_id = Some(unsealed.identity.id.clone());
            }
        }
        status
    }

    /// The unsealed form of an open store, with replication running. The caller sets the state.
    pub(super) async fn come_up(
        &self,
        store: Store,
        root_key: RootKey,
    ) -> Result<Arc<Unsealed>, StartError> {
        let unsealed = Arc::new(open_barrier(store, root_key, self.config.lease_times)?);
        let ops: std::sync::Weak<dyn ClusterOps> = self.me.clone();
        let context = ReplicationContext {
            store: unsealed.store.clone(),
            barrier: Arc::clone(&unsealed.barrier),
            cache: Arc::clone(&unsealed.cache),
            root_key: unsealed.root_key.clone(),
            api_addr: self.config.api_addr.clone(),
            cluster_addr: self.config.cluster_addr.clone(),
            cluster_listen: self.config.cluster_listen(),
            log_retention: self.config.log_retention_bytes,
            ops,
        };
        let replication = Replication::start(context)
            .await
            .map_err(|e| StartError::Store(format!("replication: {e}")))?;
        unsealed
            .audit
            .refresh(&mut unsealed.session())
            .and_then(|()| unsealed.quotas.refresh(&mut unsealed.session()))
            .map_err(|e| StartError::Store(format!("audit devices and quotas: {e}")))?;
        let fresh = unsealed.replication.set(replication).is_ok()
            && unsealed.sweeper.set(token::sweep::spawn(&unsealed)).is_ok()
            && unsealed.audit_watch.set(audit::spawn(&unsealed)).is_ok()
            && unsealed.rotator.set(rotation::spawn(self.me.clone(), &unsealed)).is_ok()
            && unsealed.upkeep.set(engine::upkeep::spawn(&unsealed)).is_ok();
        assert!(fresh, "a new value has none of them");
        if let Err(e) = unsealed.note_version(SystemTime::now().into()).await {
            tracing::warn!("the version could not be noted: {e}");
        }
        Ok(unsealed)
    }
}

fn open_barrier(
    store: Store,
    root_key: RootKey,
    lease_times: LeaseTimes,
) -> Result<Unsealed, StartError> {
    let fail = |e: &dyn std::fmt::Display| StartError::Store(e.to_string());
    let sealed_ring = store
        .get(CORE, KEYRING_KEY.as_bytes())
        .map_err(|e| fail(&e))?
        .ok_or_else(|| fail(&"the keyring is missing"))?;
    let ring = Keyring::open(&sealed_ring.value, &root_key).map_err(|e| fail(&e))?;
    let former = store.get(NODE, FORMER_KEYS_KEY.as_bytes()).map_err(|e| fail(&e))?;
    let former = former.map(|sealed| FormerKeys::open(&sealed.value, &root_key)).transpose();
    let former = former.map_err(|e| fail(&e))?.unwrap_or_default();
    let barrier = Arc::new(Barrier::with_former(ring, former).map_err(|e| fail(&e))?);
    let cache = Arc::new(DecodeCache::new(lease_times));
    let mut session = Session::new(store.begin(), Arc::clone(&barrier), Arc::clone(&cache));
    let identity = session
        .view(NODE)
        .get_json(IDENTITY_KEY)
        .map_err(|e| fail(&e))?
        .ok_or_else(|| fail(&"the cluster's identity is missing"))?;
    Ok(Unsealed {
        store,
        barrier,
        cache,
        root_key,
        identity,
        audit: Broker::default(),
        quotas: Quotas::default(),
        operations: Operations::default(),
        lockout: Lockout::default(),
        replication: OnceLock::new(),
        sweeper: OnceLock::new(),
        audit_watch: OnceLock::new(),
        rotator: OnceLock::new(),
        upkeep: OnceLock::new(),
    })
}
