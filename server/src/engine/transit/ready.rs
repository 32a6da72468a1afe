//! A key ready for use: decoded once, its ciphers and key pairs made once per version.
//!
//! Decoded keys are cached by the version of their entry, so that a rotation swaps the whole key.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::signature::Ed25519KeyPair;

use super::cipher::{self, Cipher, HEAD_LEN};
use super::derive::{self, MISSING_CONTEXT};
use super::hash::Hash;
use super::key::{Stored, entry, is_name};
use super::kind::Family;
use super::material::{SEED_LEN, Version};
use super::native::Pkey;
use super::nonce::Generator;
use crate::barrier::View;
use crate::logical::{ApiError, ApiResult, Call};

/// The hash function of OAEP for messages.
const OAEP: Hash = Hash::Sha256;

/// A decoded key with its ciphers.
pub(super) struct Key {
    /// As stored.
    pub(super) stored: Stored,
    prepared: BTreeMap<u32, OnceLock<Prepared>>,
}

enum Prepared {
    Cipher(Box<Cipher>),
    Ed25519(Ed25519KeyPair),
    Pair(Pkey),
}

/// What a key has of its own, or what was made for a context.
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
        let prepared = stored.versions.keys().map(|n| (*n, OnceLock::new())).collect();
        Self { stored, prepared }
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

    /// The key that a call names, which must be there and in use. `what` names it in the error.
    pub(super) fn of_call(
        call: &Call<'_>,
        view: &mut View<'_>,
        what: &str,
    ) -> ApiResult<Arc<Self>> {
        let key = Self::load(view, call.param("name"))?
            .ok_or_else(|| ApiError::bad_request(format!("{what} key not found")))?;
        key.stored.must_be_in_use()?;
        Ok(key)
    }

    /// Seals what follows the first [`HEAD_LEN`] bytes of `buffer` in place; answers where the
    /// result begins.
    pub(super) fn seal(
        &self,
        version: u32,
        context: Option<&[u8]>,
        aad: &[u8],
        generator: &mut Generator,
        buffer: &mut Vec<u8>,
    ) -> ApiResult<usize> {
        if let Family::Rsa(_) = self.stored.kind.family() {
            let sealed = self.pair(version)?.oaep_seal(OAEP, &buffer[HEAD_LEN..]);
            let sealed = sealed.ok_or_else(|| {
                ApiError::bad_request(
                    "failed to RSA encrypt the plaintext: message too long for RSA key size",
                )
            })?;
            replace(buffer, &sealed);
            return Ok(HEAD_LEN);
        }
        self.cipher(version, context)?.seal(aad, generator, buffer)
    }

    /// Opens a sealed message that begins at `HEAD_LEN` less the bytes of the nonce; leaves
    /// [`HEAD_LEN`] bytes and the message.
    pub(super) fn open(
        &self,
        version: u32,
        context: Option<&[u8]>,
        aad: &[u8],
        buffer: &mut Vec<u8>,
    ) -> ApiResult<()> {
        if let Family::Rsa(_) = self.stored.kind.family() {
            self.must_be_private(version, "decryption")?;
            let message = self.pair(version)?.oaep_open(OAEP, &buffer[HEAD_LEN..]);
            let message = message.ok_or_else(|| {
                ApiError::bad_request("failed to RSA decrypt the ciphertext: decryption error")
            })?;
            replace(buffer, &message);
            return Ok(());
        }
        self.cipher(version, context)?.open(aad, buffer)
    }

    /// Refuses a version of which only the public key was imported.
    pub(super) fn must_be_private(&self, version: u32, purpose: &str) -> ApiResult<&Version> {
        let material = self.stored.material(version)?;
        if !material.is_private() {
            return Err(ApiError::bad_request(format!(
                "requested version for {purpose} does not contain a private part"
            )));
        }
        Ok(material)
    }

    /// The cipher of a version, for a context if the key is derived.
    fn cipher(&self, version: u32, context: Option<&[u8]>) -> ApiResult<Use<'_, Cipher>> {
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
            _ => Err(ApiError::internal("the key has no cipher")),
        }
    }

    /// The ed25519 key of a version, for a context if the key is derived.
    pub(super) fn ed25519(
        &self,
        version: u32,
        context: Option<&[u8]>,
    ) -> ApiResult<Use<'_, Ed25519KeyPair>> {
        let material = self.must_be_private(version, "signing")?;
        if self.stored.derived {
            let context = required(context)?;
            return derive::signer(material, context).map(|pair| Use::Derived(Box::new(pair)));
        }
        match self.prepared(version, || {
            cipher::signing_key(&material.key.expose()[..SEED_LEN]).map(Prepared::Ed25519)
        })? {
            Prepared::Ed25519(pair) => Ok(Use::Shared(pair)),
            _ => Err(ApiError::internal("the key is not ed25519")),
        }
    }

    /// The key pair of a version, or its public key alone; for RSA, curves and ML-DSA.
    pub(super) fn pair(&self, version: u32) -> ApiResult<&Pkey> {
        let material = self.stored.material(version)?;
        match self.prepared(version, || {
            let pair = material.pkey(self.stored.kind);
            pair.map(Prepared::Pair).ok_or_else(|| ApiError::internal("a key is malformed"))
        })? {
            Prepared::Pair(pair) => Ok(pair),
            _ => Err(ApiError::internal("the key is no pair")),
        }
    }

    fn prepared(
        &self,
        version: u32,
        make: impl FnOnce() -> ApiResult<Prepared>,
    ) -> ApiResult<&Prepared> {
        let cell = self.prepared.get(&version);
        let cell = cell.ok_or_else(|| ApiError::internal("a key version has no cipher"))?;
        if let Some(prepared) = cell.get() {
            return Ok(prepared);
        }
        let prepared = make()?;
        Ok(cell.get_or_init(|| prepared))
    }
}

/// Puts `message` behind the head; the buffer must have the room, so that nothing is left behind.
fn replace(buffer: &mut Vec<u8>, message: &[u8]) {
    buffer.truncate(HEAD_LEN);
    buffer.extend_from_slice(message);
}

fn required(context: Option<&[u8]>) -> ApiResult<&[u8]> {
    context.filter(|c| !c.is_empty()).ok_or_else(|| ApiError::bad_request(MISSING_CONTEXT))
}

/// The stored form of a key, to change it.
pub(super) fn load_stored(view: &mut View<'_>, name: &str) -> ApiResult<Option<Stored>> {
    Ok(Key::load(view, name)?.map(|key| key.stored.clone()))
}
