//! What a server is told at start: the configuration file and the flags, checked and typed.

use std::net::SocketAddr;
use std::path::PathBuf;

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
    /// Do not lock memory.
    pub disable_mlock: bool,
    /// `trace`, `debug`, `info`, `warn` or `error`.
    pub log_level: String,
    /// How much of the log is kept for secondaries that are away, bytes.
    pub log_retention_bytes: u64,
    /// Development mode.
    pub dev: Option<DevConfig>,
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
}

/// Development mode: initialised and unsealed by itself, keys kept in the open in `dev.json`.
#[derive(Debug, Clone)]
pub struct DevConfig {
    /// Id of the first root token; drawn when absent.
    pub root_token_id: Option<String>,
}

impl Config {
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
}
