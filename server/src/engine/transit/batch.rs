//! Batches, and answers to them: every item gets a result, in order, whatever happens to the others.

use serde::Serialize;

use crate::logical::{ApiError, ApiResult, Response};

/// Status of a batch that failed in part, unless the request asks for another.
const PARTIAL_FAILURE: u16 = 400;

#[derive(Serialize)]
struct Answer<'a, T> {
    batch_results: &'a [T],
}

/// The answer to a batch whose failures do not show in the status.
pub(super) fn answer<T: Serialize>(results: &[T]) -> ApiResult<Response> {
    Response::data(&Answer { batch_results: results })
}

/// The status of a batch of which `failed` items failed, if it is not that of a success.
pub(super) fn status(items: usize, failed: usize, partial: Option<u16>) -> Option<u16> {
    match failed {
        0 => None,
        n if n == items => Some(400),
        _ => Some(partial.unwrap_or(PARTIAL_FAILURE)),
    }
}

/// What a request asks for, and whether it came as a batch; an empty batch is refused.
pub(super) fn items<T>(
    batch: Option<Vec<T>>,
    alone: impl FnOnce() -> T,
) -> ApiResult<(Vec<T>, bool)> {
    match batch {
        Some(items) if items.is_empty() => {
            Err(ApiError::bad_request("missing batch input to process"))
        }
        Some(items) => Ok((items, true)),
        None => Ok((vec![alone()], false)),
    }
}

/// `partial_failure_response_code`: a final HTTP status.
pub(super) fn partial_status(code: Option<i64>) -> ApiResult<Option<u16>> {
    let Some(code) = code.filter(|code| *code != 0) else { return Ok(None) };
    match u16::try_from(code) {
        Ok(code) if (200..600).contains(&code) => Ok(Some(code)),
        _ => Err(ApiError::bad_request(
            "partial_failure_response_code must be an HTTP status from 200 to 599",
        )),
    }
}

/// What an item's `error` says.
pub(super) fn message(error: ApiError) -> String {
    error.errors.into_iter().next().unwrap_or_default()
}
