//! [`ClusterOps`] of a [`Cluster`].

use super::ops::{
    ClusterOps, DevHandover, ForwardReply, ForwardRequest, NewStore, OpsError, OpsFuture,
    ReplaceError,
};
use super::{Cluster, SEAL_KEY};
use crate::dispatch;
use crate::keyspace::NODE;

impl ClusterOps for Cluster {
    fn execute(&self, req: ForwardRequest) -> OpsFuture<'_, ForwardReply> {
        Box::pin(dispatch::execute_forwarded(self, req))
    }

    fn replace_store(&self, new: NewStore) -> OpsFuture<'_, Result<(), ReplaceError>> {
        Box::pin(Cluster::replace_store(self, new))
    }

    fn seal_entry(&self) -> Result<Vec<u8>, OpsError> {
        let store = self.store().ok_or(OpsError::NoStore)?;
        let entry = store
            .get(NODE, SEAL_KEY.as_bytes())
            .map_err(|e| OpsError::Read(e.to_string()))?
            .ok_or_else(|| OpsError::Read("it is missing".to_owned()))?;
        Ok(entry.value)
    }

    fn dev(&self) -> Option<DevHandover> {
        self.dev_keys()
    }
}
