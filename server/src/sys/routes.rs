//! The tables of `sys/` and how a call finds its handler.

use std::sync::Arc;

use super::{
    backup, capabilities, config, generate_root, health, host, internal, keys, locked, loggers,
    metrics, monitor, mounts, namespaces, passwords, plugins, policies, rekey, remount, rotation,
    seal, tools, ui,
};
use crate::cluster::Cluster;
use crate::dispatch::Request;
use crate::handler::{CoreHandler, SysCall, SysHandler};
use crate::logical::{
    Access, ApiError, ApiResult, Caller, Described, Method, Operation, Params, Route, Served,
    find_route, matches,
};
use crate::{audit, describe, quota, replication, token, wrapping};

/// On one transaction.
static CORE: [&[Route<CoreHandler>]; 18] = [
    mounts::ROUTES,
    policies::ROUTES,
    passwords::ROUTES,
    plugins::ROUTES,
    namespaces::ROUTES,
    capabilities::ROUTES,
    locked::ROUTES,
    token::LEASE_ROUTES,
    ui::ROUTES,
    wrapping::ROUTES,
    audit::ROUTES,
    describe::ROUTES,
    config::ROUTES,
    internal::ROUTES,
    remount::ROUTES,
    rotation::ROUTES,
    tools::ROUTES,
    quota::ROUTES,
];
/// On the cluster itself.
static WAITS: [&[Route<SysHandler>]; 11] = [
    seal::ROUTES,
    health::ROUTES,
    keys::ROUTES,
    replication::ROUTES,
    generate_root::ROUTES,
    rekey::ROUTES,
    metrics::ROUTES,
    host::ROUTES,
    loggers::ROUTES,
    monitor::ROUTES,
    backup::ROUTES,
];

/// A handler of `sys/`.
pub enum Found<'p> {
    /// Works on one transaction.
    Core(&'static Route<CoreHandler>, &'static Method<CoreHandler>, Params<'p>),
    /// Works on the cluster.
    Waits(&'static Route<SysHandler>, &'static Method<SysHandler>, Params<'p>),
}

impl Found<'_> {
    /// Who may call.
    pub fn access(&self) -> Access {
        match self {
            Self::Core(route, ..) => route.access,
            Self::Waits(route, ..) => route.access,
        }
    }

    /// Where it runs on a secondary.
    pub fn served(&self) -> Served {
        match self {
            Self::Core(_, method, _) => method.served,
            Self::Waits(_, method, _) => method.served,
        }
    }
}

/// The handler of `path`, which is without `sys/`.
///
/// # Errors
/// 404 or 405.
pub fn find(op: Operation, path: &str) -> ApiResult<Found<'_>> {
    let mut error = ApiError::unsupported_path();
    let mut keep = |e: ApiError| {
        if e.status == 405 {
            error = e;
        }
    };
    for table in CORE {
        match find_route(table, op, path) {
            Ok((route, method, params)) => return Ok(Found::Core(route, method, params)),
            Err(e) => keep(e),
        }
    }
    for table in WAITS {
        match find_route(table, op, path) {
            Ok((route, method, params)) => return Ok(Found::Waits(route, method, params)),
            Err(e) => keep(e),
        }
    }
    Err(error)
}

/// Whether a path, which is without `sys/`, needs no token for any of its verbs.
pub fn open_to_anyone(path: &str) -> bool {
    described().iter().any(|r| r.access == Access::Public && matches(r.pattern, path))
}

/// Every path of `sys/`.
pub fn described() -> Vec<Described> {
    let core = CORE.iter().flat_map(|table| table.iter().map(Route::describe));
    let waits = WAITS.iter().flat_map(|table| table.iter().map(Route::describe));
    core.chain(waits).collect()
}

/// The handler of a path that answers in every state, and the call for it.
///
/// # Errors
/// 405 for another verb on such a path.
pub fn find_always(
    cluster: &Arc<Cluster>,
    request: &Request,
) -> ApiResult<Option<(SysHandler, SysCall)>> {
    let Some(path) = request.path.strip_prefix("sys/") else { return Ok(None) };
    for table in WAITS {
        match find_route(table, request.op, path) {
            Ok((route, method, params)) if route.access == Access::Always => {
                let call = SysCall::new(cluster, request, path, &params, &Caller::default());
                return Ok(Some((method.run, call)));
            }
            Err(_) if always(table, path) => return Err(ApiError::no_such_verb()),
            _ => {}
        }
    }
    Ok(None)
}

/// Whether a path, which is without `sys/`, answers in every state.
pub fn answers_always(path: &str) -> bool {
    WAITS.iter().any(|table| always(table, path))
}

fn always(table: &[Route<SysHandler>], path: &str) -> bool {
    table.iter().any(|r| r.access == Access::Always && r.pattern == path.trim_end_matches('/'))
}
