//! Roles: which tokens may log in, and what they get.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use strongroom_storage::KeyspaceId;

use super::times::Leeways;
use crate::auth::named::Named;
use crate::auth::{TokenFields, TokenParams};
use crate::barrier::{Session, View, ViewError};
use crate::engine::duration::parse_seconds;
use crate::handler::CoreCall;
use crate::logical::{ApiError, ApiResult, Call, Flag, Integer, Pairs, Response, Scalar, Words};

const ROLES: Named = Named("role/");
/// Roles that one LIST answers at most.
const LIST_MAX: usize = 1_000_000;
/// Bytes of a role's name.
const NAME_MAX: usize = 4096;
/// Bytes of a role as it is stored.
const ROLE_MAX: usize = 1 << 20;

/// One role.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Role {
    /// One of them has to be in `aud`; nothing for tokens without one.
    pub(super) bound_audiences: Vec<String>,
    /// What `sub` has to be; empty for anything.
    pub(super) bound_subject: String,
    /// Values by claim.
    pub(super) bound_claims: Map<String, Value>,
    /// The values are patterns.
    pub(super) globs: bool,
    /// Names the user.
    pub(super) user_claim: String,
    /// `user_claim` may be a JSON pointer.
    pub(super) user_claim_json_pointer: bool,
    /// Names the user's groups; empty for none.
    pub(super) groups_claim: String,
    /// Name of metadata by claim.
    pub(super) claim_mappings: BTreeMap<String, String>,
    /// How far clocks may differ.
    pub(super) leeways: Leeways,
    /// What its tokens are like.
    pub(super) params: TokenParams,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    role_type: Scalar,
    allowed_redirect_uris: Words,
    bound_audiences: Option<Words>,
    bound_subject: Option<Scalar>,
    bound_claims: Option<Map<String, Value>>,
    bound_claims_type: Option<Scalar>,
    user_claim: Option<Scalar>,
    user_claim_json_pointer: Option<Flag>,
    groups_claim: Option<Scalar>,
    claim_mappings: Option<Pairs>,
    clock_skew_leeway: Option<Leeway>,
    expiration_leeway: Option<Leeway>,
    not_before_leeway: Option<Leeway>,
    token_policies_template_claims: Flag,
    num_uses: Option<Integer>,
    #[serde(flatten)]
    fields: TokenFields,
}

/// Seconds, negative ones too.
#[derive(Clone, Copy)]
struct Leeway(i64);

impl<'de> Deserialize<'de> for Leeway {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Scalar::deserialize(from)?.0;
        parse_seconds(&text)
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("not a duration such as -1, 90 or \"1m\""))
    }
}

