//! What is asked and answered while new key shares are made.

use serde::Serialize;
use zeroize::Zeroizing;

/// What the new shares are to be.
#[derive(Debug, Clone, Copy)]
pub struct RekeyPlan {
    /// In all.
    pub shares: u8,
    /// That unseal.
    pub threshold: u8,
    /// They count only once given back.
    pub verify: bool,
}

/// The body of `sys/rekey/init`, and of `update` until there are enough shares.
#[derive(Debug, Serialize)]
pub struct RekeyStatus {
    /// New shares are being made.
    pub started: bool,
    /// Names the operation; empty when there is none.
    pub nonce: String,
    /// New shares that will unseal.
    pub t: u8,
    /// New shares in all.
    pub n: u8,
    /// Old shares given so far.
    pub progress: usize,
    /// Old shares that it takes.
    pub required: u8,
    /// Always null.
    pub pgp_fingerprints: Option<()>,
    /// Always false.
    pub backup: bool,
    /// The new shares have to be given back.
    pub verification_required: bool,
    /// Names the giving back, once it is due.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub verification_nonce: String,
}

/// What `sys/rekey/update` answers at the end; the only time that the new shares are shown.
#[derive(Serialize)]
pub struct RekeyReply {
    /// Names the operation.
    pub nonce: String,
    /// Always true.
    pub complete: bool,
    /// New shares, hex.
    pub keys: Vec<Zeroizing<String>>,
    /// The same, base64.
    pub keys_base64: Vec<Zeroizing<String>>,
    /// Always null.
    pub pgp_fingerprints: Option<()>,
    /// Always false.
    pub backup: bool,
    /// They have to be given back before they count.
    pub verification_required: bool,
    /// Names the giving back.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub verification_nonce: String,
}

/// An answer to a share.
#[derive(Serialize)]
#[serde(untagged)]
pub enum RekeyStep {
    /// More are needed.
    More(RekeyStatus),
    /// These are the new ones.
    Done(RekeyReply),
}

/// The body of `sys/rekey/verify`.
#[derive(Debug, Serialize)]
pub struct VerifyStatus {
    /// Names the giving back; empty when none is due.
    pub nonce: String,
    /// Shares are awaited.
    pub started: bool,
    /// That unseal.
    pub t: u8,
    /// In all.
    pub n: u8,
    /// Given back so far.
    pub progress: usize,
    /// The new shares are in force.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub complete: bool,
}
