//! What an auth method keeps by name in its mount's keyspace: roles, most of all.

use serde::de::DeserializeOwned;
use strongroom_storage::KeyspaceId;

use crate::barrier::{Session, View, ViewError};
use crate::handler::CoreCall;
use crate::logical::{ApiResult, Response};

/// Entries below a prefix, JSON each. Their names are the same in any case.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named(pub(super) &'static str);

impl Named {
    /// Where the entry of a name is.
    pub(super) fn key(self, name: &str) -> String {
        format!("{}{}", self.0, name.to_lowercase())
    }

    /// Whether there is one of this name.
    pub(super) fn exists(self, view: &mut View<'_>, name: &str) -> ApiResult<bool> {
        Ok(view.exists(&self.key(name))?)
    }

    /// The one of this name.
    pub(super) fn load<T: DeserializeOwned>(
        self,
        keyspace: KeyspaceId,
        session: &mut Session,
        name: &str,
    ) -> Result<Option<T>, ViewError> {
        session.view(keyspace).get_json(&self.key(name))
    }

    /// The names in order, `most` at the most.
    pub(super) fn names(
        self,
        keyspace: KeyspaceId,
        session: &mut Session,
        most: usize,
    ) -> Vec<String> {
        session.view(keyspace).list(self.0, None, most)
    }

    /// The names that a LIST asks for, `most` at the most.
    pub(super) fn list(
        self,
        core: &CoreCall<'_>,
        session: &mut Session,
        most: usize,
    ) -> ApiResult<Response> {
        let (after, limit) = core.call.page(most)?;
        Response::list(&session.view(core.keyspace).list(self.0, after, limit))
    }

    /// Removes the one of this name, if there is one.
    #[expect(clippy::unnecessary_wraps, reason = "the type of every handler")]
    pub(super) fn delete(
        self,
        core: &CoreCall<'_>,
        session: &mut Session,
        name: &str,
    ) -> ApiResult<Response> {
        session.view(core.keyspace).delete(&self.key(name));
        Ok(Response::empty())
    }
}
