//! `sys/monitor`: the server's log as it is written, until the client goes or the server stops.

use crate::handler::{SysCall, SysFuture, SysRoute};
use crate::logical::{ApiError, ApiResult, Field, Method, Operation, Parts, Response};
use crate::telemetry::{self, Follow, Form};

const MONITOR: &[Field] = &[
    Field::text("log_format", "`standard` or `json`").query(),
    Field::text("log_level", "Lowest level to show").query(),
];

/// The routes; each server has a log of its own.
pub(super) static ROUTES: &[SysRoute] = &[SysRoute::new(
    "monitor",
    "Follow the server's log",
    &[Method::local(Operation::Read, monitor)],
)
.takes(MONITOR)];

fn monitor(call: SysCall) -> SysFuture {
    Box::pin(async move {
        let mut log = follow(&call)?;
        let mut stopping = call.cluster.stopping();
        let (sender, parts) = Parts::channel("text/plain; charset=utf-8");
        tokio::spawn(async move {
            loop {
                // What was written before the stop still gets through.
                let line = tokio::select! {
                    biased;
                    line = log.next() => line,
                    () = sender.closed() => return,
                    _ = stopping.wait_for(|stopping| *stopping) => return,
                };
                let Some(line) = line else { return };
                if sender.send(Ok(line.into())).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response { parts: Some(parts), ..Response::empty() })
    })
}

fn follow(call: &SysCall) -> ApiResult<Follow> {
    let asked = |name: &str| call.query(name).filter(|text| !text.is_empty());
    let level = telemetry::parse_level(asked("log_level").unwrap_or("info"))
        .map_err(|_| ApiError::bad_request("unknown log level"))?;
    let form = match asked("log_format") {
        None | Some("standard") => Form::Standard,
        Some("json") => Form::Json,
        Some(_) => return Err(ApiError::bad_request("unknown log format")),
    };
    Ok(Follow::new(level, form))
}