/// Whether there is such a role.
pub(super) fn exists(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<bool> {
    ROLES.exists(view, call.param("name"))
}

/// The role of a name.
pub(super) fn load(
    keyspace: KeyspaceId,
    session: &mut Session,
    name: &str,
) -> Result<Option<Role>, ViewError> {
    ROLES.load(keyspace, session, name)
}

/// `role`.
pub(super) fn list(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    Response::list(&ROLES.names(core.keyspace, session, LIST_MAX))
}

/// `role/<name>`.
pub(super) fn read(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let role = load(core.keyspace, session, core.call.param("name"))?;
    Response::data(&Value::Object(role.ok_or_else(ApiError::not_found)?.show()))
}

/// `role/<name>`.
pub(super) fn write(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let name = core.call.param("name");
    if name.len() > NAME_MAX {
        return Err(ApiError::bad_request("the role's name is too long: 4096 bytes is the limit"));
    }
    let body: Body = core.call.parse()?;
    let mut role = load(core.keyspace, session, name)?.unwrap_or_default();
    body.apply(&mut role)?;
    role.check()?;
    if serde_json::to_vec(&role).map_err(ApiError::internal)?.len() > ROLE_MAX {
        return Err(ApiError::bad_request("the role is too large: 1 MiB is the limit"));
    }
    session.view(core.keyspace).put_json(&ROLES.key(name), &role)?;
    Ok(Response::empty())
}

/// `role/<name>`.
pub(super) fn delete(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    ROLES.delete(core, session, core.call.param("name"))
}

impl Body {
    /// Only roles of the type `jwt` are there, and each write has to say so: without a word the
    /// type is `oidc`.
    fn check_type(&self, role: &Role) -> ApiResult<()> {
        let refuse = |message: String| Err(ApiError::bad_request(message));
        match self.role_type.0.as_str() {
            "jwt" => Ok(()),
            "" | "oidc" if self.user_claim.is_none() && role.user_claim.is_empty() => {
                refuse("a user claim must be defined on the role".to_owned())
            }
            "" | "oidc" if self.allowed_redirect_uris.0.is_empty() => refuse(
                "'allowed_redirect_uris' must be set if 'role_type' is 'oidc' or unspecified."
                    .to_owned(),
            ),
            "" | "oidc" => refuse("'role_type' 'oidc' is not supported: use 'jwt'".to_owned()),
            other => refuse(format!("invalid 'role_type': {other}")),
        }
    }

    /// Writes what was given over `role`.
    fn apply(self, role: &mut Role) -> ApiResult<()> {
        self.check_type(role)?;
        if self.token_policies_template_claims.0 {
            return Err(ApiError::bad_request("'token_policies_template_claims' is not supported"));
        }
        match self.bound_claims_type.as_ref().map(|kind| kind.0.as_str()) {
            None => {}
            Some("string" | "") => role.globs = false,
            Some("glob") => role.globs = true,
            Some(other) => {
                return Err(ApiError::bad_request(format!("invalid 'bound_claims_type': {other}")));
            }
        }
        for (to, given) in [
            (&mut role.bound_subject, self.bound_subject),
            (&mut role.user_claim, self.user_claim),
            (&mut role.groups_claim, self.groups_claim),
        ] {
            if let Some(Scalar(text)) = given {
                *to = text;
            }
        }
        for (to, given) in [
            (&mut role.leeways.clock_skew, self.clock_skew_leeway),
            (&mut role.leeways.expiration, self.expiration_leeway),
            (&mut role.leeways.not_before, self.not_before_leeway),
        ] {
            *to = given.map_or(*to, |seconds| seconds.0);
        }
        if let Some(Words(audiences)) = self.bound_audiences {
            role.bound_audiences = audiences;
        }
        if let Some(claims) = self.bound_claims {
            role.bound_claims = claims;
        }
        if let Some(Pairs(mappings)) = self.claim_mappings {
            role.claim_mappings = mappings;
        }
        if let Some(Flag(pointer)) = self.user_claim_json_pointer {
            role.user_claim_json_pointer = pointer;
        }
        self.fields.old_num_uses(self.num_uses).apply(&mut role.params)
    }
}

impl Role {
    fn check(&self) -> ApiResult<()> {
        let refuse = |message: String| Err(ApiError::bad_request(message));
        if self.user_claim.is_empty() {
            return refuse("a user claim must be defined on the role".to_owned());
        }
        let wanted = self.bound_claims.values().flat_map(|value| match value {
            Value::Array(all) => all.as_slice(),
            one => std::slice::from_ref(one),
        });
        if let Some(odd) = wanted.into_iter().find(|value| self.globs && !value.is_string()) {
            return refuse(format!("claim is not a string: {odd}"));
        }
        let mut destinations = BTreeSet::new();
        for to in self.claim_mappings.values() {
            if to == "role" {
                return refuse(
                    "metadata key \"role\" is reserved and may not be a mapping destination"
                        .to_owned(),
                );
            }
            if !destinations.insert(to) {
                return refuse(format!("multiple keys are mapped to metadata key {to:?}"));
            }
        }
        let bound = !self.bound_audiences.is_empty()
            || !self.bound_subject.is_empty()
            || !self.bound_claims.is_empty()
            || !self.params.bound_cidrs.is_empty();
        if bound {
            return Ok(());
        }
        refuse("must have at least one bound constraint when creating/updating a role".to_owned())
    }

    /// As the API shows it.
    fn show(&self) -> Map<String, Value> {
        let mut data = Map::new();
        self.params.show(&mut data);
        let list = |all: &[String]| if all.is_empty() { Value::Null } else { json!(all) };
        let null_if = |empty: bool, value: Value| if empty { Value::Null } else { value };
        let mappings = &self.claim_mappings;
        let claims = &self.bound_claims;
        for (name, value) in [
            ("role_type", json!("jwt")),
            ("bound_audiences", list(&self.bound_audiences)),
            ("bound_subject", json!(self.bound_subject)),
            ("bound_claims", null_if(claims.is_empty(), json!(claims))),
            ("bound_claims_type", json!(if self.globs { "glob" } else { "string" })),
            ("user_claim", json!(self.user_claim)),
            ("user_claim_json_pointer", json!(self.user_claim_json_pointer)),
            ("groups_claim", json!(self.groups_claim)),
            ("claim_mappings", null_if(mappings.is_empty(), json!(mappings))),
            ("clock_skew_leeway", json!(self.leeways.clock_skew)),
            ("expiration_leeway", json!(self.leeways.expiration)),
            ("not_before_leeway", json!(self.leeways.not_before)),
            // Of roles of the other type.
            ("allowed_redirect_uris", Value::Null),
            ("callback_mode", json!("client")),
            ("max_age", json!(0)),
            ("oauth2_metadata", Value::Null),
            ("oidc_disable_confirmation", json!(false)),
            ("oidc_scopes", Value::Null),
            ("token_policies_template_claims", json!(false)),
            ("verbose_oidc_logging", json!(false)),
        ] {
            data.insert(name.to_owned(), value);
        }
        data
    }
}
