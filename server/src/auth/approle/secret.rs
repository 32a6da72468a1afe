//! Stored secret ids. The secret id itself is stored nowhere.
//!
//! | key | value |
//! |---|---|
//! | `secret/<role uid>/<hash>` | [`SecretEntry`] |
//! | `accessor/<role uid>/<accessor>` | the hash |
//! | `expiry/<time>/<role uid>/<hash>` | empty; time in seconds, 16 hexadecimal digits |
//!
//! They are in the mount's keyspace, or below `approle/<mount accessor>/` in LOCAL for roles whose
//! secret ids are each cluster's own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use strongroom_storage::KeyspaceId;
use zeroize::Zeroizing;

use crate::auth::Cidr;
use crate::barrier::{BarrierError, Session, ViewError};
use crate::engine::stamp::Stamp;
use crate::handler::CoreCall;

const SALT_KEY: &str = "salt";
const SALT_LEN: usize = 32;
/// Expired secret ids that go with every new one, so that they never pile up.
const PRUNE: usize = 16;
/// Secret ids that go with a role at once; the rest is out of reach and goes when it expires or
/// with the mount.
const REMOVE_MAX: usize = 10_000;

/// One secret id.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SecretEntry {
    /// Names it without being it.
    pub(super) accessor: String,
    /// Logins left, 0 for any number.
    pub(super) num_uses: i64,
    /// Seconds, 0 for ever.
    pub(super) ttl: u64,
    /// When it was made.
    pub(super) created: Stamp,
    /// When it was used or changed.
    pub(super) updated: Stamp,
    /// `None`: never.
    pub(super) expires: Option<Stamp>,
    /// Metadata of the tokens.
    pub(super) metadata: BTreeMap<String, String>,
    /// Where logins may come from, as given.
    pub(super) cidr_list: Vec<String>,
    /// Where the tokens may be used from.
    pub(super) token_bound_cidrs: Vec<Cidr>,
}

impl SecretEntry {
    /// Whether it may be used at `now`.
    pub(super) fn valid(&self, now: Stamp) -> bool {
        self.expires.is_none_or(|at| now < at)
    }
}

/// Draws the mount's salt, if it has none.
pub(super) fn ensure_salt(core: &CoreCall<'_>, session: &mut Session) -> Result<(), ViewError> {
    let mut view = session.view(core.keyspace);
    if view.exists(SALT_KEY)? {
        return Ok(());
    }
    let mut salt = Zeroizing::new([0; SALT_LEN]);
    getrandom::fill(&mut *salt).map_err(|_| BarrierError::Random)?;
    view.put(SALT_KEY, &*salt)
}

/// Where a secret id is kept: its salted hash.
pub(super) fn hash(
    core: &CoreCall<'_>,
    session: &mut Session,
    secret_id: &str,
) -> Result<String, ViewError> {
    let salt = session
        .view(core.keyspace)
        .cached(SALT_KEY, |bytes| <[u8; SALT_LEN]>::try_from(bytes).ok())?
        .ok_or(ViewError::Decode)?;
    Ok(blake3::keyed_hash(&salt, secret_id.as_bytes()).to_hex().to_string())
}

/// The secret ids of a role, wherever they are.
pub(super) struct Secrets {
    keyspace: KeyspaceId,
    prefix: String,
    uid: String,
}

impl Secrets {
    /// Of the role with this uid, in a keyspace, below a prefix.
    pub(super) fn new(keyspace: KeyspaceId, prefix: String, uid: String) -> Self {
        Self { keyspace, prefix, uid }
    }

    fn key(&self, hash: &str) -> String {
        format!("{}secret/{}/{hash}", self.prefix, self.uid)
    }

    fn accessors(&self) -> String {
        format!("{}accessor/{}/", self.prefix, self.uid)
    }

    fn expiry(&self, at: Stamp, hash: &str) -> String {
        format!("{}/{}/{hash}", self.expiry_at(at), self.uid)
    }

    fn expiry_at(&self, at: Stamp) -> String {
        format!("{}expiry/{:016x}", self.prefix, at.unix().max(0))
    }

    /// The entry of a hash.
    pub(super) fn load(
        &self,
        session: &mut Session,
        hash: &str,
    ) -> Result<Option<SecretEntry>, ViewError> {
        session.view(self.keyspace).get_json(&self.key(hash))
    }

    /// The hash behind an accessor.
    pub(super) fn hash_of(
        &self,
        session: &mut Session,
        accessor: &str,
    ) -> Result<Option<String>, ViewError> {
        let key = format!("{}{accessor}", self.accessors());
        let hash = session.view(self.keyspace).get(&key)?;
        Ok(hash.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Adds a secret id, and removes some that have expired.
    pub(super) fn add(
        &self,
        session: &mut Session,
        hash: &str,
        entry: &SecretEntry,
    ) -> Result<(), ViewError> {
        self.prune(session, entry.created, PRUNE)?;
        let mut view = session.view(self.keyspace);
        view.put_json(&self.key(hash), entry)?;
        view.put(&format!("{}{}", self.accessors(), entry.accessor), hash.as_bytes())?;
        if let Some(at) = entry.expires {
            view.put(&self.expiry(at, hash), b"")?;
        }
        Ok(())
    }

    /// Writes a secret id that was used.
    pub(super) fn update(
        &self,
        session: &mut Session,
        hash: &str,
        entry: &SecretEntry,
    ) -> Result<(), ViewError> {
        session.view(self.keyspace).put_json(&self.key(hash), entry)
    }

    /// Removes a secret id.
    pub(super) fn remove(&self, session: &mut Session, hash: &str, entry: &SecretEntry) {
        let mut view = session.view(self.keyspace);
        view.delete(&self.key(hash));
        view.delete(&format!("{}{}", self.accessors(), entry.accessor));
        if let Some(at) = entry.expires {
            view.delete(&self.expiry(at, hash));
        }
    }

    /// Removes the secret ids of a role that goes.
    pub(super) fn remove_all(&self, session: &mut Session) {
        let mut view = session.view(self.keyspace);
        for prefix in [self.key(""), self.accessors()] {
            for key in view.scan_unvalidated(&prefix, None, REMOVE_MAX) {
                view.delete(&key);
            }
        }
    }

    /// Accessors of all that have not expired.
    pub(super) fn list(&self, session: &mut Session, limit: usize) -> Vec<String> {
        session.view(self.keyspace).list(&self.accessors(), None, limit)
    }

    /// Removes at most `limit` secret ids, of any role, that ended before `now`; how many it were.
    pub(super) fn prune(
        &self,
        session: &mut Session,
        now: Stamp,
        limit: usize,
    ) -> Result<usize, ViewError> {
        let mut view = session.view(self.keyspace);
        let all = view.scan_unvalidated(&format!("{}expiry/", self.prefix), None, limit);
        let end = self.expiry_at(now);
        let expired: Vec<String> = all.into_iter().take_while(|key| *key < end).collect();
        for key in &expired {
            let mut parts = key.rsplitn(3, '/');
            if let (Some(hash), Some(uid)) = (parts.next(), parts.next()) {
                let of = Self { uid: uid.to_owned(), prefix: self.prefix.clone(), ..*self };
                if let Some(entry) = view.get_json::<SecretEntry>(&of.key(hash))? {
                    view.delete(&of.key(hash));
                    view.delete(&format!("{}{}", of.accessors(), entry.accessor));
                }
            }
            view.delete(key);
        }
        Ok(expired.len())
    }
}
