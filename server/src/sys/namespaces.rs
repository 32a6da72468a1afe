//! `sys/namespaces`: there is the root namespace and no other.

use crate::barrier::Session;
use crate::handler::{CoreCall, CoreRoute};
use crate::logical::{ApiError, ApiResult, Field, Method, Operation, Response};

const NAMESPACE: &[Field] = &[Field::pairs("custom_metadata", "Free notes")];

/// The routes.
pub(super) static ROUTES: &[CoreRoute] = &[
    CoreRoute::new("namespaces", "List the namespaces", &[Method::local(Operation::List, none)])
        .takes(&[]),
    CoreRoute::new(
        "namespaces/{path..}",
        "Show a namespace",
        &[
            Method::local(Operation::Read, none),
            Method::local(Operation::Write, refuse),
            Method::local(Operation::Patch, refuse),
            Method::local(Operation::Delete, delete),
        ],
    )
    .takes(NAMESPACE),
];

fn none(_core: &CoreCall<'_>, _session: &mut Session) -> ApiResult<Response> {
    Err(ApiError::not_found())
}

fn refuse(_core: &CoreCall<'_>, _session: &mut Session) -> ApiResult<Response> {
    Err(ApiError::bad_request("namespaces are not supported by this version"))
}

#[expect(clippy::unnecessary_wraps, reason = "the type of every handler")]
fn delete(_core: &CoreCall<'_>, _session: &mut Session) -> ApiResult<Response> {
    Ok(Response::empty().warn("requested namespace does not exist"))
}
