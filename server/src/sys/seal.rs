//! `sys/init`, `sys/seal-status`, `sys/unseal`, `sys/seal`.

use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::cluster::{InitRequest, UnsealRequest};
use crate::handler::{SysCall, SysFuture, SysRoute};
use crate::logical::{ApiError, ApiResult, Field, Flag, Integer, Method, Operation, Response};

const INIT: &[Field] = &[
    Field::words("pgp_keys", "PGP keys, one for each share"),
    Field::words("recovery_pgp_keys", "Of other seals: without effect"),
    Field::integer("recovery_shares", "Of other seals: without effect"),
    Field::integer("recovery_threshold", "Of other seals: without effect"),
    Field::text("root_token_pgp_key", "PGP key to encrypt the root token with"),
    Field::integer("secret_shares", "How many key shares to make"),
    Field::integer("secret_threshold", "How many of them unseal"),
];
const UNSEAL: &[Field] = &[
    Field::text("key", "One key share"),
    Field::flag("reset", "Whether to forget the shares given so far"),
];

/// The routes.
pub(super) static ROUTES: &[SysRoute] = &[
    SysRoute::new(
        "init",
        "Tell whether the cluster is initialised, or initialise it",
        &[Method::local(Operation::Read, init_status), Method::local(Operation::Write, init)],
    )
    .always()
    .takes(INIT),
    SysRoute::new(
        "seal-status",
        "Tell whether the cluster is sealed",
        &[Method::local(Operation::Read, status)],
    )
    .always()
    .takes(&[]),
    SysRoute::new("unseal", "Give one key share", &[Method::local(Operation::Write, unseal)])
        .always()
        .takes(UNSEAL),
    SysRoute::new("seal", "Seal the cluster", &[Method::local(Operation::Write, seal)])
        .sudo()
        .takes(&[]),
];

#[derive(Deserialize, Default)]
#[serde(default)]
struct InitBody {
    secret_shares: Integer,
    secret_threshold: Integer,
    pgp_keys: Option<Value>,
    root_token_pgp_key: Option<Value>,
    recovery_shares: Option<Integer>,
    recovery_threshold: Option<Integer>,
    recovery_pgp_keys: Option<Value>,
    stored_shares: Option<Integer>,
}

fn init_status(call: SysCall) -> SysFuture {
    Box::pin(async move { Response::bare(&json!({ "initialized": call.cluster.initialised() })) })
}

fn init(call: SysCall) -> SysFuture {
    Box::pin(async move {
        if call.cluster.initialised() {
            return Err(ApiError::bad_request("Vault is already initialized"));
        }
        let body: InitBody = call.parse()?;
        no_extras(&body)?;
        let (shares, threshold) = seal_numbers(body.secret_shares.0, body.secret_threshold.0)?;
        let request = InitRequest { shares, threshold, root_token_id: None };
        Response::bare(&call.cluster.init(request).await?)
    })
}

fn no_extras(body: &InitBody) -> ApiResult<()> {
    if given(body.pgp_keys.as_ref()) || given(body.root_token_pgp_key.as_ref()) {
        return Err(ApiError::bad_request("PGP keys are not supported by this version"));
    }
    let positive = |n: Option<Integer>| n.is_some_and(|n| n.0 != 0);
    if positive(body.recovery_shares)
        || positive(body.recovery_threshold)
        || positive(body.stored_shares)
        || given(body.recovery_pgp_keys.as_ref())
    {
        return Err(ApiError::bad_request(
            "parameters recovery_shares,recovery_threshold not applicable to seal type shamir",
        ));
    }
    Ok(())
}

/// How many key shares, and how many of them unseal.
pub(super) fn seal_numbers(shares: i64, threshold: i64) -> ApiResult<(u8, u8)> {
    let wrong =
        |what: &str| Err(ApiError::bad_request(format!("invalid seal configuration: {what}")));
    if shares < 1 {
        return wrong("shares must be at least one");
    }
    if threshold < 1 {
        return wrong("threshold must be at least one");
    }
    if shares > 1 && threshold == 1 {
        return wrong("threshold must be greater than one for multiple shares");
    }
    match (u8::try_from(shares), u8::try_from(threshold)) {
        (Err(_), _) => wrong("shares must be less than 256"),
        (Ok(shares), Ok(threshold)) if threshold <= shares => Ok((shares, threshold)),
        _ => wrong("threshold cannot be larger than shares"),
    }
}

/// Whether a field says anything; clients send empty lists and strings for nothing.
pub(super) fn given(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(list)) => !list.is_empty(),
        Some(_) => true,
    }
}

fn status(call: SysCall) -> SysFuture {
    Box::pin(async move { Response::bare(&call.cluster.seal_status()) })
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct UnsealBody {
    key: Option<Zeroizing<String>>,
    reset: Flag,
    migrate: Flag,
}

fn unseal(call: SysCall) -> SysFuture {
    Box::pin(async move {
        let body: UnsealBody = call.parse()?;
        if body.migrate.0 {
            return Err(ApiError::bad_request(
                "this server has one kind of seal: nothing to migrate",
            ));
        }
        let request = UnsealRequest { key: body.key, reset: body.reset.0 };
        Response::bare(&call.cluster.unseal(request).await?)
    })
}

fn seal(call: SysCall) -> SysFuture {
    Box::pin(async move {
        call.cluster.seal().await?;
        Ok(Response::empty())
    })
}
