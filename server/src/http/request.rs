//! From an HTTP request to a [`Request`] for dispatch.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use bytes::{Buf as _, Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName};
use hyper::http::request::Parts;
use zeroize::Zeroizing;

use super::answer::request_id;
use super::path::{self, Parsed};
use super::patience::Patience;
use crate::dispatch::Request;
use crate::engine::duration::parse_seconds;
use crate::logical::{ApiError, ApiResult, Operation, parse_flag};
use crate::sys::answers_always;

/// Bytes of a too large body that are read and thrown away, so that the client sees the answer.
const DRAIN_MAX: usize = 32 << 20;
/// A body that takes longer to arrive is given up.
const BODY_TIMEOUT: Duration = Duration::from_secs(90);
/// Bytes: longer tokens are not looked up.
const TOKEN_MAX: usize = 8192;
const FORM_TYPE: &str = "application/x-www-form-urlencoded";
const PATCH_TYPE: &str = "application/merge-patch+json";

// Made once: to look a header up by its text costs a parse of the text.
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const WRAP_TTL: HeaderName = HeaderName::from_static("x-vault-wrap-ttl");

/// What to do with an HTTP request.
pub(super) enum Taken {
    /// Answer it.
    Call(Box<Request>),
    /// 307 to this place.
    Redirect(String),
}

/// Reads a request, its body included.
///
/// # Errors
/// 400, 404, 405, 413, 415.
pub(super) async fn read(
    parts: &mut Parts,
    (body, patience): (&mut Incoming, &Patience),
    remote: Option<SocketAddr>,
    body_max: usize,
) -> ApiResult<Taken> {
    let query = path::query(parts.uri.query().unwrap_or(""));
    let head = head(parts, &query);
    let takes = matches!(head, Ok(Head::Call(Operation::Write | Operation::Patch, _)));
    // What nobody reads is read all the same: a client whose connection breaks sees no answer.
    let sent = if body.is_end_stream() {
        Ok(Bytes::new())
    } else {
        read_body(body, patience, if takes { body_max } else { 0 }).await
    };
    let (op, path) = match head? {
        Head::Call(op, path) => (op, path),
        Head::Redirect(to) => return Ok(Taken::Redirect(to)),
    };
    let body = match op {
        Operation::Write if is_form(&parts.headers) => form(&sent?),
        Operation::Write | Operation::Patch => json_object(sent?)?,
        // Whatever these come with has no meaning.
        _ => Bytes::new(),
    };
    if op == Operation::Patch {
        check_patch_type(&parts.headers)?;
    }
    Ok(Taken::Call(Box::new(Request {
        id: request_id(),
        op,
        path,
        query,
        body,
        token: token(&parts.headers),
        wrap_ttl: wrap_ttl(&parts.headers)?,
        headers: std::mem::take(&mut parts.headers),
        remote,
        certificates: None,
        open: false,
        now: SystemTime::now(),
        standing: OnceLock::new(),
    })))
}

/// What the head of a request asks for.
enum Head {
    /// This of that path.
    Call(Operation, String),
    /// To ask for another path.
    Redirect(String),
}

fn head(parts: &Parts, query: &[(String, String)]) -> ApiResult<Head> {
    let mut path = match path::parse(parts.uri.path())? {
        Parsed::Path(path) => path,
        Parsed::Redirect(to) => {
            let suffix = parts.uri.query().map(|q| format!("?{q}")).unwrap_or_default();
            return Ok(Head::Redirect(to + &suffix));
        }
    };
    let op = operation(parts, query, &path)?;
    if matches!(op, Operation::List | Operation::Scan) && !path.ends_with('/') {
        path.push('/');
    }
    check_namespace(&parts.headers)?;
    if matches!(op, Operation::Write | Operation::Patch) && path.ends_with('/') {
        return Err(ApiError::bad_request("cannot write to a path ending in '/'"));
    }
    Ok(Head::Call(op, path))
}

fn operation(parts: &Parts, query: &[(String, String)], path: &str) -> ApiResult<Operation> {
    let asks = |what: &str| match query.iter().find(|(k, v)| k == what && !v.is_empty()) {
        None => Ok(false),
        Some((_, flag)) => {
            parse_flag(flag).ok_or(ApiError { status: 400, errors: Vec::new(), data: None })
        }
    };
    match parts.method.as_str() {
        "GET" if asks("list")? => Ok(Operation::List),
        "GET" if asks("scan")? => Ok(Operation::Scan),
        "GET" => Ok(Operation::Read),
        "HEAD" if path == "sys/health" => Ok(Operation::Read),
        "HEAD" => Ok(Operation::Head),
        "LIST" => Ok(Operation::List),
        "SCAN" => Ok(Operation::Scan),
        "POST" | "PUT" => Ok(Operation::Write),
        "OPTIONS" | "PATCH" if path.strip_prefix("sys/").is_some_and(answers_always) => {
            Err(ApiError::no_such_verb())
        }
        "PATCH" => Ok(Operation::Patch),
        "DELETE" => Ok(Operation::Delete),
        "OPTIONS" => Err(ApiError::bad_request("cannot handle internal-only request operation")),
        _ => Err(ApiError::no_such_verb()),
    }
}

