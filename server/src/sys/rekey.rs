//! `sys/rekey` without a token, `sys/rotate/root` with one.

use serde::Deserialize;
use serde_json::Value;

use super::generate_root::ShareBody;
use super::seal::{given, seal_numbers};
use super::{SysCall, SysFuture, SysHandler};
use crate::cluster::RekeyPlan;
use crate::logical::{
    Access, ApiError, ApiResult, Flag, Integer, Method, Operation, Response, Route,
};

/// One route of the family.
const fn route(
    pattern: &'static str,
    summary: &'static str,
    access: Access,
    methods: &'static [Method<SysHandler>],
) -> Route<SysHandler> {
    Route { pattern, summary, access, exists: None, methods }
}

const INIT: &str = "Begin, show or cancel the making of new key shares";
const UPDATE: &str = "Give one old key share";
const VERIFY: &str = "Give one new key share back";
const BACKUP: &str = "Show or remove the backup of PGP-encrypted key shares";

/// The routes. How the root key is wrapped is each cluster's own.
pub(super) static ROUTES: &[Route<SysHandler>] = &[
    route(
        "rekey/init",
        INIT,
        Access::Public,
        &[
            Method::local(Operation::Read, status),
            Method::local(Operation::Write, start),
            Method::local(Operation::Delete, cancel),
        ],
    ),
    route("rekey/update", UPDATE, Access::Public, &[Method::local(Operation::Write, update)]),
    route(
        "rekey/verify",
        VERIFY,
        Access::Public,
        &[
            Method::local(Operation::Read, verify_status),
            Method::local(Operation::Write, verify),
            Method::local(Operation::Delete, verify_restart),
        ],
    ),
    route(
        "rekey/backup",
        BACKUP,
        Access::Sudo,
        &[Method::local(Operation::Read, backup), Method::local(Operation::Delete, no_backup)],
    ),
    route(
        "rotate/root/init",
        INIT,
        Access::Sudo,
        &[
            Method::local(Operation::Read, status_data),
            Method::local(Operation::Write, start_data),
            Method::local(Operation::Delete, cancel),
        ],
    ),
    route(
        "rotate/root/update",
        UPDATE,
        Access::Sudo,
        &[Method::local(Operation::Write, update_data)],
    ),
    route(
        "rotate/root/verify",
        VERIFY,
        Access::Sudo,
        &[
            Method::local(Operation::Read, verify_status_data),
            Method::local(Operation::Write, verify_data),
            Method::local(Operation::Delete, verify_restart_data),
        ],
    ),
    route(
        "rotate/root/backup",
        BACKUP,
        Access::Sudo,
        &[Method::local(Operation::Read, backup), Method::local(Operation::Delete, no_backup)],
    ),
];

fn enveloped(future: SysFuture) -> SysFuture {
    Box::pin(async move { Ok(Response { bare: false, ..future.await? }) })
}

fn status(call: SysCall) -> SysFuture {
    Box::pin(async move { Response::bare(&call.cluster.rekey_status()?) })
}

fn status_data(call: SysCall) -> SysFuture {
    enveloped(status(call))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    secret_shares: Integer,
    secret_threshold: Integer,
    require_verification: Flag,
    pgp_keys: Option<Value>,
}

fn start(call: SysCall) -> SysFuture {
    Box::pin(async move {
        let plan = plan(&call.parse()?)?;
        Response::bare(&call.cluster.rekey_start(plan)?)
    })
}

fn plan(body: &Body) -> ApiResult<RekeyPlan> {
    if given(body.pgp_keys.as_ref()) {
        return Err(ApiError::bad_request("PGP keys are not supported by this version"));
    }
    let (shares, threshold) = seal_numbers(body.secret_shares.0, body.secret_threshold.0)?;
    Ok(RekeyPlan { shares, threshold, verify: body.require_verification.0 })
}

fn start_data(call: SysCall) -> SysFuture {
    enveloped(start(call))
}

fn cancel(call: SysCall) -> SysFuture {
    Box::pin(async move {
        call.cluster.rekey_cancel()?;
        Ok(Response::empty())
    })
}

fn update(call: SysCall) -> SysFuture {
    Box::pin(async move {
        let body: ShareBody = call.parse()?;
        Response::bare(&call.cluster.rekey_update(&body.key, &body.nonce.0).await?)
    })
}

fn update_data(call: SysCall) -> SysFuture {
    enveloped(update(call))
}

fn verify_status(call: SysCall) -> SysFuture {
    Box::pin(async move { Response::bare(&call.cluster.rekey_verify_status()?) })
}

fn verify_status_data(call: SysCall) -> SysFuture {
    enveloped(verify_status(call))
}

fn verify(call: SysCall) -> SysFuture {
    Box::pin(async move {
        let body: ShareBody = call.parse()?;
        Response::bare(&call.cluster.rekey_verify(&body.key, &body.nonce.0).await?)
    })
}

fn verify_data(call: SysCall) -> SysFuture {
    enveloped(verify(call))
}

fn verify_restart(call: SysCall) -> SysFuture {
    Box::pin(async move { Response::bare(&call.cluster.rekey_verify_restart()?) })
}

fn verify_restart_data(call: SysCall) -> SysFuture {
    enveloped(verify_restart(call))
}

/// Shares are never kept: that takes PGP keys.
fn backup(_call: SysCall) -> SysFuture {
    Box::pin(async move { Err(ApiError::bad_request("no backed-up keys found")) })
}

fn no_backup(_call: SysCall) -> SysFuture {
    Box::pin(async move { Ok(Response::empty()) })
}
