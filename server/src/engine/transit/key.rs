//! A key with its versions: the stored form, the rules on versions, and the form ready for use.
//!
//! One entry `key/<name>` holds all versions, so that a rotation or a change of rules is one write.
//! Decoded keys are cached by the version of that entry; a cipher is scheduled once per key version.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use serde::{Deserialize, Serialize};

use super::super::stamp::Stamp;
use super::cipher::{self, Cipher};
use super::derive::{self, MISSING_CONTEXT};
use super::kind::Kind;
use super::secret::Secret;
use crate::barrier::View;
use crate::logical::{ApiError, ApiResult};

/// Bytes of the HMAC key that every version has.
const HMAC_KEY_LEN: usize = 32;
/// Bytes of a public key, which follows the seed in a stored signing key.
pub(super) const PUBLIC_LEN: usize = 32;

/// One version as stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Version {
    /// A symmetric key; for ed25519 the seed and the public key.
    pub(super) key: Secret,
    pub(super) hmac_key: Secret,
    /// Public key, of signing keys that are not derived.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) public: Vec<u8>,
    pub(super) created: Stamp,
}

/// When, and at which version, a key was backed up or restored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Event {
    pub(super) time: Stamp,
    pub(super) version: u32,
}

/// A key as stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "as the API has them")]
pub(super) struct Stored {
    pub(super) kind: Kind,
    pub(super) derived: bool,
    pub(super) convergent: bool,
    pub(super) exportable: bool,
    pub(super) allow_plaintext_backup: bool,
    pub(super) deletion_allowed: bool,
    pub(super) latest: u32,
    pub(super) min_decryption: u32,
    /// 0: no limit.
    pub(super) min_encryption: u32,
    /// 0: nothing was trimmed.
    pub(super) min_available: u32,
    /// Seconds; 0: never.
    pub(super) auto_rotate_period: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) backup: Option<Event>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) restore: Option<Event>,
    pub(super) versions: BTreeMap<u32, Version>,
}

/// What a new key is to be.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "as the API has them")]
pub(super) struct Settings {
    pub(super) kind: Kind,
    pub(super) derived: bool,
    pub(super) convergent: bool,
    pub(super) exportable: bool,
    pub(super) allow_plaintext_backup: bool,
    pub(super) auto_rotate_period: i64,
}

impl Stored {
    /// A new key with one version.
    pub(super) fn generate(settings: &Settings, now: Stamp) -> ApiResult<Self> {
        if settings.convergent && !settings.derived {
            return Err(ApiError::bad_request(
                "convergent encryption requires derivation to be enabled",
            ));
        }
        if settings.convergent && !settings.kind.encrypts() {
            let name = settings.kind.name();
            return Err(ApiError::bad_request(format!(
                "convergent encryption not supported for keys of type {name}"
            )));
        }
        if settings.derived && !settings.kind.derives() {
            let name = settings.kind.name();
            return Err(ApiError::bad_request(format!(
                "key derivation not supported for keys of type {name}"
            )));
        }
        let mut stored = Self {
            kind: settings.kind,
            derived: settings.derived,
            convergent: settings.convergent,
            exportable: settings.exportable,
            allow_plaintext_backup: settings.allow_plaintext_backup,
            deletion_allowed: false,
            latest: 0,
            min_decryption: 1,
            min_encryption: 0,
            min_available: 0,
            auto_rotate_period: settings.auto_rotate_period,
            backup: None,
            restore: None,
            versions: BTreeMap::new(),
        };
        stored.rotate(now)?;
        Ok(stored)
    }

    /// Adds a version, which becomes the latest.
    pub(super) fn rotate(&mut self, now: Stamp) -> ApiResult<()> {
        let latest = self
            .latest
            .checked_add(1)
            .ok_or_else(|| ApiError::bad_request("the key has too many versions"))?;
        let mut key = Secret::random(self.kind.key_len())?;
        let mut public = Vec::new();
        if self.kind.signs() {
            let pair = cipher::signing_key(key.expose())?;
            let public_key = pair.public_key().as_ref();
            key = Secret::from_bytes([key.expose(), public_key].concat());
            if !self.derived {
                public = public_key.to_vec();
            }
        }
        let hmac_key = Secret::random(HMAC_KEY_LEN)?;
        self.versions.insert(latest, Version { key, hmac_key, public, created: now });
        self.latest = latest;
        Ok(())
    }

    /// The version to encrypt or sign with; 0 asks for the latest.
    pub(super) fn version_to_write(&self, requested: i64, purpose: &str) -> ApiResult<u32> {
        let refuse =
            |why| Err(ApiError::bad_request(format!("requested version for {purpose} is {why}")));
        if requested == 0 {
            return Ok(self.latest);
        }
        if requested < 0 {
            return refuse("negative");
        }
        match u32::try_from(requested) {
            Ok(version) if version <= self.latest => {
                let minimum = self.min_encryption.max(self.min_decryption);
                if version < minimum {
                    return refuse("less than the minimum encryption key version");
                }
                Ok(version)
            }
            _ => refuse("higher than the latest key version"),
        }
    }