/// There is one namespace; a request for another one must not land in it.
fn check_namespace(headers: &HeaderMap) -> ApiResult<()> {
    let Some(namespace) = headers.get(&NAMESPACE) else { return Ok(()) };
    match namespace.to_str().map(|n| n.trim_matches('/')) {
        Ok("" | "root") => Ok(()),
        _ => Err(ApiError::new(404, "namespace not found")),
    }
}

fn check_patch_type(headers: &HeaderMap) -> ApiResult<()> {
    let given = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    if given.is_empty() {
        return Err(ApiError::bad_request("mime: no media type"));
    }
    if given.split(';').next().is_some_and(|t| t.trim().eq_ignore_ascii_case(PATCH_TYPE)) {
        return Ok(());
    }
    Err(ApiError::new(
        415,
        format!("PATCH requires Content-Type of {PATCH_TYPE}, provided {given}"),
    ))
}

fn token(headers: &HeaderMap) -> Option<Zeroizing<String>> {
    let own = headers.get(&TOKEN).and_then(|v| v.to_str().ok()).filter(|t| !t.is_empty());
    let bearer = || {
        let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    };
    let token = own.or_else(bearer).filter(|t| !t.is_empty() && t.len() <= TOKEN_MAX)?;
    Some(Zeroizing::new(token.to_owned()))
}

/// Seconds; 0 asks for nothing.
fn wrap_ttl(headers: &HeaderMap) -> ApiResult<Option<u64>> {
    let Some(value) = headers.get(&WRAP_TTL) else { return Ok(None) };
    let seconds = value
        .to_str()
        .ok()
        .and_then(parse_seconds)
        .and_then(|s| u64::try_from(s).ok())
        .ok_or_else(|| {
        ApiError::bad_request(
            "error parsing X-Vault-Wrap-TTL header: not a duration such as 90, \"90s\" or \
                 \"1h30m\"",
        )
    })?;
    Ok((seconds != 0).then_some(seconds))
}

async fn read_body(body: &mut Incoming, patience: &Patience, max: usize) -> ApiResult<Bytes> {
    patience
        .within(BODY_TIMEOUT, pin!(collect(body, max)))
        .await
        .unwrap_or_else(|| Err(ApiError::new(408, "the request's body did not arrive in time")))
}

async fn collect(body: &mut Incoming, max: usize) -> ApiResult<Bytes> {
    let announced = body.size_hint().exact().and_then(|n| usize::try_from(n).ok());
    let mut whole = BytesMut::new();
    let mut first: Option<Bytes> = None;
    let mut total = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| ApiError::bad_request("the request's body was cut off"))?;
        let Ok(data) = frame.into_data() else { continue };
        total += data.remaining();
        if total > max {
            whole = BytesMut::new();
            if total > max.saturating_add(DRAIN_MAX) {
                break;
            }
            continue;
        }
        // Most bodies come in one piece and are not copied.
        match (&first, whole.is_empty()) {
            (None, true) if Some(data.len()) == announced => first = Some(data),
            _ => {
                if whole.is_empty() {
                    whole.reserve(announced.unwrap_or(data.len()).min(max));
                }
                whole.extend_from_slice(&data);
            }
        }
    }
    if total > max {
        return Err(ApiError::new(413, "http: request body too large"));
    }
    Ok(first.unwrap_or_else(|| whole.freeze()))
}

fn is_form(headers: &HeaderMap) -> bool {
    let Some(given) = headers.get(CONTENT_TYPE) else { return false };
    let kind = given.as_bytes().split(|b| *b == b';').next().unwrap_or(b"");
    kind.trim_ascii().eq_ignore_ascii_case(FORM_TYPE.as_bytes()) && given.to_str().is_ok()
}

/// A form as an object of strings, unless there is JSON in spite of its type, as from `curl -d`.
/// A field that comes several times has commas between its values.
fn form(body: &Bytes) -> Bytes {
    if body.iter().find(|b| !b.is_ascii_whitespace()).is_none_or(|b| *b == b'{') {
        return body.clone();
    }
    let mut fields = std::collections::BTreeMap::<String, Zeroizing<String>>::new();
    for (name, value) in path::query(&String::from_utf8_lossy(body)) {
        match fields.get_mut(&name) {
            Some(values) => {
                values.push(',');
                values.push_str(&value);
            }
            None => drop(fields.insert(name, Zeroizing::new(value))),
        }
    }
    let fields = fields.iter().map(|(name, value)| (name, value.as_str()));
    let object: serde_json::Map<_, _> =
        fields.map(|(name, value)| (name.clone(), value.into())).collect();
    Bytes::from(serde_json::Value::Object(object).to_string())
}

/// Nothing, `null` or an object; whether it is a sound one is for the handler to find out.
fn json_object(body: Bytes) -> ApiResult<Bytes> {
    let start = body.iter().position(|b| !b.is_ascii_whitespace());
    match start.map(|at| &body[at..]) {
        None => Ok(Bytes::new()),
        Some(text) if text.first() == Some(&b'{') => Ok(body),
        Some(text) if text.trim_ascii_end() == b"null" => Ok(Bytes::new()),
        Some(_) => Err(ApiError::bad_request("failed to decode JSON input: an object is expected")),
    }
}
