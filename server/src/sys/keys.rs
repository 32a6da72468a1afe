//! `sys/key-status`, `sys/rotate`.

use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{SysCall, SysFuture, SysHandler};
use crate::logical::{Access, Method, Operation, Response, Route};

/// The routes.
pub(super) static ROUTES: &[Route<SysHandler>] = &[
    Route {
        pattern: "key-status",
        summary: "Show the barrier key in use",
        access: Access::Token,
        exists: None,
        methods: &[Method::local(Operation::Read, key_status)],
    },
    Route {
        pattern: "rotate",
        summary: "Rotate the barrier key",
        access: Access::Sudo,
        exists: None,
        methods: &[Method::primary(Operation::Write, rotate)],
    },
    Route {
        pattern: "rotate/keyring",
        summary: "Rotate the barrier key",
        access: Access::Sudo,
        exists: None,
        methods: &[Method::primary(Operation::Write, rotate)],
    },
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
