//! New key shares, given enough of the old ones. The root key stays; what wraps it changes.
//!
//! With verification the new shares count only once enough of them were given back, so that nobody
//! is locked out by shares that got lost on their way.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::gather::{Gathered, check, seal_entry};
use super::rekey_answer::{RekeyPlan, RekeyReply, RekeyStatus, RekeyStep, VerifyStatus};
use super::shares::hex;
use super::{Cluster, DEV_KEY, SEAL_KEY, Unsealed};
use crate::keyspace::NODE;
use crate::logical::{ApiError, ApiResult};
use crate::seal::{self, SealEntry, ShamirSeal};

/// New key shares that are being made.
pub(super) struct Rekey {
    plan: RekeyPlan,
    old: Gathered,
    /// Made, and waiting for its shares to be given back.
    made: Option<Made>,
}

struct Made {
    entry: SealEntry,
    keys: Vec<Zeroizing<String>>,
    given_back: Gathered,
}

impl Cluster {
    /// How far new key shares are.
    ///
    /// # Errors
    /// 503 while sealed.
    pub fn rekey_status(&self) -> ApiResult<RekeyStatus> {
        let unsealed = self.unsealed()?;
        let required = seal_entry(&unsealed)?.threshold;
        Ok(status(unsealed.operations.lock().rekey.as_ref(), required))
    }

    /// Begins to make new key shares.
    ///
    /// # Errors
    /// 400 when that is under way already.
    pub fn rekey_start(&self, plan: RekeyPlan) -> ApiResult<RekeyStatus> {
        let unsealed = self.unsealed()?;
        let required = seal_entry(&unsealed)?.threshold;
        let mut under_way = unsealed.operations.lock();
        if under_way.rekey.is_some() {
            return Err(ApiError::bad_request("rekey already in progress"));
        }
        let rekey = Rekey { plan, old: Gathered::new(), made: None };
        tracing::warn!(nonce = rekey.old.nonce, "somebody began to make new key shares");
        Ok(status(Some(under_way.rekey.insert(rekey)), required))
    }

    /// Forgets it; the old shares stay in force.
    ///
    /// # Errors
    /// 503 while sealed.
    pub fn rekey_cancel(&self) -> ApiResult<()> {
        self.unsealed()?.operations.lock().rekey = None;
        Ok(())
    }

    /// Takes one old key share; makes the new ones when there are enough.
    ///
    /// # Errors
    /// 400 when nothing is under way, for another nonce, a malformed share, or wrong shares, which
    /// are forgotten; 500 when the new seal cannot be stored, and the old one is in force then.
    pub async fn rekey_update(&self, key: &str, nonce: &str) -> ApiResult<RekeyStep> {
        let _changing = self.changing.lock().await;
        let unsealed = self.unsealed()?;
        let old = seal_entry(&unsealed)?;
        let (shares, plan, nonce) = {
            let mut under_way = unsealed.operations.lock();
            let rekey = under_way.rekey.as_mut().filter(|r| r.made.is_none());
            let rekey = rekey.ok_or_else(|| ApiError::bad_request("no rekey in progress"))?;
            let added = rekey.old.add(key, nonce, old.threshold, "rekey")?;
            let Some(shares) = added else {
                return Ok(RekeyStep::More(status(Some(rekey), old.threshold)));
            };
            (shares, rekey.plan, rekey.old.nonce.clone())
        };
        check(&old, &shares)?;
        let (made, reply) = make(&unsealed, plan, nonce)?;
        if plan.verify {
            if let Some(rekey) = &mut unsealed.operations.lock().rekey {
                rekey.made = Some(made);
            }
        } else {
            self.take_into_force(&unsealed, &made).await?;
        }
        Ok(RekeyStep::Done(reply))
    }

    /// How far the giving back is.
    ///
    /// # Errors
    /// 400 when nothing is under way.
    pub fn rekey_verify_status(&self) -> ApiResult<VerifyStatus> {
        let unsealed = self.unsealed()?;
        let under_way = unsealed.operations.lock();
        under_way.rekey.as_ref().map(verify_status).ok_or_else(nothing_to_verify)
    }

    /// Forgets the shares given back so far.
    ///
    /// # Errors
    /// 400 when nothing is under way.
    pub fn rekey_verify_restart(&self) -> ApiResult<VerifyStatus> {
        let unsealed = self.unsealed()?;
        let mut under_way = unsealed.operations.lock();
        let rekey = under_way.rekey.as_mut().ok_or_else(nothing_to_verify)?;
        if let Some(made) = &mut rekey.made {
            made.given_back = Gathered::new();
        }
        Ok(verify_status(rekey))
    }

