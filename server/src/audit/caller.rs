//! Who calls, as records tell it.
//!
//! The records of a token say the same of it as long as the same policies let it in, so that is written
//! once, with its hashes, and kept beside the token for as long as that is.

use std::sync::Arc;

use serde::Serialize;

use super::Device;
use super::facts::{Facts, Policies, Verdict, Who};
use super::object::Object;
use crate::dispatch::Request;
use crate::logical::Auth;
use crate::token::Token;

/// A caller, ready for the records of one device.
pub(super) struct Described {
    device: u64,
    /// The token, hashed; and its accessor.
    pub(super) token: Option<Vec<u8>>,
    pub(super) accessor: Option<Vec<u8>>,
    /// The fields of `auth` for a caller whom these policies let in.
    allowed: Vec<u8>,
    policies: Policies,
}

impl Described {
    /// The caller of a request.
    pub(super) fn of(device: &Device, request: &Request, facts: &Facts) -> Arc<Self> {
        let Who::Token(token) = &facts.who else {
            return Arc::new(Self::new(device, request, facts));
        };
        if let Some(kept) = token.on_record.get()
            && let Ok(kept) = Arc::clone(kept).downcast::<Self>()
            && kept.device == device.id
            && kept.policies == facts.policies
        {
            return kept;
        }
        let new = Arc::new(Self::new(device, request, facts));
        // With several devices, or by several policies, the first one is kept.
        let _ = token.on_record.set(Arc::<Self>::clone(&new));
        new
    }

    fn new(device: &Device, request: &Request, facts: &Facts) -> Self {
        let mut o = Object::new(Vec::new(), device);
        let token = request.token.as_ref().filter(|t| !t.is_empty());
        let accessor = match &facts.who {
            Who::Nobody => "",
            Who::Token(token) => &token.caller.accessor,
            Who::Forwarded(caller) => &caller.accessor,
        };
        let mut described = Self {
            device: device.id,
            token: token.map(|token| o.shown(token, true)),
            accessor: (!accessor.is_empty())
                .then(|| o.shown(accessor, device.settings.hmac_accessor)),
            allowed: Vec::new(),
            policies: facts.policies.clone(),
        };
        described.fields(&mut o, &facts.who, Verdict::Allowed);
        described.allowed = o.finish();
        described
    }

    /// Appends the fields of `auth`.
    pub(super) fn auth(&self, o: &mut Object<'_>, facts: &Facts, verdict: Verdict) {
        match verdict {
            Verdict::Allowed => o.raw(&self.allowed),
            Verdict::Denied => self.fields(o, &facts.who, verdict),
        }
    }

    fn fields(&self, o: &mut Object<'_>, who: &Who, verdict: Verdict) {
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
        o.ready("client_token", self.token.as_deref());
        o.ready("accessor", self.accessor.as_deref());
        o.text("display_name", &caller.display_name);
        let Policies { granting, inherited } = &self.policies;
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

/// Appends the fields of a token that was made.
pub(super) fn new_token(o: &mut Object<'_>, auth: &Auth) {
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
