//! Stored tokens.
//!
//! | key in LOCAL | value |
//! |---|---|
//! | `salt` | 32 random bytes |
//! | `token/<id>` | [`TokenEntry`]; `<id>` is the salted hash of the token |
//! | `accessor/<accessor>` | the token's `<id>` |
//! | `child/<parent id>/<id>` | empty |
//! | `children/<parent id>` | empty; its version changes with every new child |
//! | `lease/<path>/<id>` | empty; the token's lease by the path that made it |
//! | `expiry/<time>/token/<id>` | empty; time in seconds, 16 hexadecimal digits |
//!
//! The token itself is stored nowhere.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::batch;
use crate::auth::{Cidr, Origin};
use crate::barrier::{Session, ViewError};
use crate::engine::stamp::Stamp;
use crate::keyspace::LOCAL;
use crate::logical::Caller;
use crate::mount;

const SALT_KEY: &str = "salt";
const SALT_LEN: usize = 32;
/// Random base62 characters of a token and of an accessor: 142 bits.
const RANDOM_CHARS: usize = 24;
/// Uses left of a token that is being used for the last time.
pub(super) const LAST_USE: i64 = -1;

/// One token, without the token itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TokenEntry {
    /// Names it without being it.
    pub accessor: String,
    /// Storage id of the parent; an orphan has none.
    pub parent: Option<String>,
    /// Sorted.
    pub policies: Vec<String>,
    /// The path that made it.
    pub path: String,
    /// As given when it was made.
    pub meta: Option<BTreeMap<String, String>>,
    /// For humans.
    pub display_name: String,
    /// Uses left; 0 for no limit, -1 during the last use.
    pub num_uses: i64,
    /// When it was made.
    pub created: Stamp,
    /// Seconds; 0 for ever.
    pub creation_ttl: u64,
    /// Seconds; 0 for none.
    pub explicit_max_ttl: u64,
    /// Seconds; 0 for none.
    pub period: u64,
    /// Whether it can be renewed.
    pub renewable: bool,
    /// Identity, or empty.
    pub entity_id: String,
    /// `None`: never.
    pub expires: Option<Stamp>,
    /// When it was renewed last.
    pub renewed: Option<Stamp>,
    /// Seconds: renewals end here; 0 for the system's longest lease.
    #[serde(default)]
    pub max_ttl: u64,
    /// The token role that made it, or empty.
    #[serde(default)]
    pub role: String,
    /// Where it may be used from; nothing for everywhere.
    #[serde(default)]
    pub bound_cidrs: Vec<Cidr>,
    /// Accessor of the auth mount that made it, empty for the token store; without the mount the
    /// token is void.
    #[serde(default)]
    pub mount_accessor: String,
    /// What the auth method goes by when the token is renewed.
    #[serde(default, skip_serializing_if = "Origin::is_none")]
    pub origin: Origin,
    /// Stored nowhere but in the token itself.
    #[serde(default)]
    pub batch: bool,
}

/// A token that may call: its entry, and the caller that handlers see.
pub struct Token {
    /// As stored.
    pub entry: TokenEntry,
    /// Ready for calls.
    pub caller: Caller,
    client_id: OnceLock<String>,
    /// What audit made of it, kept as long as it is.
    pub(crate) on_record: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl Token {
    fn decode(id: &str, stored: &[u8]) -> Option<Self> {
        serde_json::from_slice(stored).ok().map(|entry| Self::new(id, entry))
    }

    pub(super) fn new(id: &str, entry: TokenEntry) -> Self {
        let caller = Caller {
            policies: entry.policies.clone(),
            accessor: entry.accessor.clone(),
            display_name: entry.display_name.clone(),
            entity_id: entry.entity_id.clone(),
            token_id: id.to_owned(),
            metadata: entry.meta.clone().unwrap_or_default(),
            batch: entry.batch,
        };
        Self { entry, caller, client_id: OnceLock::new(), on_record: OnceLock::new() }
    }

    /// As [`Caller::client_id`], made once.
    pub fn client_id(&self) -> &str {
        self.client_id.get_or_init(|| self.caller.client_id())
    }
}

impl TokenEntry {
    /// Whether it may be used at `now`.
    pub fn valid(&self, now: Stamp) -> bool {
        self.expires.is_none_or(|at| now < at)
    }

    /// Seconds left; 0 for ever.
    pub fn ttl(&self, now: Stamp) -> u64 {
        let left = self.expires.map_or(0, |at| at.unix().saturating_sub(now.unix()));
        u64::try_from(left).unwrap_or(0)
    }

