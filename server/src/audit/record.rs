//! The text of a record: one JSON object on one line.

use std::borrow::Cow;
use std::collections::BTreeMap;

use uuid::Uuid;

use super::Device;
use super::caller::{Described, new_token};
use super::facts::{Facts, Verdict, Who};
use super::object::Object;
use crate::dispatch::Request;
use crate::engine::stamp::Stamp;
use crate::logical::{ApiError, ApiResult, Auth, Operation, Response, WrapInfo};

/// Bytes that most heads fit into.
const HEAD: usize = 2048;

/// What request and answer have in common: `"auth":{...},"request":{...}`.
pub(super) fn head(
    device: &Device,
    request: &Request,
    facts: &Facts,
    headers: &BTreeMap<String, bool>,
    verdict: Verdict,
) -> Vec<u8> {
    let mut out = Object::new(Vec::with_capacity(HEAD), device);
    let named = Described::of(device, request, facts);
    out.object("auth", |o| named.auth(o, facts, verdict));
    out.object("request", |o| self::request(o, request, facts, &named, headers));
    out.finish()
}

/// As [`head`], for the answer to a login: who is on record is who came in.
pub(super) fn arrival_head(
    device: &Device,
    request: &Request,
    facts: &Facts,
    headers: &BTreeMap<String, bool>,
    new: &Auth,
) -> Vec<u8> {
    let mut out = Object::new(Vec::with_capacity(HEAD), device);
    let named = Described::of(device, request, facts);
    out.object("auth", |o| new_token(o, new));
    out.object("request", |o| self::request(o, request, facts, &named, headers));
    out.finish()
}

/// Appends the line of a request.
pub(super) fn request_line(
    to: &mut Vec<u8>,
    device: &Device,
    head: &[u8],
    now: Stamp,
    verdict: Verdict,
) {
    line(to, device, "request", head, now, |out| {
        if verdict == Verdict::Denied {
            out.text("error", "permission denied");
        }
    });
}

/// Appends the line of an answer.
pub(super) fn response_line(
    to: &mut Vec<u8>,
    device: &Device,
    head: &[u8],
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
    head: &[u8],
    now: Stamp,
    rest: impl FnOnce(&mut Object<'_>),
) {
    let mut out = std::mem::take(to);
    out.reserve(2 * head.len());
    out.extend_from_slice(device.settings.prefix.as_bytes());
    out.push(b'{');
    let mut out = Object::new(out, device);
    out.text("time", &now.rfc3339());
    out.text("type", kind);
    out.raw(head);
    rest(&mut out);
    *to = out.finish();
    to.extend_from_slice(b"}\n");
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
