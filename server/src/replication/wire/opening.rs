//! What opens a connection: who calls and what for, why it is turned down, and what a joining
//! secondary takes over.

use zeroize::Zeroizing;

use super::WireError;
use super::codec::{Input, Output};

/// What a connection is for; said once, in [`Hello`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Bootstrap,
    Stream,
    Reconcile,
    Forward,
}

/// First message of a secondary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) purpose: Purpose,
    pub(crate) secondary_id: String,
    /// A new one each time the secondary starts.
    pub(crate) node_id: [u8; 16],
    pub(crate) api_addr: String,
    pub(crate) cluster_addr: String,
    /// Milliseconds since the epoch.
    pub(crate) clock_ms: u64,
}

impl Hello {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.push(match self.purpose {
            Purpose::Bootstrap => 1,
            Purpose::Stream => 2,
            Purpose::Reconcile => 3,
            Purpose::Forward => 4,
        });
        out.put_text(&self.secondary_id);
        out.extend_from_slice(&self.node_id);
        out.put_text(&self.api_addr);
        out.put_text(&self.cluster_addr);
        out.put_num64(self.clock_ms);
    }

    pub(super) fn decode(input: &mut Input<'_>) -> Result<Self, WireError> {
        let purpose = match input.u8()? {
            1 => Purpose::Bootstrap,
            2 => Purpose::Stream,
            3 => Purpose::Reconcile,
            4 => Purpose::Forward,
            _ => return Err(WireError::BadValue("purpose")),
        };
        Ok(Self {
            purpose,
            secondary_id: input.text()?,
            node_id: input.array()?,
            api_addr: input.text()?,
            cluster_addr: input.text()?,
            clock_ms: input.u64()?,
        })
    }
}

/// What a joining secondary takes over. Secret, therefore without `Debug` of its fields.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Bootstrap {
    pub(crate) root_key: Zeroizing<[u8; 32]>,
    pub(crate) seal_entry: Zeroizing<Vec<u8>>,
    pub(crate) keyring: Vec<u8>,
    pub(crate) cluster_id: String,
    pub(crate) dev: Option<WireDev>,
}

/// Development mode only.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct WireDev {
    pub(crate) root_token: Zeroizing<String>,
    pub(crate) unseal_keys: Vec<Zeroizing<String>>,
}

impl std::fmt::Debug for Bootstrap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bootstrap").field("cluster_id", &self.cluster_id).finish_non_exhaustive()
    }
}

impl Bootstrap {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&*self.root_key);
        out.put_bytes(&self.seal_entry);
        out.put_bytes(&self.keyring);
        out.put_text(&self.cluster_id);
        out.put_flag(self.dev.is_some());
        if let Some(dev) = &self.dev {
            out.put_text(&dev.root_token);
            out.put_count(dev.unseal_keys.len());
            for key in &dev.unseal_keys {
                out.put_text(key);
            }
        }
    }

    pub(super) fn decode(input: &mut Input<'_>) -> Result<Self, WireError> {
        let root_key = Zeroizing::new(input.array()?);
        let seal_entry = Zeroizing::new(input.bytes()?.to_vec());
        let keyring = input.bytes()?.to_vec();
        let cluster_id = input.text()?;
        let dev = if input.flag()? {
            let root_token = Zeroizing::new(input.text()?);
            let n = input.count(4)?;
            let unseal_keys =
                (0..n).map(|_| input.text().map(Zeroizing::new)).collect::<Result<_, _>>()?;
            Some(WireDev { root_token, unseal_keys })
        } else {
            None
        };
        Ok(Self { root_key, seal_entry, keyring, cluster_id, dev })
    }
}

/// Why the primary turned a connection down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefusalCode {
    /// The certificate is not one of a known secondary, or its id is another's.
    NotKnown,
    /// The secondary was revoked while connected.
    Revoked,
    /// Too much at once, or shutting down; try again later.
    Busy,
    /// The peer broke the protocol.
    Protocol,
    /// The primary failed to do its part.
    Failed,
}

impl RefusalCode {
    pub(super) fn to_byte(self) -> u8 {
        match self {
            Self::NotKnown => 1,
            Self::Revoked => 2,
            Self::Busy => 3,
            Self::Protocol => 4,
            Self::Failed => 5,
        }
    }

    pub(super) fn from_byte(byte: u8) -> Result<Self, WireError> {
        Ok(match byte {
            1 => Self::NotKnown,
            2 => Self::Revoked,
            3 => Self::Busy,
            4 => Self::Protocol,
            5 => Self::Failed,
            _ => return Err(WireError::BadValue("refusal")),
        })
    }
}
