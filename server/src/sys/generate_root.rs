//! `sys/generate-root` without a token, `sys/generate-root-token` with one, `sys/decode-token`.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::{SysCall, SysFuture, SysHandler};
use crate::logical::{Access, ApiError, ApiResult, Method, Operation, Response, Route, Scalar};

/// By its old name and below `attempt`.
const ATTEMPT: &[Method<SysHandler>] = &[
    Method::local(Operation::Read, status),
    Method::local(Operation::Write, start),
    Method::local(Operation::Delete, cancel),
];

/// The routes. Tokens are local, so each cluster makes its own.
pub(super) static ROUTES: &[Route<SysHandler>] = &[
    Route {
        pattern: "generate-root",
        summary: "Begin, show or cancel a new root token",
        access: Access::Public,
        exists: None,
        methods: ATTEMPT,
    },
    Route {
        pattern: "generate-root/attempt",
        summary: "Begin, show or cancel a new root token",
        access: Access::Public,
        exists: None,
        methods: ATTEMPT,
    },
    Route {
        pattern: "generate-root/update",
        summary: "Give one key share for a new root token",
        access: Access::Public,
        exists: None,
        methods: &[Method::local(Operation::Write, update)],
    },
    Route {
        pattern: "generate-root-token/attempt",
        summary: "Begin, show or cancel a new root token",
        access: Access::Sudo,
        exists: None,
        methods: &[
            Method::local(Operation::Read, status_data),
            Method::local(Operation::Write, start_data),
            Method::local(Operation::Delete, cancel),
        ],
    },
    Route {
        pattern: "generate-root-token/update",
        summary: "Give one key share for a new root token",
        access: Access::Sudo,
        exists: None,
        methods: &[Method::local(Operation::Write, update_data)],
    },
    Route {
        pattern: "decode-token",
        summary: "Decode a new root token by its one-time password",
        access: Access::Public,
        exists: None,
        methods: &[Method::local(Operation::Write, decode)],
    },
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
}

fn start(call: SysCall) -> SysFuture {
    Box::pin(async move {
        let body: StartBody = call.parse()?;
        if !body.pgp_key.0.is_empty() {
            return Err(ApiError::bad_request("PGP keys are not supported by this version"));
        }
        Response::bare(&call.cluster.root_token_start()?)
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
