//! Named keys as they are stored, and how they rotate.
//!
//! A name has two key pairs: one that signs, and the one that comes next, whose public half is shown
//! beforehand, so that no verifier is surprised. A pair that no longer signs is verified with for a
//! while; its private half is gone at once.

use serde::{Deserialize, Serialize};

use super::signer::{Algorithm, Pair, Public};
use super::{STORED_MAX, names};
use crate::barrier::{Session, View, ViewError};
use crate::engine::stamp::Stamp;
use crate::keyspace::IDENTITY;
use crate::logical::{ApiError, ApiResult};

const PREFIX: &str = "oidc/key/";
/// There without having been made; its pairs are made when something refers to it.
pub(super) const DEFAULT: &str = "default";
/// Rotation and verification of a key that says nothing of them, seconds.
pub(super) const DAY: u64 = 24 * 60 * 60;

/// What the operator may set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Settings {
    pub(super) algorithm: Algorithm,
    /// Seconds between rotations.
    pub(super) rotation_period: u64,
    /// Seconds that a retired key verifies.
    pub(super) verification_ttl: u64,
    /// Roles that may use it, by their client ids; `*` for all.
    pub(super) allowed_client_ids: Vec<String>,
}

/// One key by name.
#[derive(Serialize, Deserialize)]
pub(super) struct NamedKey {
    pub(super) settings: Settings,
    signing: Pair,
    next: Pair,
    next_rotation: Stamp,
    retired: Vec<Retired>,
}

/// The public half of a pair that signs no more.
#[derive(Serialize, Deserialize)]
struct Retired {
    public: Public,
    until: Stamp,
}

impl Settings {
    /// Those of a new key.
    pub(super) fn new() -> Self {
        Self {
            algorithm: Algorithm::Rs256,
            rotation_period: DAY,
            verification_ttl: DAY,
            allowed_client_ids: Vec::new(),
        }
    }

    /// Those of the key [`DEFAULT`].
    pub(super) fn of_default() -> Self {
        Self { allowed_client_ids: vec!["*".to_owned()], ..Self::new() }
    }

    /// Whether a role or a client may use the key.
    pub(super) fn allows(&self, client_id: &str) -> bool {
        self.allowed_client_ids.iter().any(|id| id == "*" || id == client_id)
    }
}

impl NamedKey {
    /// A new one.
    pub(super) fn make(settings: Settings, now: Stamp) -> ApiResult<Self> {
        let signing = Pair::generate(settings.algorithm)?;
        let next = Pair::generate(settings.algorithm)?;
        let next_rotation = now.plus_seconds(seconds(settings.rotation_period));
        Ok(Self { settings, signing, next, next_rotation, retired: Vec::new() })
    }

    /// What signs now.
    pub(super) fn signing(&self) -> &Pair {
        &self.signing
    }

    /// Takes other settings; another algorithm needs other pairs.
    pub(super) fn set(&mut self, settings: Settings, now: Stamp) -> ApiResult<()> {
        let other = settings.algorithm != self.settings.algorithm;
        if other || settings.rotation_period != self.settings.rotation_period {
            self.next_rotation = now.plus_seconds(seconds(settings.rotation_period));
        }
        self.settings = settings;
        if other {
            self.next = Pair::generate(self.settings.algorithm)?;
            self.rotate(None, now)?;
        }
        Ok(())
    }

    /// The next pair signs from now on; the present one verifies for `verification_ttl` seconds more.
    pub(super) fn rotate(&mut self, verification_ttl: Option<u64>, now: Stamp) -> ApiResult<()> {
        let ttl = verification_ttl.unwrap_or(self.settings.verification_ttl);
        let next = std::mem::replace(&mut self.next, Pair::generate(self.settings.algorithm)?);
        let before = std::mem::replace(&mut self.signing, next);
        self.retired.retain(|old| old.until > now);
        self.retired.push(Retired { public: before.public, until: now.plus_seconds(seconds(ttl)) });
        self.next_rotation = now.plus_seconds(seconds(self.settings.rotation_period));
        Ok(())
    }

