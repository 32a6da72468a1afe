//! From an answer to bytes: the envelope that clients of the API know.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;
use http_body_util::Full;
use hyper::StatusCode;
use hyper::header::{
    CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LOCATION, STRICT_TRANSPORT_SECURITY,
};
use serde::Serialize;
use uuid::Uuid;

use super::body::Answer;
use crate::logical::{ApiError, ApiResult, Json, Parts, Response, push_quoted};

pub(super) type HttpResponse = hyper::Response<Answer>;

/// A year.
const HTTPS_ONLY: HeaderValue = HeaderValue::from_static("max-age=31536000; includeSubDomains");
/// Bytes that most envelopes have beside their data.
const ENVELOPE: usize = 256;
/// As Prometheus asks for it.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// The HTTP form of an answer.
pub(super) fn respond(result: ApiResult<Response>, id: Uuid) -> HttpResponse {
    match result {
        Ok(mut response) => match response.parts.take() {
            Some(parts) => in_parts(parts),
            None => success(&response, id),
        },
        Err(error) => failure(&error, id),
    }
}

/// Parts as they come.
fn in_parts(parts: Parts) -> HttpResponse {
    let mut response = build(200, Vec::new());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(parts.kind));
    *response.body_mut() = Answer::Parts(parts);
    response
}

/// 307.
pub(super) fn redirect(to: &str) -> HttpResponse {
    let mut response = build(307, Vec::new());
    if let Ok(location) = HeaderValue::from_str(to) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

fn success(response: &Response, id: Uuid) -> HttpResponse {
    if let Some(text) = &response.text {
        let mut plain = build(response.status.unwrap_or(200), text.as_bytes().to_vec());
        plain.headers_mut().insert(CONTENT_TYPE, TEXT);
        return plain;
    }
    let empty = response.data.is_none()
        && response.auth.is_none()
        && response.wrap_info.is_none()
        && response.warnings.is_empty();
    if empty {
        return build(response.status.unwrap_or(204), Vec::new());
    }
    let status = response.status.unwrap_or(200);
    let data = response.data.as_ref().map(Json::get);
    let twice = usize::from(response.flatten);
    let mut body = Vec::with_capacity(ENVELOPE + data.map_or(0, |d| d.len() * (1 + twice)));
    if response.bare {
        body.extend_from_slice(data.unwrap_or("{}").as_bytes());
    } else {
        let flat = if response.flatten { data.unwrap_or("") } else { "" };
        envelope(&mut body, response, data, flat, id);
    }
    body.push(b'\n');
    build(status, body)
}

/// An answer as clients would see it, for one that is handed on as text.
pub(crate) fn envelope_text(response: &Response, id: Uuid) -> String {
    let mut body = Vec::new();
    envelope(&mut body, response, response.data.as_ref().map(Json::get), "", id);
    String::from_utf8(body).unwrap_or_default()
}

/// `{<flat fields> "request_id": ..., "data": ..., ...}`.
fn envelope(body: &mut Vec<u8>, response: &Response, data: Option<&str>, flat: &str, id: Uuid) {
    body.push(b'{');
    let fields = flat.trim().strip_prefix('{').and_then(|f| f.strip_suffix('}')).unwrap_or("");
    if !fields.trim().is_empty() {
        body.extend_from_slice(fields.as_bytes());
        body.push(b',');
    }
    body.extend_from_slice(b"\"request_id\":\"");
    if response.wrap_info.is_none() {
        let mut text = Uuid::encode_buffer();
        body.extend_from_slice(id.hyphenated().encode_lower(&mut text).as_bytes());
    }
    body.extend_from_slice(b"\",\"lease_id\":");
    push_quoted(body, &response.lease_id);
    body.extend_from_slice(b",\"renewable\":");
    body.extend_from_slice(if response.renewable { "true" } else { "false" }.as_bytes());
    body.extend_from_slice(b",\"lease_duration\":");
    json(body, &response.lease_duration);
    body.extend_from_slice(b",\"data\":");
    body.extend_from_slice(data.unwrap_or("null").as_bytes());
    body.extend_from_slice(b",\"wrap_info\":");
    json(body, &response.wrap_info);
    body.extend_from_slice(b",\"warnings\":");
    json(body, &(!response.warnings.is_empty()).then_some(&response.warnings));
    body.extend_from_slice(b",\"auth\":");
    json(body, &response.auth);
    body.push(b'}');
}

fn json(body: &mut Vec<u8>, value: &impl Serialize) {
    // Writing to a Vec does not fail, and none of these types can.
    if serde_json::to_writer(&mut *body, value).is_err() {
        body.extend_from_slice(b"null");
    }
}

fn failure(error: &ApiError, id: Uuid) -> HttpResponse {
    let mut body = Vec::with_capacity(128);
    match &error.data {
        // A missing version, say: the answer in full, under an error's status.
        Some(data) if error.errors.is_empty() => {
            envelope(&mut body, &Response::empty(), Some(data.get()), "", id);
        }
        data => {
            body.extend_from_slice(b"{\"errors\":");
            json(&mut body, &error.errors);
            if let Some(data) = data {
                body.extend_from_slice(b",\"data\":");
                body.extend_from_slice(data.get().as_bytes());
            }
            body.push(b'}');
        }
    }
    body.push(b'\n');
    build(error.status, body)
}

fn build(status: u16, body: Vec<u8>) -> HttpResponse {
    let mut response = hyper::Response::new(Answer::Whole(Full::new(Bytes::from(body))));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(STRICT_TRANSPORT_SECURITY, HTTPS_ONLY);
    response
}

/// Unique, not secret: a counter of each thread under two keys that it drew.
pub(crate) fn request_id() -> Uuid {
    thread_local! {
        static KEYS: [RandomState; 2] = [RandomState::new(), RandomState::new()];
        static COUNT: Cell<u64> = const { Cell::new(0) };
    }
    let n = COUNT.replace(COUNT.get() + 1);
    let halves = KEYS.with(|keys| [keys[0].hash_one(n), keys[1].hash_one(n)]);
    uuid::Builder::from_random_bytes(
        (u128::from(halves[0]) << 64 | u128::from(halves[1])).to_be_bytes(),
    )
    .into_uuid()
}