    /// Takes one new share back; the new shares are in force when there are enough.
    ///
    /// # Errors
    /// As [`Cluster::rekey_update`].
    pub async fn rekey_verify(&self, key: &str, nonce: &str) -> ApiResult<VerifyStatus> {
        let _changing = self.changing.lock().await;
        let unsealed = self.unsealed()?;
        let (made, mut done) = {
            let mut under_way = unsealed.operations.lock();
            let rekey = under_way.rekey.as_mut().ok_or_else(nothing_to_verify)?;
            let threshold = rekey.plan.threshold;
            let made = rekey.made.as_mut().ok_or_else(nothing_to_verify)?;
            let added = made.given_back.add(key, nonce, threshold, "verify")?;
            let Some(shares) = added else { return Ok(verify_status(rekey)) };
            check(&made.entry, &shares)?;
            let (entry, keys) = (made.entry.clone(), made.keys.clone());
            (Made { entry, keys, given_back: Gathered::new() }, verify_status(rekey))
        };
        self.take_into_force(&unsealed, &made).await?;
        done.complete = true;
        Ok(done)
    }

    /// Stores the new seal; in development mode the open keys with it.
    async fn take_into_force(&self, unsealed: &Arc<Unsealed>, made: &Made) -> ApiResult<()> {
        let mut txn = unsealed.store.begin();
        txn.put(NODE, SEAL_KEY.as_bytes(), made.entry.encode().map_err(ApiError::internal)?);
        if let Some(mut dev) = self.dev_keys() {
            dev.unseal_keys = made.keys.iter().map(|k| k.to_string()).collect();
            let plain = serde_json::to_vec(&dev).map_err(ApiError::internal)?;
            txn.put(NODE, DEV_KEY.as_bytes(), plain);
        }
        txn.commit().await.map_err(|e| crate::dispatch::commit_error(&e))?;
        unsealed.operations.lock().rekey = None;
        tracing::warn!("the key shares were replaced by new ones");
        Ok(())
    }
}

fn nothing_to_verify() -> ApiError {
    ApiError::bad_request("no rekey configuration found")
}

fn make(unsealed: &Unsealed, plan: RekeyPlan, nonce: String) -> ApiResult<(Made, RekeyReply)> {
    let seal = ShamirSeal::generate().map_err(ApiError::internal)?;
    let shares = seal::split(seal.key(), plan.shares, plan.threshold)
        .map_err(|e| ApiError::bad_request(e.to_string()))?;
    let entry = SealEntry::new(&seal, &unsealed.root_key, plan.shares, plan.threshold)
        .map_err(ApiError::internal)?;
    let keys: Vec<_> = shares.iter().map(|s| Zeroizing::new(hex(s))).collect();
    let given_back = Gathered::new();
    let verification_nonce = if plan.verify { given_back.nonce.clone() } else { String::new() };
    let reply = RekeyReply {
        nonce,
        complete: true,
        keys: keys.clone(),
        keys_base64: shares.iter().map(|s| Zeroizing::new(STANDARD.encode(s))).collect(),
        pgp_fingerprints: None,
        backup: false,
        verification_required: plan.verify,
        verification_nonce,
    };
    Ok((Made { entry, keys, given_back }, reply))
}

fn status(rekey: Option<&Rekey>, required: u8) -> RekeyStatus {
    let made = rekey.and_then(|r| r.made.as_ref());
    RekeyStatus {
        started: rekey.is_some(),
        nonce: rekey.map_or_else(String::new, |r| r.old.nonce.clone()),
        t: rekey.map_or(0, |r| r.plan.threshold),
        n: rekey.map_or(0, |r| r.plan.shares),
        progress: rekey.map_or(0, |r| r.old.progress()),
        required,
        pgp_fingerprints: None,
        backup: false,
        verification_required: rekey.is_some_and(|r| r.plan.verify),
        verification_nonce: made.map_or_else(String::new, |m| m.given_back.nonce.clone()),
    }
}

fn verify_status(rekey: &Rekey) -> VerifyStatus {
    let given = rekey.made.as_ref().map(|m| &m.given_back);
    VerifyStatus {
        nonce: given.map_or_else(String::new, |g| g.nonce.clone()),
        started: given.is_some(),
        t: rekey.plan.threshold,
        n: rekey.plan.shares,
        progress: given.map_or(0, Gathered::progress),
        complete: false,
    }
}
