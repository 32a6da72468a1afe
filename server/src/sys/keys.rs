//! `sys/key-status`, `sys/rotate`.

use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::handler::{SysCall, SysFuture, SysRoute};
use crate::logical::{Method, Operation, Response};

/// The routes.
pub(super) static ROUTES: &[SysRoute] = &[
    SysRoute::new(
        "key-status",
        "Show the barrier key in use",
        &[Method::local(Operation::Read, key_status)],
    )
    .takes(&[]),
    SysRoute::new("rotate", "Rotate the barrier key", &[Method::primary(Operation::Write, rotate)])
        .sudo()
        .takes(&[]),
    SysRoute::new(
        "rotate/keyring",
        "Rotate the barrier key",
        &[Method::primary(Operation::Write, rotate)],
    )
    .sudo()
    .takes(&[]),
];

fn key_status(call: SysCall) -> SysFuture {
    Box::pin(async move {
        let unsealed = call.cluster.unsealed()?;
        let ring = unsealed.barrier.keyring();
        let term = ring.active_term();
        let installed = ring
            .installed(term)
            .and_then(|s| i64::try_from(s).ok())
            .and_then(|s| OffsetDateTime::from_unix_timestamp(s).ok())
            .and_then(|t| t.format(&Rfc3339).ok());
        let response = Response::data(&json!({
            "term": term,
            "install_time": installed,
            "encryptions": unsealed.barrier.seals(),
        }))?;
        Ok(Response { flatten: true, ..response })
    })
}

fn rotate(call: SysCall) -> SysFuture {
    Box::pin(async move {
        call.cluster.rotate(call.now).await?;
        Ok(Response::empty())
    })
}
