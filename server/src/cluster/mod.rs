//! A cluster's life: closed, sealed, unsealed, and the switch to another store.
//!
//! [`Cluster`] owns the data folder and the state; everything that needs keys goes through the
//! [`Unsealed`] that [`Cluster::unsealed`] hands out. Requests read the state without a lock;
//! changes of state go one at a time.

pub mod data_dir;
pub mod ops;

mod build;
mod dev;
mod gather;
mod init;
mod lifecycle;
mod rekey;
mod rekey_answer;
mod remote;
mod replace;
mod restore;
mod root_token;
mod rotation;
mod seal_status;
mod shares;
mod under_way;
mod unseal;
mod unsealed;
mod versions;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arc_swap::ArcSwap;
use strongroom_storage::{Options, Store};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::allocator;
use crate::config::Config;
use crate::dispatch::Flights;
use crate::keyspace::NODE;
use crate::logical::{ApiError, ApiResult};
use crate::seal::SealEntry;
use crate::telemetry::Meters;
use data_dir::{DataDir, DataDirError};

pub use init::{InitReply, InitRequest};
pub use lifecycle::ShutdownError;
pub use rekey_answer::{RekeyPlan, RekeyReply, RekeyStatus, RekeyStep, VerifyStatus};
pub use restore::{RestoreFailed, restore};
pub use root_token::RootStatus;
pub use rotation::{OPERATIONS_MAX, RotateConfig};
pub use seal_status::SealStatus;
pub use unseal::UnsealRequest;
pub use unsealed::{Identity, Unsealed};

use shares::Progress;

/// Key of the seal entry in NODE.
pub const SEAL_KEY: &str = "seal";
/// Key of the keyring in CORE.
pub const KEYRING_KEY: &str = "keyring";
/// Key of the keys that the keyring lost, in NODE.
pub const FORMER_KEYS_KEY: &str = "former-keys";
/// Key of the cluster's name and id in NODE.
pub const IDENTITY_KEY: &str = "cluster";
/// Key, in NODE and in the plain, of what a server in development mode knows.
const DEV_KEY: &str = "dev";

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The store does not open; it was left as it is.
    #[error("the store cannot be opened: {0}")]
    Store(String),
    /// The store opened, but what every store starts with is missing or not readable.
    #[error("the store holds no readable seal entry: {0}")]
    Seal(String),
    /// Development mode could not initialise or unseal.
    #[error("development mode: {0}")]
    Dev(String),
}

/// A store whose keys are not here.
struct Sealed {
    store: Store,
    entry: SealEntry,
    progress: Mutex<Progress>,
}

enum State {
    Uninitialised,
    Sealed(Arc<Sealed>),
    Unsealed(Arc<Unsealed>),
    Stopped,
}

/// One cluster of one server.
pub struct Cluster {
    config: Config,
    data: DataDir,
    state: ArcSwap<State>,
    /// Held through every change of `state`.
    changing: tokio::sync::Mutex<()>,
    flights: Flights,
    meters: Meters,
    stopping: tokio::sync::watch::Sender<bool>,
    /// Where the server was started.
    runtime: Option<Handle>,
    me: Weak<Self>,
}

impl Cluster {
    /// Locks the data folder and opens the store in it, if there is one. Blocks on the disk.
    ///
    /// # Errors
    /// [`StartError`]; nothing was changed then.
    pub fn open(config: Config) -> Result<Arc<Self>, StartError> {
        let data = DataDir::open(&config.data_path)?;
        let state = match data.current()? {
            None => State::Uninitialised,
            Some(path) => State::Sealed(Arc::new(Sealed::open(&path, &config)?)),
        };
        Ok(Arc::new_cyclic(|me| Self {
            config,
            data,
            state: ArcSwap::from_pointee(state),
            changing: tokio::sync::Mutex::new(()),
            flights: Flights::default(),
            meters: Meters::default(),
            stopping: tokio::sync::watch::Sender::new(false),
            runtime: Handle::try_current().ok(),
            me: me.clone(),
        }))
    }

    /// The configuration it runs with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Requests in flight.
    pub fn flights(&self) -> &Flights {
        &self.flights
    }

    /// Figures of requests.
    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Becomes true when the server stops: answers that go on and on end then.
    pub(crate) fn stopping(&self) -> tokio::sync::watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// Ends answers that go on and on.
    pub(crate) fn stop_following(&self) {
        self.stopping.send_replace(true);
    }

    /// Runs what outlives a request and its connection, beside the threads that serve those.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        match &self.runtime {
            Some(runtime) => runtime.spawn(task),
            None => tokio::spawn(task),
        }
    }

    /// The unsealed cluster.
    ///
    /// # Errors
    /// 503 while sealed, not initialised or stopping.
    pub fn unsealed(&self) -> ApiResult<Arc<Unsealed>> {
        match &**self.state.load() {
            State::Unsealed(unsealed) => Ok(Arc::clone(unsealed)),
            State::Sealed(_) | State::Uninitialised => {
                Err(ApiError::unavailable("Vault is sealed"))
            }
            State::Stopped => Err(ApiError::unavailable("the server is stopping")),
        }
    }

    /// Whether there is a store.
    pub fn initialised(&self) -> bool {
        !matches!(&**self.state.load(), State::Uninitialised)
    }

    /// Audit devices open their files anew, as log rotation asks for by SIGHUP.
    pub fn reopen_audit(&self) {
        if let Ok(unsealed) = self.unsealed() {
            unsealed.audit.reopen();
        }
    }

    /// The store in use, sealed or not.
    fn store(&self) -> Option<Store> {
        match &**self.state.load() {
            State::Sealed(sealed) => Some(sealed.store.clone()),
            State::Unsealed(unsealed) => Some(unsealed.store.clone()),
            State::Uninitialised | State::Stopped => None,
        }
    }

    /// Itself, for work that outlives a borrow.
    pub(crate) fn me(&self) -> ApiResult<Arc<Self>> {
        self.me.upgrade().ok_or_else(|| ApiError::unavailable("the server is stopping"))
    }

    fn set(&self, state: State) {
        self.state.store(Arc::new(state));
    }
}

impl Sealed {
    fn open(path: &Path, config: &Config) -> Result<Self, StartError> {
        let store = Store::open(path, store_options(config))
            .map_err(|e| StartError::Store(e.to_string()))?;
        report_durable(&store);
        Self::of(store)
    }

    /// The sealed form of an open store.
    fn of(store: Store) -> Result<Self, StartError> {
        let bytes = store
            .get(NODE, SEAL_KEY.as_bytes())
            .map_err(|e| StartError::Seal(e.to_string()))?
            .ok_or_else(|| StartError::Seal("there is none".to_owned()))?
            .value;
        let entry = SealEntry::decode(&bytes).map_err(|e| StartError::Seal(e.to_string()))?;
        Ok(Self { store, entry, progress: Mutex::default() })
    }

    fn progress(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn store_options(config: &Config) -> Options {
    let retention_bytes = config.log_retention_bytes;
    let snapshot_bytes = config.snapshot_retention_bytes;
    let io_uring = config.io_uring;
    Options {
        retention_bytes,
        snapshot_bytes,
        io_uring,
        at_rest: Some(allocator::give_back),
        ..Options::default()
    }
}

/// Says how the log is written, which was measured when the store was opened.
fn report_durable(store: &Store) {
    let Some(report) = store.durable_report() else { return };
    let best = report.timings.iter().find(|(method, _)| *method == report.method);
    let micros = best.map(|(_, time)| time.as_micros());
    tracing::info!(method = report.method.name(), micros, "durable writes of the log");
}
