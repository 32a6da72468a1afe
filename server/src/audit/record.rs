//! The text of a record: one JSON object on one line.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use super::Device;
use super::hash::{Style, json, number, quoted};
use super::trail::{Facts, Policies, Who};
use crate::dispatch::Request;
use crate::engine::stamp::Stamp;
use crate::logical::{ApiError, ApiResult, Auth, Operation, Response, WrapInfo};
use crate::token::Token;

/// Bytes that most heads fit into.
const HEAD: usize = 2048;

/// Whether the request was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its token's policies allow it.
    Allowed,
    /// They do not, or there is no token.
    Denied,
}

/// What request and answer have in common: `"auth":{...},"request":{...}`.
pub(super) fn head(
    device: &Device,
    request: &Request,
    facts: &Facts,
    headers: &BTreeMap<String, bool>,
    verdict: Verdict,
) -> Vec<u8> {
    let mut out = Object::new(Vec::with_capacity(HEAD), device);
    let named = Named::of(&out, request, &facts.who);
    out.object("auth", |o| auth(o, facts, &named, verdict));
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
    let named = Named::of(&out, request, &facts.who);
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

/// The caller's token and accessor as they go on record: several times, and hashed once.
struct Named {
    token: Option<Vec<u8>>,
    accessor: Option<Vec<u8>>,
}

impl Named {
    fn of(o: &Object<'_>, request: &Request, who: &Who) -> Self {
        let token = request.token.as_ref().filter(|t| !t.is_empty());
        let accessor = match who {
            Who::Nobody => "",
            Who::Token(token) => &token.caller.accessor,
            Who::Forwarded(caller) => &caller.accessor,
        };
        Self {
            token: token.map(|token| o.shown(token, true)),
            accessor: (!accessor.is_empty())
                .then(|| o.shown(accessor, o.device.settings.hmac_accessor)),
        }
    }
}

/// A policy that let a request through.
#[derive(Serialize)]
struct Granting<'a> {
    name: &'a str,
    namespace_id: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
}

impl<'a> Granting<'a> {
    fn of(name: &'a str) -> Self {
        Self { name, namespace_id: "root", kind: "acl" }
    }
}

fn auth(o: &mut Object<'_>, facts: &Facts, named: &Named, verdict: Verdict) {
    let who = &facts.who;
    let caller = match who {
        Who::Nobody => {
            if verdict == Verdict::Allowed {
                o.object("policy_results", |o| o.value("allowed", true));
            }
            return o.text("token_type", "default");
        }
        Who::Token(token) => &token.caller,
        Who::Forwarded(caller) => caller,
    };
    o.ready("client_token", named.token.as_deref());
    o.ready("accessor", named.accessor.as_deref());
    o.text("display_name", &caller.display_name);
    let Policies { granting, inherited } = &facts.policies;
    if inherited.is_empty() {
        o.value("policies", &caller.policies);
    } else {
        let mut all: Vec<_> = caller.policies.iter().chain(inherited).collect();
        all.sort_unstable();
        o.value("policies", all);
    }
    o.value("token_policies", &caller.policies);
    if !inherited.is_empty() {
        o.value("identity_policies", inherited);
    }
    o.object("policy_results", |o| {
        o.value("allowed", verdict == Verdict::Allowed);
        if verdict == Verdict::Allowed && !granting.is_empty() {
            let shown: Vec<_> = granting.iter().map(|name| Granting::of(name)).collect();
            o.value("granting_policies", shown);
        }
    });
    if !caller.entity_id.is_empty() {
        o.text("entity_id", &caller.entity_id);
    }
    if !caller.metadata.is_empty() {
        o.value("metadata", &caller.metadata);
    }
    if let Who::Token(token) = who {
        lifetime(o, token);
    }
}

fn lifetime(o: &mut Object<'_>, token: &Token) {
    if token.entry.num_uses > 0 {
        o.value("remaining_uses", token.entry.num_uses);
    }
    o.text("token_type", if token.entry.batch { "batch" } else { "service" });
    if token.entry.creation_ttl > 0 {
        o.value("token_ttl", token.entry.creation_ttl);
    }
    o.text("token_issue_time", &token.entry.created.rfc3339());
}