    /// The version to decrypt or verify with. `what` names the text in errors.
    pub(super) fn version_to_read(&self, version: i64, what: &str) -> ApiResult<u32> {
        if version > i64::from(self.latest) {
            return Err(ApiError::bad_request(format!("{what}: version is too new")));
        }
        match u32::try_from(version) {
            Ok(version) if version >= self.min_decryption => Ok(version),
            _ => Err(ApiError::bad_request(
                "ciphertext or signature version is disallowed by policy (too old)",
            )),
        }
    }

    /// The material of a version that the rules allow.
    pub(super) fn material(&self, version: u32) -> ApiResult<&Version> {
        self.versions
            .get(&version)
            .ok_or_else(|| ApiError::bad_request(format!("key version {version} is not available")))
    }
}

/// A decoded key with its ciphers.
pub(super) struct Key {
    /// As stored.
    pub(super) stored: Stored,
    ciphers: BTreeMap<u32, OnceLock<Prepared>>,
}

enum Prepared {
    Cipher(Box<Cipher>),
    Signer(Ed25519KeyPair),
}

/// A cipher or signer of the key itself, or one made for a context.
pub(super) enum Use<'k, T> {
    Shared(&'k T),
    Derived(Box<T>),
}

impl<T> std::ops::Deref for Use<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Shared(t) => t,
            Self::Derived(t) => t,
        }
    }
}

impl Key {
    /// Ready for use.
    pub(super) fn new(stored: Stored) -> Self {
        let ciphers = stored.versions.keys().map(|n| (*n, OnceLock::new())).collect();
        Self { stored, ciphers }
    }

    /// The key at `name`, from the cache if it has not changed.
    ///
    /// # Errors
    /// 404 for what is no name of a key.
    pub(super) fn load(view: &mut View<'_>, name: &str) -> ApiResult<Option<Arc<Self>>> {
        if !is_name(name) {
            return Err(ApiError::unsupported_path());
        }
        Ok(view.cached(&entry(name), |plain| serde_json::from_slice(plain).ok().map(Self::new))?)
    }

    /// The cipher of a version, for a context if the key is derived.
    pub(super) fn cipher(
        &self,
        version: u32,
        context: Option<&[u8]>,
    ) -> ApiResult<Use<'_, Cipher>> {
        let material = self.stored.material(version)?;
        if self.stored.derived {
            let context = required(context)?;
            return derive::cipher(&self.stored, material, context)
                .map(|cipher| Use::Derived(Box::new(cipher)));
        }
        match self.prepared(version, || {
            Cipher::new(self.stored.kind, material.key.expose())
                .map(|cipher| Prepared::Cipher(Box::new(cipher)))
        })? {
            Prepared::Cipher(cipher) => Ok(Use::Shared(cipher)),
            Prepared::Signer(_) => Err(ApiError::internal("a signing key has no cipher")),
        }
    }

    /// The signing key of a version, for a context if the key is derived.
    pub(super) fn signer(
        &self,
        version: u32,
        context: Option<&[u8]>,
    ) -> ApiResult<Use<'_, Ed25519KeyPair>> {
        let material = self.stored.material(version)?;
        if self.stored.derived {
            let context = required(context)?;
            return derive::signer(material, context).map(|pair| Use::Derived(Box::new(pair)));
        }
        match self.prepared(version, || {
            cipher::signing_key(&material.key.expose()[..self.stored.kind.key_len()])
                .map(Prepared::Signer)
        })? {
            Prepared::Signer(pair) => Ok(Use::Shared(pair)),
            Prepared::Cipher(_) => Err(ApiError::internal("a cipher has no signing key")),
        }
    }

    fn prepared(
        &self,
        version: u32,
        make: impl FnOnce() -> ApiResult<Prepared>,
    ) -> ApiResult<&Prepared> {
        let cell = self.ciphers.get(&version);
        let cell = cell.ok_or_else(|| ApiError::internal("a key version has no cipher"))?;
        if let Some(prepared) = cell.get() {
            return Ok(prepared);
        }
        let prepared = make()?;
        Ok(cell.get_or_init(|| prepared))
    }
}

fn required(context: Option<&[u8]>) -> ApiResult<&[u8]> {
    context.filter(|c| !c.is_empty()).ok_or_else(|| ApiError::bad_request(MISSING_CONTEXT))
}

/// The public half of a stored signing key; `None` unless it belongs to the seed before it.
pub(super) fn public_half(key: &Secret, kind: Kind) -> Option<Vec<u8>> {
    let (seed, public) = key.expose().split_at_checked(kind.key_len())?;
    Ed25519KeyPair::from_seed_and_public_key(seed, public).ok().map(|_| public.to_vec())
}

/// Letters, digits, `_`, and within the name `-` and `.` too.
pub(super) fn is_name(name: &str) -> bool {
    let word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    let bytes = name.as_bytes();
    bytes.first().is_some_and(word)
        && bytes.last().is_some_and(word)
        && bytes.iter().all(|b| word(b) || matches!(b, b'-' | b'.'))
}

/// Where a key is stored.
pub(super) fn entry(name: &str) -> String {
    format!("key/{name}")
}

/// Writes a key.
pub(super) fn store(view: &mut View<'_>, name: &str, stored: &Stored) -> ApiResult<()> {
    Ok(view.put_json(&entry(name), stored)?)
}
