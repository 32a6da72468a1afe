//! The text of a record: one JSON object on one line.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use uuid::Uuid;

use super::Device;
use super::caller::{Described, new_token};
use super::facts::{Facts, Verdict, Who};
use super::object::Object;
use crate::dispatch::Request;
use crate::engine::stamp::Stamp;
use crate::logical::{ApiError, ApiResult, Auth, Operation, Response, WrapInfo};

/// Bytes that most lines have beside what they repeat.
const LINE: usize = 2048;

/// What request and answer have in common: `"auth":{...},"request":{...}`.
pub(super) enum Head<'h> {
    /// Written the first time.
    New(&'h Request, &'h Facts, &'h BTreeMap<String, bool>, Verdict),
    /// As [`Head::New`], for the answer to a login: who is on record is who came in.
    Arrival(&'h Request, &'h Facts, &'h BTreeMap<String, bool>, &'h Auth),
    /// Written before, and kept.
    Kept(&'h [u8]),
    /// Written before, in the same text.
    At(Range<usize>),
}

impl Head<'_> {
    fn put(&self, o: &mut Object<'_>) {
        match self {
            Self::New(request, facts, headers, verdict) => {
                let named = Described::of(o.device, request, facts);
                o.object("auth", |o| named.auth(o, facts, *verdict));
                o.object("request", |o| self::request(o, request, facts, &named, headers));
            }
            Self::Arrival(request, facts, headers, new) => {
                let named = Described::of(o.device, request, facts);
                o.object("auth", |o| new_token(o, new));
                o.object("request", |o| self::request(o, request, facts, &named, headers));
            }
            Self::Kept(head) => o.raw(head),
            Self::At(place) => o.again(place.clone()),
        }
    }
}

/// Appends the line of a request; answers where its head stands.
pub(super) fn request_line(
    to: &mut Vec<u8>,
    device: &Device,
    head: &Head<'_>,
    now: Stamp,
    verdict: Verdict,
) -> Range<usize> {
    line(to, device, "request", head, now, |out| {
        if verdict == Verdict::Denied {
            out.text("error", "permission denied");
        }
    })
}

/// Appends the line of an answer.
pub(super) fn response_line(
    to: &mut Vec<u8>,
    device: &Device,
    head: &Head<'_>,
    now: Stamp,
    (request, facts): (&Request, &Facts),
    result: &ApiResult<Response>,
) {
    line(to, device, "response", head, now, |out| {
        response(out, (request, facts), result);
    });
}

fn response(
    out: &mut Object<'_>,
    (request, facts): (&Request, &Facts),
    result: &ApiResult<Response>,
) {
    out.object("response", |o| match result {
        Ok(response) => answer(o, request, facts, response),
        Err(e) => failure(o, facts, e),
    });
    if let Err(e) = result
        && !e.errors.is_empty()
    {
        out.text("error", &e.errors.join("; "));
    }
}