fn request(
    o: &mut Object<'_>,
    request: &Request,
    facts: &Facts,
    named: &Named,
    headers: &BTreeMap<String, bool>,
) {
    o.value("id", request.id);
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

fn new_token(o: &mut Object<'_>, auth: &Auth) {
    o.secret("client_token", &auth.client_token);
    o.accessor("accessor", &auth.accessor);
    o.value("policies", &auth.policies);
    o.value("token_policies", &auth.token_policies);
    if !auth.identity_policies.is_empty() {
        o.value("identity_policies", &auth.identity_policies);
    }
    if !auth.entity_id.is_empty() {
        o.text("entity_id", &auth.entity_id);
    }
    if let Some(metadata) = &auth.metadata {
        o.value("metadata", metadata);
    }
    o.text("token_type", &auth.token_type);
    o.value("token_ttl", auth.lease_duration);
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

/// Builds the fields of an object.
struct Object<'d> {
    out: Vec<u8>,
    device: &'d Device,
    first: bool,
}

impl<'d> Object<'d> {
    fn new(out: Vec<u8>, device: &'d Device) -> Self {
        Self { out, device, first: true }
    }

    fn finish(self) -> Vec<u8> {
        self.out
    }

    fn separate(&mut self) {
        if !std::mem::replace(&mut self.first, false) {
            self.out.push(b',');
        }
    }

    /// The name of a field: one of ours, or one that was checked; none needs an escape.
    fn name(&mut self, name: &str) {
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// Fields that are ready.
    fn raw(&mut self, fields: &[u8]) {
        self.separate();
        self.out.extend_from_slice(fields);
    }

    /// A value that is ready, if there is one.
    fn ready(&mut self, name: &str, value: Option<&[u8]>) {
        let Some(value) = value else { return };
        self.name(name);
        self.out.extend_from_slice(value);
    }

    /// A text as a value, hashed if it is asked for and the device does not show everything.
    fn shown(&self, text: &str, hmac: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len() + 80);
        if hmac && !self.device.settings.log_raw {
            self.device.hasher.string(&mut out, text);
        } else {
            quoted(&mut out, text);
        }
        out
    }

    fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        quoted(&mut self.out, text);
    }

    fn value(&mut self, name: &str, value: impl serde::Serialize) {
        self.name(name);
        number(&mut self.out, value);
    }

    /// Hashed, unless the device shows everything.
    fn secret(&mut self, name: &str, text: &str) {
        self.name(name);
        if self.device.settings.log_raw {
            quoted(&mut self.out, text);
        } else {
            self.device.hasher.string(&mut self.out, text);
        }
    }

    fn accessor(&mut self, name: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        if self.device.settings.hmac_accessor {
            self.secret(name, text);
        } else {
            self.text(name, text);
        }
    }

    /// JSON with its strings hashed; left out when it is malformed.
    fn body(&mut self, name: &str, body: &[u8], plain: &[String], elide: bool) {
        let (start, first) = (self.out.len(), self.first);
        self.name(name);
        let settings = &self.device.settings;
        let hasher = (!settings.log_raw).then_some(&self.device.hasher);
        if !json(&mut self.out, body, Style { hasher, plain, elide }) {
            self.out.truncate(start);
            self.first = first;
        }
    }

    fn object(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        self.nested(name, [b'{', b'}'], fill);
    }

    fn list(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        self.nested(name, [b'[', b']'], fill);
    }

    /// An item of a list.
    fn item(&mut self, text: &str, hmac: bool) {
        self.separate();
        if hmac && !self.device.settings.log_raw {
            self.device.hasher.string(&mut self.out, text);
        } else {
            quoted(&mut self.out, text);
        }
    }

    fn nested(&mut self, name: &str, [open, close]: [u8; 2], fill: impl FnOnce(&mut Self)) {
        self.name(name);
        self.out.push(open);
        self.first = true;
        fill(self);
        self.out.push(close);
        self.first = false;
    }
}
