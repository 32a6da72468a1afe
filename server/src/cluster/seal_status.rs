//! Whether a cluster is sealed, and how far an attempt to unseal it is.

use serde::Serialize;

use super::{Cluster, Sealed, State};

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

impl Cluster {
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
}
