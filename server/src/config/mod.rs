//! What a server is told at start: the configuration file, the environment and the flags, checked
//! and typed.
//!
//! A file is read by [`load`]. Unknown keys never stop a server: they come back as warnings that
//! name key and line, as users of Vault expect. A known key with a wrong value does stop it.

mod env;
mod error;
mod fields;
mod file;
mod json;
mod listener;
mod network;
mod quoted;
mod size;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use env::Env;
pub use error::ConfigError;
pub use network::{ForwardedFor, Network, ProxyBehavior, ProxyProtocol};

/// API port when the listener names none.
pub const DEFAULT_API_PORT: u16 = 8200;
/// Log kept for secondaries that are away when the configuration does not say, bytes.
pub const DEFAULT_LOG_RETENTION_BYTES: u64 = 1 << 30;
/// How much log is kept for readers of older states where nothing else is said.
pub const DEFAULT_SNAPSHOT_RETENTION_BYTES: u64 = 16 << 30;
/// Longest configuration file that is read, bytes.
pub const CONFIG_FILE_BYTES_MAX: u64 = 1 << 20;

/// A server's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// API listeners; at least one.
    pub listeners: Vec<Listener>,
    /// Folder of the data; made when it is not there.
    pub data_path: PathBuf,
    /// Address that clients and secondaries reach this cluster's API at, `https://host:8200`.
    pub api_addr: Option<String>,
    /// Address that other clusters reach the cluster port at, `https://host:8201`.
    pub cluster_addr: Option<String>,
    /// Name for humans; drawn when absent.
    pub cluster_name: Option<String>,
    /// The operator knows that memory is not locked; without it the server warns at start.
    pub disable_mlock: bool,
    /// `trace`, `debug`, `info`, `warn` or `error`.
    pub log_level: String,
    /// How much of the log is kept for secondaries that are away, bytes.
    pub log_retention_bytes: u64,
    /// How much log is kept for those who read an older state, a backup for one, bytes.
    pub snapshot_retention_bytes: u64,
    /// Whether the log may be written by io_uring.
    pub io_uring: bool,
    /// How long tokens and leases live where nothing else says so.
    pub lease_times: LeaseTimes,
    /// Development mode.
    pub dev: Option<DevConfig>,
}

/// How long tokens and leases live where neither mount nor role says so. Seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseTimes {
    /// Those without a wish of their own.
    pub default: u64,
    /// None lives longer, whatever it wishes; a mount may be tuned beyond it.
    pub max: u64,
}

impl Default for LeaseTimes {
    /// 32 days.
    fn default() -> Self {
        Self { default: 2_764_800, max: 2_764_800 }
    }
}

/// One API listener.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Where to listen.
    pub address: SocketAddr,
    /// Where the cluster port listens; the API port plus one when absent.
    pub cluster_address: Option<SocketAddr>,
    /// `None`: plain HTTP (`tls_disable`).
    pub tls: Option<TlsFiles>,
    /// Bounds of requests.
    pub limits: Limits,
    /// Whom to believe about `X-Forwarded-For`.
    pub forwarded_for: ForwardedFor,
    /// `None`: connections begin with HTTP or TLS.
    pub proxy: Option<ProxyProtocol>,
    /// What it shows to anyone.
    pub open: Open,
}

/// What a listener shows to anyone, without a token.
#[derive(Debug, Clone, Copy, Default)]
pub struct Open {
    /// `sys/metrics`.
    pub metrics: bool,
    /// `sys/in-flight-req`.
    pub in_flight: bool,
}

/// Bounds of the requests that come through a listener.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of a body; larger ones answer 413.
    pub body_max: usize,
    /// A request that takes longer, its body included, is given up.
    pub duration_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_max: 32 << 20, duration_max: Duration::from_secs(90) }
    }
}

/// TLS of a listener; the files are read again on SIGHUP.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// PEM chain, leaf first.
    pub cert_file: PathBuf,
    /// PEM private key.
    pub key_file: PathBuf,
    /// `tls12` or `tls13`.
    pub min_version: Option<String>,
    /// `tls12` or `tls13`.
    pub max_version: Option<String>,
    /// Clients are asked for a certificate.
    pub client_certs: bool,
    /// PEM certificates of authorities, named to clients that are asked for a certificate.
    pub client_ca_file: Option<PathBuf>,
    /// Clients without a certificate from one of the authorities are turned away.
    pub require_client_cert: bool,
}

impl TlsFiles {
    /// A certificate and its key, and the defaults for the rest.
    pub fn new(cert_file: PathBuf, key_file: PathBuf) -> Self {
        Self {
            cert_file,
            key_file,
            min_version: None,
            max_version: None,
            client_certs: true,
            client_ca_file: None,
            require_client_cert: false,
        }
    }
}