    /// Whether it holds the root policy.
    pub fn is_root(&self) -> bool {
        self.policies.iter().any(|p| p == crate::policy::ROOT)
    }
}

pub(super) fn token_key(id: &str) -> String {
    ["token/", id].concat()
}

/// Where the storage id of an accessor stands in LOCAL.
pub(crate) fn accessor_key(accessor: &str) -> String {
    format!("accessor/{accessor}")
}

pub(super) fn child_prefix(parent: &str) -> String {
    format!("child/{parent}/")
}

/// Written by every new child of `parent`, read by a revocation of `parent`.
pub(super) fn mark_key(parent: &str) -> String {
    format!("children/{parent}")
}

/// Name of a token's lease, below `lease/`.
pub(super) fn lease_id(entry: &TokenEntry, id: &str) -> String {
    format!("{}/{id}", entry.path.trim_end_matches('/'))
}

fn lease_key(entry: &TokenEntry, id: &str) -> String {
    format!("lease/{}", lease_id(entry, id))
}

fn expiry_key(at: Stamp, id: &str) -> String {
    format!("{}/token/{id}", super::sweep::expiry_prefix(at))
}

/// Draws the salt that tokens are hashed with before they are stored.
///
/// # Errors
/// See [`ViewError`].
pub fn create_salt(session: &mut Session) -> Result<(), ViewError> {
    let mut salt = Zeroizing::new([0; SALT_LEN]);
    getrandom::fill(&mut *salt).map_err(|_| crate::barrier::BarrierError::Random)?;
    session.view(LOCAL).put(SALT_KEY, &*salt)
}

/// The storage id of a token: its salted hash, 64 hexadecimal digits.
///
/// # Errors
/// See [`ViewError`].
pub fn storage_id(session: &mut Session, token: &str) -> Result<String, ViewError> {
    let salt = session
        .view(LOCAL)
        .cached(SALT_KEY, |bytes| <[u8; SALT_LEN]>::try_from(bytes).ok())?
        .ok_or(ViewError::Decode)?;
    Ok(blake3::keyed_hash(&salt, token.as_bytes()).to_hex().to_string())
}

/// The token of a storage id, expired or not.
///
/// # Errors
/// See [`ViewError`].
pub fn load(session: &mut Session, id: &str) -> Result<Option<Arc<Token>>, ViewError> {
    session.view(LOCAL).cached(&token_key(id), |stored| Token::decode(id, stored))
}

/// The token that a client sent, if it is valid at `now`: not expired, its auth mount still there,
/// and for a batch token its parent too.
///
/// # Errors
/// See [`ViewError`].
pub fn lookup(
    session: &mut Session,
    token: &str,
    now: SystemTime,
) -> Result<Option<Arc<Token>>, ViewError> {
    let now = Stamp::from(now);
    let found = if batch::is_batch(token) {
        batch::open(session, token).map(Arc::new)
    } else {
        let id = storage_id(session, token)?;
        load(session, &id)?
    };
    let Some(found) = found.filter(|t| t.entry.valid(now)) else { return Ok(None) };
    let entry = &found.entry;
    if entry.batch
        && let Some(parent) = &entry.parent
        && !load(session, parent)?.is_some_and(|p| p.entry.valid(now))
    {
        return Ok(None);
    }
    let orphaned = !entry.mount_accessor.is_empty()
        && mount::auth_by_accessor(session, &entry.mount_accessor)?.is_none();
    Ok((!orphaned).then_some(found))
}

/// The storage id behind an accessor.
///
/// # Errors
/// See [`ViewError`].
pub fn id_of_accessor(session: &mut Session, accessor: &str) -> Result<Option<String>, ViewError> {
    let id = session.view(LOCAL).get(&accessor_key(accessor))?;
    Ok(id.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// Writes a token and its indexes; `before` is what it replaces.
///
/// # Errors
/// See [`ViewError`].
pub(super) fn store(
    session: &mut Session,
    id: &str,
    entry: &TokenEntry,
    before: Option<&TokenEntry>,
) -> Result<(), ViewError> {
    let mut local = session.view(LOCAL);
    local.put_json(&token_key(id), entry)?;
    if before.is_none() {
        local.put(&accessor_key(&entry.accessor), id.as_bytes())?;
        local.put(&lease_key(entry, id), b"")?;
        if let Some(parent) = &entry.parent {
            local.put(&format!("{}{id}", child_prefix(parent)), b"")?;
            // Written blindly: children do not conflict with each other, only with a revocation.
            local.put(&mark_key(parent), b"")?;
        }
    }
    let old = before.and_then(|b| b.expires);
    if old != entry.expires {
        if let Some(at) = old {
            local.delete(&expiry_key(at, id));
        }
        if let Some(at) = entry.expires {
            local.put(&expiry_key(at, id), b"")?;
        }
    }
    Ok(())
}

/// Removes a token and its indexes, not its children.
pub(super) fn remove(session: &mut Session, id: &str, entry: &TokenEntry) {
    let mut local = session.view(LOCAL);
    local.delete(&token_key(id));
    local.delete(&accessor_key(&entry.accessor));
    local.delete(&lease_key(entry, id));
    if let Some(parent) = &entry.parent {
        local.delete(&format!("{}{id}", child_prefix(parent)));
    }
    if let Some(at) = entry.expires {
        local.delete(&expiry_key(at, id));
    }
}

/// A new service token: `hvs.` and 24 random characters.
///
/// # Errors
/// The operating system gave no random bytes.
pub fn generate_id() -> Result<Zeroizing<String>, getrandom::Error> {
    let mut id = Zeroizing::new(String::with_capacity(4 + RANDOM_CHARS));
    id.push_str("hvs.");
    push_random(&mut id)?;
    Ok(id)
}

/// A new accessor.
///
/// # Errors
/// As [`generate_id`].
pub fn generate_accessor() -> Result<String, getrandom::Error> {
    let mut accessor = String::with_capacity(RANDOM_CHARS);
    push_random(&mut accessor)?;
    Ok(accessor)
}

pub(super) fn push_random(to: &mut String) -> Result<(), getrandom::Error> {
    const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut left = RANDOM_CHARS;
    let mut bytes = Zeroizing::new([0_u8; 2 * RANDOM_CHARS]);
    while left > 0 {
        getrandom::fill(&mut *bytes)?;
        // Six bits each; the two values above 61 are dropped, so that all characters are alike.
        for index in bytes.iter().map(|b| usize::from(b & 63)).filter(|i| *i < BASE62.len()) {
            if left == 0 {
                break;
            }
            to.push(char::from(BASE62[index]));
            left -= 1;
        }
    }
    Ok(())
}
