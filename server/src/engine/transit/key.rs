//! A key with its versions as stored, and the rules on them.
//!
//! One entry `key/<name>` holds all versions, so that a rotation or a change of rules is one write.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::stamp::Stamp;
use super::kind::{Family, Kind};
use super::material::{HMAC_KEY_LENGTHS, Version};
use crate::barrier::View;
use crate::logical::{ApiError, ApiResult};

/// When, and at which version, a key was backed up or restored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Event {
    pub(super) time: Stamp,
    pub(super) version: u32,
}

/// A key that was made elsewhere.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Imported {
    pub(super) allow_rotation: bool,
    /// It was rotated here since, and takes no more imports.
    pub(super) rotated: bool,
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
    /// Bytes of a key of type `hmac`; 0 for the other types.
    #[serde(default)]
    pub(super) key_size: u16,
    /// Whether it was imported, and if so, whether it may be rotated here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) imported: Option<Imported>,
    /// Not to be used until it is restored.
    #[serde(default)]
    pub(super) soft_deleted: bool,
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
    pub(super) key_size: u16,
}

impl Settings {
    /// Refuses what no type offers together.
    fn check(&self) -> ApiResult<()> {
        let name = self.kind.name();
        if self.convergent && !self.derived {
            return Err(ApiError::bad_request(
                "convergent encryption requires derivation to be enabled",
            ));
        }
        if self.derived && !self.kind.derives() {
            return Err(ApiError::bad_request(format!(
                "key derivation and convergent encryption not supported for keys of type {name}"
            )));
        }
        if self.convergent && !self.kind.encrypts() {
            return Err(ApiError::bad_request(format!(
                "convergent encryption not supported for keys of type {name}"
            )));
        }
        if self.kind.family() == Family::Hmac
            && !HMAC_KEY_LENGTHS.contains(&usize::from(self.key_size))
        {
            return Err(ApiError::bad_request(
                "invalid key size for HMAC key, must be between 32 and 512 bytes",
            ));
        }
        Ok(())
    }
}

impl Stored {
    /// A new key with one version.
    pub(super) fn generate(settings: &Settings, now: Stamp) -> ApiResult<Self> {
        let mut stored = Self::empty(settings)?;
        stored.rotate(now)?;
        Ok(stored)
    }

    /// A key without versions: the first must be added before it is stored.
    pub(super) fn empty(settings: &Settings) -> ApiResult<Self> {
        settings.check()?;
        Ok(Self {
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
            key_size: settings.key_size,
            imported: None,
            soft_deleted: false,
            backup: None,
            restore: None,
            versions: BTreeMap::new(),
        })
    }

    /// Adds a new version, which becomes the latest.
    pub(super) fn rotate(&mut self, now: Stamp) -> ApiResult<()> {
        let size = usize::from(self.key_size);
        if let Some(imported) = &mut self.imported {
            imported.rotated = true;
        }
        self.add(Version::generate(self.kind, self.derived, size, now)?)
    }

    /// Adds a version, which becomes the latest.
    pub(super) fn add(&mut self, version: Version) -> ApiResult<()> {
        let latest = self
            .latest
            .checked_add(1)
            .ok_or_else(|| ApiError::bad_request("the key has too many versions"))?;
        self.versions.insert(latest, version);
        self.latest = latest;
        Ok(())
    }

    /// Refuses a key that was deleted softly.
    pub(super) fn must_be_in_use(&self) -> ApiResult<()> {
        if self.soft_deleted {
            return Err(ApiError::bad_request("refusing to use soft-deleted key"));
        }
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
    ["key/", name].concat()
}

/// Writes a key.
pub(super) fn store(view: &mut View<'_>, name: &str, stored: &Stored) -> ApiResult<()> {
    Ok(view.put_json(&entry(name), stored)?)
}
