//! `sys/rekey` without a token, `sys/rotate/root` with one.

use serde::Deserialize;
use serde_json::Value;

use super::generate_root::ShareBody;
use super::seal::{given, seal_numbers};
use crate::cluster::RekeyPlan;
use crate::handler::{SysCall, SysFuture, SysRoute};
use crate::logical::{ApiError, ApiResult, Field, Flag, Integer, Method, Operation, Response};

const INIT: &str = "Begin, show or cancel the making of new key shares";
const UPDATE: &str = "Give one old key share";
const VERIFY: &str = "Give one new key share back";
const BACKUP: &str = "Show or remove the backup of PGP-encrypted key shares";

const REKEY_INIT: &[Field] = &[
    Field::flag("backup", "Whether encrypted shares are kept; or the backup to restore"),
    Field::words("pgp_keys", "PGP keys, one for each share"),
    Field::flag("require_verification", "Whether the new shares have to be given back"),
    Field::integer("secret_shares", "How many key shares to make"),
    Field::integer("secret_threshold", "How many of them unseal"),
];
const REKEY_UPDATE: &[Field] =
    &[Field::text("key", "One key share"), Field::text("nonce", "Nonce of the attempt")];

/// The routes. How the root key is wrapped is each cluster's own.
pub(super) static ROUTES: &[SysRoute] = &[
    SysRoute::new(
        "rekey/init",
        INIT,
        &[
            Method::local(Operation::Read, status),
            Method::local(Operation::Write, start),
            Method::local(Operation::Delete, cancel),
        ],
    )
    .public()
    .takes(REKEY_INIT),
    SysRoute::new("rekey/update", UPDATE, &[Method::local(Operation::Write, update)])
        .public()
        .takes(REKEY_UPDATE),
    SysRoute::new(
        "rekey/verify",
        VERIFY,
        &[
            Method::local(Operation::Read, verify_status),
            Method::local(Operation::Write, verify),
            Method::local(Operation::Delete, verify_restart),
        ],
    )
    .public()
    .takes(REKEY_UPDATE),
    SysRoute::new(
        "rekey/backup",
        BACKUP,
        &[Method::local(Operation::Read, backup), Method::local(Operation::Delete, no_backup)],
    )
    .sudo()
    .takes(&[]),
    SysRoute::new(
        "rotate/root/init",
        INIT,
        &[
            Method::local(Operation::Read, status_data),
            Method::local(Operation::Write, start_data),
            Method::local(Operation::Delete, cancel),
        ],
    )
    .sudo()
    .takes(REKEY_INIT),
    SysRoute::new("rotate/root/update", UPDATE, &[Method::local(Operation::Write, update_data)])
        .sudo()
        .takes(REKEY_UPDATE),
    SysRoute::new(
        "rotate/root/verify",
        VERIFY,
        &[
            Method::local(Operation::Read, verify_status_data),
            Method::local(Operation::Write, verify_data),
            Method::local(Operation::Delete, verify_restart_data),
        ],
    )
    .sudo()
    .takes(REKEY_UPDATE),
    SysRoute::new(
        "rotate/root/backup",
        BACKUP,
        &[Method::local(Operation::Read, backup), Method::local(Operation::Delete, no_backup)],
    )
    .sudo()
    .takes(&[]),
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
    backup: Flag,
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
    if body.backup.0 {
        return Err(ApiError::bad_request(
            "cannot request a backup of the new keys without providing PGP keys for encryption",
        ));
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
