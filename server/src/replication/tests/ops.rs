//! What replication asks of the server around it, faked; and calls for it to forward.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use strongroom_storage::{KeyspaceId, Store};

use crate::barrier::{Barrier, Session};
use crate::cluster::ops::{
    ClusterOps, DevHandover, ForwardReply, ForwardRequest, NewStore, OpsError, OpsFuture,
    ReplaceError,
};
use crate::logical::{Caller, Operation, Response};

/// Where the tests' replicated data lies.
pub(super) const DATA: KeyspaceId = KeyspaceId([0xda; 16]);

/// Runs forwarded calls by writing their body to [`DATA`] at their path, and counts them.
#[derive(Default)]
pub(super) struct FakeOps {
    pub(super) executed: Mutex<HashMap<String, usize>>,
    pub(super) target: Mutex<Option<(Store, Arc<Barrier>)>>,
    pub(super) replaced: Mutex<Vec<NewStore>>,
}

impl ClusterOps for FakeOps {
    fn execute(&self, req: ForwardRequest) -> OpsFuture<'_, ForwardReply> {
        Box::pin(async move {
            *self.executed.lock().unwrap().entry(req.path.clone()).or_default() += 1;
            assert!(req.caller.token_id.is_empty(), "a token crossed");
            let (store, barrier) = self.target.lock().unwrap().clone().unwrap();
            let mut session = Session::new(store.begin(), barrier, Arc::default());
            session.view(DATA).put(&req.path, &req.body).unwrap();
            let lsn = session.into_txn().commit().await.unwrap().lsn.0;
            ForwardReply { result: Ok(Response::data(&req.secondary_id).unwrap()), lsn }
        })
    }

    fn replace_store(&self, new: NewStore) -> OpsFuture<'_, Result<(), ReplaceError>> {
        self.replaced.lock().unwrap().push(new);
        Box::pin(async { Ok(()) })
    }

    fn seal_entry(&self) -> Result<Vec<u8>, OpsError> {
        Ok(b"seal".to_vec())
    }

    fn dev(&self) -> Option<DevHandover> {
        Some(DevHandover { root_token: "root".into(), unseal_keys: vec!["key".into()] })
    }
}

/// A call to be forwarded.
pub(super) fn call(path: &str, body: &str) -> ForwardRequest {
    ForwardRequest {
        op: Operation::Write,
        path: path.into(),
        query: Vec::new(),
        body: bytes::Bytes::copy_from_slice(body.as_bytes()),
        caller: Caller { token_id: "secret-hash".into(), ..Caller::default() },
        address: None,
        certificates: Vec::new(),
        secondary_id: "forged".into(),
    }
}
