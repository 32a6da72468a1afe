//! `sys/generate-root` without a token, `sys/generate-root-token` with one, `sys/decode-token`.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use crate::handler::{SysCall, SysFuture, SysHandler, SysRoute};
use crate::logical::{ApiError, ApiResult, Field, Method, Operation, Response, Scalar};

/// By its old name and below `attempt`.
const ATTEMPT: &[Method<SysHandler>] = &[
    Method::local(Operation::Read, status),
    Method::local(Operation::Write, start),
    Method::local(Operation::Delete, cancel),
];

const GENERATE_ROOT_UPDATE: &[Field] =
    &[Field::text("key", "One key share"), Field::text("nonce", "Nonce of the attempt")];
const GENERATE_ROOT: &[Field] = &[
    Field::text("otp", "The one-time password"),
    Field::text("pgp_key", "PGP key to encrypt it with"),
];
const DECODE_TOKEN: &[Field] = &[
    Field::text("encoded_token", "The token as `generate-root` gave it"),
    Field::text("otp", "The one-time password"),
];

/// The routes. Tokens are local, so each cluster makes its own.
pub(super) static ROUTES: &[SysRoute] = &[
    SysRoute::new("generate-root", "Begin, show or cancel a new root token", ATTEMPT)
        .public()
        .takes(GENERATE_ROOT),
    SysRoute::new("generate-root/attempt", "Begin, show or cancel a new root token", ATTEMPT)
        .public()
        .takes(GENERATE_ROOT),
    SysRoute::new(
        "generate-root/update",
        "Give one key share for a new root token",
        &[Method::local(Operation::Write, update)],
    )
    .public()
    .takes(GENERATE_ROOT_UPDATE),
    SysRoute::new(
        "generate-root-token/attempt",
        "Begin, show or cancel a new root token",
        &[
            Method::local(Operation::Read, status_data),
            Method::local(Operation::Write, start_data),
            Method::local(Operation::Delete, cancel),
        ],
    )
    .sudo()
    .takes(GENERATE_ROOT),
    SysRoute::new(
        "generate-root-token/update",
        "Give one key share for a new root token",
        &[Method::local(Operation::Write, update_data)],
    )
    .sudo()
    .takes(GENERATE_ROOT_UPDATE),
    SysRoute::new(
        "decode-token",
        "Decode a new root token by its one-time password",
        &[Method::local(Operation::Write, decode)],
    )
    .public()
    .takes(DECODE_TOKEN),
];

/// In the envelope, for the paths with a token.
fn enveloped(future: SysFuture) -> SysFuture {
    Box::pin(async move { Ok(Response { bare: false, ..future.await? }) })
}

fn status(call: SysCall) -> SysFuture {
    Box::pin(async move { Response::bare(&call.cluster.root_token_status()?) })
}

fn status_data(call: SysCall) -> SysFuture {
    enveloped(status(call))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct StartBody {
    pgp_key: Scalar,
    otp: Option<Zeroizing<String>>,
}

fn start(call: SysCall) -> SysFuture {
    Box::pin(async move {
        let body: StartBody = call.parse()?;
        if !body.pgp_key.0.is_empty() {
            return Err(ApiError::bad_request("PGP keys are not supported by this version"));
        }
        Response::bare(&call.cluster.root_token_start(body.otp.unwrap_or_default())?)
    })
}

fn start_data(call: SysCall) -> SysFuture {
    enveloped(start(call))
}

fn cancel(call: SysCall) -> SysFuture {
    Box::pin(async move {
        call.cluster.root_token_cancel()?;
        Ok(Response::empty())
    })
}

/// One key share.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct ShareBody {
    /// Hex or base64.
    pub(super) key: Zeroizing<String>,
    /// Names the operation.
    pub(super) nonce: Scalar,
}

fn update(call: SysCall) -> SysFuture {
    Box::pin(async move {
        let body: ShareBody = call.parse()?;
        Response::bare(&call.cluster.root_token_update(&body.key, &body.nonce.0, call.now).await?)
    })
}

fn update_data(call: SysCall) -> SysFuture {
    enveloped(update(call))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct DecodeBody {
    encoded_token: Scalar,
    otp: Scalar,
}

fn decode(call: SysCall) -> SysFuture {
    Box::pin(async move {
        let body: DecodeBody = call.parse()?;
        Response::data(&json!({ "token": token_of(&body)? }))
    })
}

fn token_of(body: &DecodeBody) -> ApiResult<String> {
    let text = &body.encoded_token.0;
    let mixed = STANDARD_NO_PAD
        .decode(text)
        .or_else(|_| STANDARD.decode(text))
        .map_err(|_| ApiError::bad_request("encoded_token is not base64"))?;
    if mixed.is_empty() || mixed.len() != body.otp.0.len() {
        return Err(ApiError::bad_request("encoded_token and otp do not belong together"));
    }
    let plain = mixed.iter().zip(body.otp.0.bytes()).map(|(a, b)| a ^ b).collect();
    String::from_utf8(plain)
        .map_err(|_| ApiError::bad_request("encoded_token and otp do not belong together"))
}