/// Development mode: initialised and unsealed by itself, keys kept in the open in the data folder.
#[derive(Debug, Clone)]
pub struct DevConfig {
    /// Id of the first root token; drawn when absent.
    pub root_token_id: Option<String>,
}

/// A configuration and what is odd about it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Checked and typed.
    pub config: Config,
    /// The data shall not outlive the server: `data_path` is for the caller to choose.
    pub volatile: bool,
    /// One line each, for the log: unknown keys with their line.
    pub warnings: Vec<String>,
}

/// Reads and checks a configuration file, then lets the environment override addresses and log level.
///
/// # Errors
/// The file cannot be read or parsed, a value has the wrong type, or something required is missing.
pub fn load(path: &Path, env: &Env) -> Result<Loaded, ConfigError> {
    let text = read_bounded(path)?;
    let mut loaded = file::parse(&text)?;
    env.overlay(&mut loaded.config);
    Ok(loaded)
}

/// Lets a file add to the configuration of a development server: its listeners come beside that
/// server's own, its addresses, names and log level in place of them. Storage is the server's own.
///
/// # Errors
/// As [`load`], but nothing is required.
pub fn load_beside(path: &Path, config: &mut Config) -> Result<Vec<String>, ConfigError> {
    let Loaded { config: file, warnings, .. } = file::parse_any(&read_bounded(path)?)?;
    config.listeners.extend(file.listeners);
    config.api_addr = file.api_addr.or(config.api_addr.take());
    config.cluster_addr = file.cluster_addr.or(config.cluster_addr.take());
    config.cluster_name = file.cluster_name.or(config.cluster_name.take());
    config.log_level = file.log_level;
    config.log_retention_bytes = file.log_retention_bytes;
    config.lease_times = file.lease_times;
    Ok(warnings)
}

impl Config {
    /// Where clients reach the API: `api_addr`, or else what the first listener says.
    pub fn api_url(&self) -> String {
        if let Some(address) = &self.api_addr {
            return address.clone();
        }
        let Some(first) = self.listeners.first() else { return String::new() };
        let scheme = if first.tls.is_some() { "https" } else { "http" };
        format!(
            "{scheme}://{}",
            SocketAddr::new(reachable(first.address.ip()), first.address.port())
        )
    }

    /// Where the cluster port listens: as the first listener says, or its port plus one.
    pub fn cluster_listen(&self) -> SocketAddr {
        let Some(first) = self.listeners.first() else {
            return SocketAddr::from(([127, 0, 0, 1], 0));
        };
        first.cluster_address.unwrap_or_else(|| {
            let port = first.address.port();
            // Port 0 means any free port for both.
            let next = if port == 0 { 0 } else { port.checked_add(1).unwrap_or(0) };
            SocketAddr::new(first.address.ip(), next)
        })
    }

    /// A development server: one plain HTTP listener at `address`, the cluster port one above.
    pub fn for_dev(address: SocketAddr, data_path: PathBuf, root_token_id: Option<String>) -> Self {
        let host = reachable(address.ip());
        let mut config = Self {
            listeners: vec![Listener {
                address,
                cluster_address: None,
                tls: None,
                limits: Limits::default(),
                forwarded_for: ForwardedFor::default(),
                proxy: None,
                open: Open::default(),
            }],
            data_path,
            api_addr: None,
            cluster_addr: None,
            cluster_name: None,
            disable_mlock: true,
            log_level: "info".to_owned(),
            log_retention_bytes: DEFAULT_LOG_RETENTION_BYTES,
            snapshot_retention_bytes: DEFAULT_SNAPSHOT_RETENTION_BYTES,
            io_uring: true,
            lease_times: LeaseTimes::default(),
            dev: Some(DevConfig { root_token_id }),
        };
        let cluster_port = config.cluster_listen().port();
        if cluster_port != 0 {
            config.api_addr = Some(format!("http://{}", SocketAddr::new(host, address.port())));
            config.cluster_addr = Some(format!("https://{}", SocketAddr::new(host, cluster_port)));
        }
        config
    }
}

/// Others are told the loopback address where a listener takes any.
fn reachable(listening: IpAddr) -> IpAddr {
    if listening.is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { listening }
}

fn read_bounded(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > CONFIG_FILE_BYTES_MAX {
        return Err(ConfigError::TooLong { path: path.to_owned(), max: CONFIG_FILE_BYTES_MAX });
    }
    std::fs::read_to_string(path).map_err(unreadable)
}
