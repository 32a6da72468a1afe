//! Which mount a path of `sys/mounts/` or `sys/auth/` is about.

use crate::barrier::Session;
use crate::handler::CoreCall;
use crate::logical::{ApiError, ApiResult};
use crate::mount::{self, AUTH_KEY, LOCAL_AUTH_KEY, LOCAL_KEY, MOUNTS_KEY, MountEntry};

/// Tables of the secrets engines.
pub(super) const SECRETS: [&str; 2] = [MOUNTS_KEY, LOCAL_KEY];
/// Tables of the auth methods.
pub(super) const AUTH: [&str; 2] = [AUTH_KEY, LOCAL_AUTH_KEY];

/// Which table a path of `sys/mounts/` or `sys/auth/` is about, its mount path with the slash, and
/// whether it is about tuning.
pub(super) struct Place<'k> {
    pub(super) keys: &'k [&'k str],
    pub(super) path: String,
    pub(super) tune: bool,
}

impl Place<'_> {
    pub(super) fn secrets(core: &CoreCall<'_>) -> ApiResult<Self> {
        let path = core.call.param("path").trim_end_matches('/');
        match path.strip_prefix("auth/").and_then(|p| p.strip_suffix("/tune")) {
            Some(auth) => Self::new(&AUTH, auth, true),
            None => Self::split(&SECRETS, path),
        }
    }

    pub(super) fn auth(core: &CoreCall<'_>) -> ApiResult<Self> {
        Self::split(&AUTH, core.call.param("path").trim_end_matches('/'))
    }

    fn split(keys: &'static [&'static str], path: &str) -> ApiResult<Self> {
        match path.strip_suffix("/tune") {
            Some(mount) => Self::new(keys, mount, true),
            None => Self::new(keys, path, false),
        }
    }

    fn new(keys: &'static [&'static str], path: &str, tune: bool) -> ApiResult<Self> {
        if path.is_empty() {
            // The list's own path, with a verb that it does not have.
            return Err(ApiError::unsupported_operation());
        }
        Ok(Self { keys, path: format!("{path}/"), tune })
    }

    /// With `auth/`, where it is one.
    pub(super) fn full_path(&self) -> String {
        if self.is_auth() { format!("auth/{}", self.path) } else { self.path.clone() }
    }

    pub(super) fn is_auth(&self) -> bool {
        self.keys == AUTH
    }

    /// What a read shows: of the secrets engines the one that the path is in, and the auth methods
    /// are below `auth/` here.
    pub(super) fn find_shown(&self, session: &mut Session) -> ApiResult<Option<MountEntry>> {
        if let Some(found) = self.find(session)? {
            return Ok(Some(found));
        }
        if self.is_auth() {
            return Ok(None);
        }
        let found = mount::route(session, mount::Scope::Here, &self.path)?;
        Ok(found.map(|(mount, _)| mount.entry.clone()))
    }

    pub(super) fn find(&self, session: &mut Session) -> ApiResult<Option<MountEntry>> {
        for key in self.keys {
            let found = mount::entries(session, key)?.into_iter().find(|e| e.path == self.path);
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}
