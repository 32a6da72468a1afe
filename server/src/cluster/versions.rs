//! Which versions of the server have run on a store.

use strongroom_storage::CommitError;

use super::Unsealed;
use crate::barrier::ViewError;
use crate::engine::stamp::Stamp;
use crate::keyspace::NODE;

/// Versions in the order of their arrival, and when each came; in NODE, since every cluster is
/// upgraded for itself.
const VERSIONS_KEY: &str = "versions";

/// Why the list was not kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum VersionsError {
    #[error(transparent)]
    View(#[from] ViewError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl Unsealed {
    /// Versions that have run here, oldest first.
    ///
    /// # Errors
    /// See [`ViewError`].
    pub fn versions(&self) -> Result<Vec<(String, Stamp)>, ViewError> {
        Ok(self.session().view(NODE).get_json(VERSIONS_KEY)?.unwrap_or_default())
    }

    /// Puts this version on the list, if it is not the last one there.
    pub(super) async fn note_version(&self, now: Stamp) -> Result<(), VersionsError> {
        let mut versions = self.versions()?;
        let own = env!("CARGO_PKG_VERSION");
        if versions.last().is_some_and(|(last, _)| last == own) {
            return Ok(());
        }
        versions.push((own.to_owned(), now));
        let mut session = self.session();
        session.view(NODE).put_json(VERSIONS_KEY, &versions)?;
        session.into_txn().commit().await?;
        Ok(())
    }
}