fn line(
    to: &mut Vec<u8>,
    device: &Device,
    kind: &str,
    head: &Head<'_>,
    now: Stamp,
    rest: impl FnOnce(&mut Object<'_>),
) -> Range<usize> {
    to.reserve(LINE);
    to.extend_from_slice(device.settings.prefix.as_bytes());
    to.push(b'{');
    let mut out = Object::new(to, device);
    out.text("time", &now.rfc3339());
    out.text("type", kind);
    // Without the comma.
    let start = out.len() + 1;
    head.put(&mut out);
    let place = start..out.len();
    rest(&mut out);
    to.extend_from_slice(b"}\n");
    place
}

fn request(
    o: &mut Object<'_>,
    request: &Request,
    facts: &Facts,
    named: &Described,
    headers: &BTreeMap<String, bool>,
) {
    o.text("id", request.id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
    o.text("operation", operation(request.op, facts.creates));
    if let Some(id) = client_id(&facts.who) {
        o.text("client_id", &id);
    }
    mount(o, facts, "mount_running_version");
    o.ready("client_token", named.token.as_deref());
    if matches!(facts.who, Who::Token(_)) && named.token.is_some() {
        o.ready("client_token_accessor", named.accessor.as_deref());
    }
    o.raw(br#""namespace":{"id":"root"}"#);
    o.text("path", &request.path);
    data(o, request, facts);
    if let Some(remote) = request.remote {
        o.value("remote_address", remote.ip());
        o.value("remote_port", remote.port());
    }
    if let Some(ttl) = request.wrap_ttl {
        o.value("wrap_ttl", ttl);
    }
    recorded_headers(o, request, headers);
    if let Some(from) = &facts.forwarded_from {
        o.text("forwarded_from", from);
    }
}

/// Who a client is for those who count clients.
fn client_id(who: &Who) -> Option<Cow<'_, str>> {
    match who {
        Who::Nobody => None,
        Who::Token(token) => Some(Cow::Borrowed(token.client_id())),
        Who::Forwarded(caller) => Some(Cow::Owned(caller.client_id())),
    }
}

fn operation(op: Operation, creates: bool) -> &'static str {
    match op {
        Operation::Write if creates => "create",
        Operation::Read => "read",
        Operation::List => "list",
        Operation::Scan => "scan",
        Operation::Write => "update",
        Operation::Patch => "patch",
        Operation::Delete => "delete",
        Operation::Head => "header",
    }
}

fn mount(o: &mut Object<'_>, facts: &Facts, version: &str) {
    let Some(mount) = &facts.mount else { return };
    o.text("mount_point", &mount.info.path);
    o.text("mount_type", &mount.entry.kind);
    o.text("mount_accessor", &mount.info.accessor);
    o.text(version, concat!("v", env!("CARGO_PKG_VERSION"), "+builtin"));
    o.text("mount_class", if mount.info.path.starts_with("auth/") { "auth" } else { "secret" });
}

/// The body; where there is none, the query.
fn data(o: &mut Object<'_>, request: &Request, facts: &Facts) {
    let none = Vec::new();
    let config = facts.mount.as_ref().map(|m| &m.entry.config);
    let plain = config.map_or(&none, |c| &c.audit_non_hmac_request_keys);
    if !request.body.is_empty() {
        return o.body("data", &request.body, plain, false);
    }
    let query: BTreeMap<_, _> =
        request.query.iter().filter(|(k, _)| k != "list").map(|(k, v)| (k, v)).collect();
    if !query.is_empty()
        && let Ok(text) = serde_json::to_vec(&query)
    {
        o.body("data", &text, plain, false);
    }
}

fn recorded_headers(o: &mut Object<'_>, request: &Request, headers: &BTreeMap<String, bool>) {
    let mut all = headers.iter().filter(|(name, _)| request.headers.contains_key(*name)).peekable();
    if all.peek().is_none() {
        return;
    }
    o.object("headers", |o| {
        for (name, hmac) in all {
            o.list(name, |o| {
                for value in request.headers.get_all(name) {
                    let text = String::from_utf8_lossy(value.as_bytes());
                    o.item(&text, *hmac);
                }
            });
        }
    });
}

fn answer(o: &mut Object<'_>, request: &Request, facts: &Facts, response: &Response) {
    if let Some(auth) = &response.auth {
        o.object("auth", |o| new_token(o, auth));
    }
    mount(o, facts, "mount_running_plugin_version");
    if !response.lease_id.is_empty() {
        o.object("secret", |o| o.text("lease_id", &response.lease_id));
    }
    if let Some(data) = &response.data {
        let none = Vec::new();
        let config = facts.mount.as_ref().map(|m| &m.entry.config);
        let plain = config.map_or(&none, |c| &c.audit_non_hmac_response_keys);
        let elide = o.device.settings.elide_list_responses && request.op == Operation::List;
        o.body("data", data.get().as_bytes(), plain, elide);
    }
    if let Some(info) = &response.wrap_info {
        o.object("wrap_info", |o| wrap_info(o, info));
    }
    if !response.warnings.is_empty() {
        o.value("warnings", &response.warnings);
    }
}

fn wrap_info(o: &mut Object<'_>, info: &WrapInfo) {
    o.value("ttl", info.ttl);
    o.secret("token", &info.token);
    o.accessor("accessor", &info.accessor);
    o.text("creation_time", &info.creation_time);
    o.text("creation_path", &info.creation_path);
    if !info.wrapped_accessor.is_empty() {
        o.accessor("wrapped_accessor", &info.wrapped_accessor);
    }
}

fn failure(o: &mut Object<'_>, facts: &Facts, error: &ApiError) {
    mount(o, facts, "mount_running_plugin_version");
    match &error.data {
        Some(data) => o.body("data", data.get().as_bytes(), &[], false),
        None if error.errors.is_empty() => {}
        None => o.object("data", |o| o.secret("error", &error.errors.join("; "))),
    }
}