    /// The public halves that verify.
    pub(super) fn published(&self, now: Stamp) -> impl Iterator<Item = &Public> {
        let retired = self.retired.iter().filter(move |old| old.until > now).map(|old| &old.public);
        [&self.signing.public, &self.next.public].into_iter().chain(retired)
    }

    fn is_due(&self, now: Stamp) -> bool {
        self.next_rotation <= now
    }
}

fn seconds(given: u64) -> i64 {
    i64::try_from(given).unwrap_or(i64::MAX)
}

/// The key of a name, if its pairs were made.
pub(super) fn load(session: &mut Session, name: &str) -> Result<Option<NamedKey>, ViewError> {
    session.view(IDENTITY).get_json(&format!("{PREFIX}{name}"))
}

/// The settings of a key; those of [`DEFAULT`] are there without it.
pub(super) fn settings(session: &mut Session, name: &str) -> Result<Option<Settings>, ViewError> {
    let stored = load(session, name)?.map(|key| key.settings);
    Ok(stored.or_else(|| (name == DEFAULT).then(Settings::of_default)))
}

/// The key of a name, [`DEFAULT`] made if need be.
pub(super) fn ensure(session: &mut Session, name: &str, now: Stamp) -> ApiResult<Option<NamedKey>> {
    if let Some(key) = load(session, name)? {
        return Ok(Some(key));
    }
    if name != DEFAULT {
        return Ok(None);
    }
    let key = NamedKey::make(Settings::of_default(), now)?;
    store(session, name, &key)?;
    Ok(Some(key))
}

/// Writes a key.
pub(super) fn store(session: &mut Session, name: &str, key: &NamedKey) -> ApiResult<()> {
    if serde_json::to_vec(key).map_err(ApiError::internal)?.len() > STORED_MAX {
        return Err(ApiError::bad_request(
            "the key is too large, with the retired keys that still verify: 1 MiB is the limit",
        ));
    }
    Ok(session.view(IDENTITY).put_json(&format!("{PREFIX}{name}"), key)?)
}

/// Removes a key.
pub(super) fn remove(session: &mut Session, name: &str) {
    session.view(IDENTITY).delete(&format!("{PREFIX}{name}"));
}

/// The names of all keys whose pairs were made.
pub(super) fn all(view: &mut View<'_>) -> Vec<String> {
    names(view, PREFIX)
}

/// The names of the keys whose time has come.
///
/// # Errors
/// See [`ViewError`].
pub fn due(session: &mut Session, now: Stamp) -> Result<Vec<String>, ViewError> {
    let mut found = Vec::new();
    for name in all(&mut session.view(IDENTITY)) {
        if load(session, &name)?.is_some_and(|key| key.is_due(now)) {
            found.push(name);
        }
    }
    Ok(found)
}

/// Rotates a key if its time has come; whether it did.
///
/// # Errors
/// 500 when no key could be made or stored.
pub fn rotate_due(session: &mut Session, name: &str, now: Stamp) -> ApiResult<bool> {
    let Some(mut key) = load(session, name)?.filter(|key| key.is_due(now)) else {
        return Ok(false);
    };
    key.rotate(None, now)?;
    store(session, name, &key)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retired_key_verifies_for_its_time() {
        let now = Stamp::from_unix(1_000_000);
        let settings = Settings { algorithm: Algorithm::EdDsa, ..Settings::new() };
        let mut key = NamedKey::make(settings.clone(), now).unwrap();
        let ids = |key: &NamedKey, at| key.published(at).map(|p| p.id.clone()).collect::<Vec<_>>();
        let [first, second] = ids(&key, now).try_into().unwrap();
        assert!(!key.is_due(now.plus_seconds(86_399)) && key.is_due(now.plus_seconds(86_400)));
        key.rotate(Some(60), now).unwrap();
        assert_eq!(key.signing().public.id, second);
        let shown = ids(&key, now.plus_seconds(59));
        assert_eq!((shown.len(), &shown[0], &shown[2]), (3, &second, &first));
        assert_eq!(ids(&key, now.plus_seconds(60)).len(), 2);

        key.set(Settings { algorithm: Algorithm::Es256, ..settings }, now).unwrap();
        assert_eq!(key.signing().public.algorithm, Algorithm::Es256);
        assert!(ids(&key, now).contains(&second));
    }
}
