//! A root token from key shares, for a cluster that nobody can log in to any more.
//!
//! The token leaves only as `base64(token XOR otp)`; whoever began knows the one-time password.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::Serialize;
use zeroize::Zeroizing;

use super::gather::{Gathered, check, seal_entry};
use super::{Cluster, Unsealed};
use crate::logical::{ApiError, ApiResult};
use crate::token;

/// A root token that is being made.
pub(super) struct RootAttempt {
    gathered: Gathered,
    otp: Zeroizing<String>,
}

/// The body of `sys/generate-root/attempt` and `update`.
#[derive(Serialize)]
pub struct RootStatus {
    /// One is being made.
    pub started: bool,
    /// Names the attempt; empty when there is none.
    pub nonce: String,
    /// Key shares given so far.
    pub progress: usize,
    /// Key shares that it takes.
    pub required: u8,
    /// The token is made.
    pub complete: bool,
    /// The token under the one-time password, base64 without padding; only when complete.
    pub encoded_token: String,
    /// The same, by its old name.
    pub encoded_root_token: String,
    /// Always empty.
    pub pgp_fingerprint: &'static str,
    /// The one-time password; a secret, only in the answer to the start.
    pub otp: Zeroizing<String>,
    /// Characters of the password and of the token.
    pub otp_length: usize,
}

/// Characters of a root token.
const TOKEN_LEN: usize = 28;

impl Cluster {
    /// How far a new root token is.
    ///
    /// # Errors
    /// 503 while sealed.
    pub fn root_token_status(&self) -> ApiResult<RootStatus> {
        let unsealed = self.unsealed()?;
        let required = seal_entry(&unsealed)?.threshold;
        Ok(status(unsealed.operations.lock().root.as_ref(), required))
    }

    /// Begins to make a root token, with the one-time password of whoever brings one.
    ///
    /// # Errors
    /// 400 when one is being made already, or for a password that is not as long as a token.
    pub fn root_token_start(&self, given: Zeroizing<String>) -> ApiResult<RootStatus> {
        let unsealed = self.unsealed()?;
        let required = seal_entry(&unsealed)?.threshold;
        // Whoever brings a one-time password has it already: it is not shown.
        let (otp, shown) = if given.is_empty() {
            let otp = one_time_password()?;
            (otp.clone(), otp)
        } else if given.len() == TOKEN_LEN {
            (given, Zeroizing::default())
        } else {
            return Err(ApiError::bad_request("OTP string has incorrect length"));
        };
        let mut under_way = unsealed.operations.lock();
        if under_way.root.is_some() {
            return Err(ApiError::bad_request("root generation already in progress"));
        }
        let attempt = RootAttempt { gathered: Gathered::new(), otp };
        tracing::warn!(nonce = attempt.gathered.nonce, "somebody began to make a root token");
        let status = status(Some(under_way.root.insert(attempt)), required);
        Ok(RootStatus { otp: shown, ..status })
    }

    /// Forgets the attempt and its key shares.
    ///
    /// # Errors
    /// 503 while sealed.
    pub fn root_token_cancel(&self) -> ApiResult<()> {
        self.unsealed()?.operations.lock().root = None;
        Ok(())
    }

    /// Takes one key share; makes the token when there are enough, and ends the attempt then.
    ///
    /// # Errors
    /// 400 without an attempt, for another nonce, a malformed share, or wrong shares, which are
    /// forgotten; 500 when the token cannot be stored.
    pub async fn root_token_update(
        &self,
        key: &str,
        nonce: &str,
        now: SystemTime,
    ) -> ApiResult<RootStatus> {
        let unsealed = self.unsealed()?;
        let entry = seal_entry(&unsealed)?;
        let (shares, otp, mut done) = {
            let mut under_way = unsealed.operations.lock();
            let attempt = under_way
                .root
                .as_mut()
                .ok_or_else(|| ApiError::bad_request("no root generation in progress"))?;
            let added = attempt.gathered.add(key, nonce, entry.threshold, "root generation")?;
            let Some(shares) = added else { return Ok(status(Some(attempt), entry.threshold)) };
            (shares, attempt.otp.clone(), status(Some(attempt), entry.threshold))
        };
        check(&entry, &shares)?;
        let token = make(&unsealed, now).await?;
        unsealed.operations.lock().root = None;
        tracing::warn!(nonce, "a root token was made from key shares");
        done.progress = shares.len();
        done.complete = true;
        done.encoded_token = encode(&token, &otp);
        done.encoded_root_token.clone_from(&done.encoded_token);
        Ok(done)
    }
}

fn status(attempt: Option<&RootAttempt>, required: u8) -> RootStatus {
    let gathered = attempt.map(|a| &a.gathered);
    RootStatus {
        started: attempt.is_some(),
        nonce: gathered.map_or_else(String::new, |g| g.nonce.clone()),
        progress: gathered.map_or(0, Gathered::progress),
        required,
        complete: false,
        encoded_token: String::new(),
        encoded_root_token: String::new(),
        pgp_fingerprint: "",
        otp: Zeroizing::default(),
        otp_length: TOKEN_LEN,
    }
}

/// Random letters and digits, as many as a token has characters.
fn one_time_password() -> ApiResult<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(2 * TOKEN_LEN));
    while text.len() < TOKEN_LEN {
        text.push_str(&token::generate_accessor().map_err(ApiError::internal)?);
    }
    text.truncate(TOKEN_LEN);
    Ok(text)
}

async fn make(unsealed: &Unsealed, now: SystemTime) -> ApiResult<Zeroizing<String>> {
    let id = token::generate_id().map_err(ApiError::internal)?;
    let mut session = unsealed.session();
    token::create_root(&mut session, &id, now)?;
    session.into_txn().commit().await.map_err(|e| crate::dispatch::commit_error(&e))?;
    Ok(id)
}

fn encode(token: &str, otp: &str) -> String {
    let mixed: Zeroizing<Vec<u8>> =
        Zeroizing::new(token.bytes().zip(otp.bytes()).map(|(a, b)| a ^ b).collect());
    STANDARD_NO_PAD.encode(&*mixed)
}
