//! From a request to an answer.

use crate::cluster::Cluster;
use crate::cluster::ops::{ForwardReply, ForwardRequest};
use crate::logical::ApiError;

/// Runs a call that a secondary forwarded.
#[expect(clippy::unused_async, reason = "commits")]
pub async fn execute_forwarded(_cluster: &Cluster, _req: ForwardRequest) -> ForwardReply {
    ForwardReply { result: Err(ApiError::unavailable("the server is still coming up")), lsn: 0 }
}
