//! The `token_*` fields that roles and users of all auth methods have.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::cidr::{self, Cidr};
use crate::logical::{ApiError, ApiResult, Flag, Integer, Scalar, Seconds, Words};
use crate::policy;

/// The fields that an auth method takes for its tokens, and its own.
macro_rules! token_fields {
    ($($own:expr),* $(,)?) => {
        &[
            Field::words("token_bound_cidrs", "Address blocks that tokens may be used from"),
            Field::seconds("token_explicit_max_ttl", "No renewal prolongs tokens beyond this time"),
            Field::seconds("token_max_ttl", "How long tokens can live"),
            Field::flag("token_no_default_policy", "Whether tokens go without the policy `default`"),
            Field::integer("token_num_uses", "How often tokens may be used, 0 for any number"),
            Field::seconds("token_period", "Each renewal prolongs tokens by this time"),
            Field::words("token_policies", "Policies of tokens"),
            Field::flag("token_strictly_bind_ip", "Whether tokens are bound to the login's address"),
            Field::seconds("token_ttl", "How long tokens live"),
            Field::text("token_type", "Type of tokens"),
            $($own),*
        ]
    };
}
pub(super) use token_fields;

/// What the tokens of a role are like. Times are seconds; 0 for the mount's or none.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct TokenParams {
    /// Lifetime at first and by each renewal.
    pub ttl: u64,
    /// End of all renewals.
    pub max_ttl: u64,
    /// End of all renewals, whatever the mount is tuned to later.
    pub explicit_max_ttl: u64,
    /// Each renewal gives this much, without an end.
    pub period: u64,
    /// As they were given by their new name; see `plain_names` for the old one.
    pub policies: Vec<String>,
    /// Without the policy `default`.
    pub no_default_policy: bool,
    /// Uses, 0 for any number.
    pub num_uses: i64,
    /// Where its tokens may be used from.
    pub bound_cidrs: Vec<Cidr>,
    /// Its tokens may be used from the address of the login alone.
    pub strictly_bind_ip: bool,
    /// `service`, `batch`, `default-service`, `default-batch`; empty for the mount's.
    pub kind: String,
    /// The old names that were used for some of these fields, which are shown by them too.
    pub old_names: BTreeSet<String>,
}

/// The fields in a request. Methods differ in the old names that they still take.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub struct TokenFields {
    token_ttl: Option<Seconds>,
    token_max_ttl: Option<Seconds>,
    token_explicit_max_ttl: Option<Seconds>,
    token_period: Option<Seconds>,
    token_policies: Option<Words>,
    token_no_default_policy: Option<Flag>,
    token_num_uses: Option<Integer>,
    token_bound_cidrs: Option<Words>,
    token_strictly_bind_ip: Option<Flag>,
    token_type: Option<Scalar>,
    ttl: Option<Seconds>,
    max_ttl: Option<Seconds>,
    period: Option<Seconds>,
    policies: Option<Words>,
    bound_cidrs: Option<Words>,
    /// Most methods never had it: see [`TokenFields::old_num_uses`].
    #[serde(skip)]
    num_uses: Option<Integer>,
}

impl TokenFields {
    /// What is said of policies, and nothing else; under a path of their own they are plain names.
    #[must_use]
    pub fn only_policies(self) -> Self {
        let token_policies = self.token_policies.map(|Words(names)| Words(plain_names(names)));
        Self { token_policies, policies: self.policies, ..Self::default() }
    }

    /// Takes `num_uses`, for methods that know it as an old name.
    #[must_use]
    pub fn old_num_uses(self, num_uses: Option<Integer>) -> Self {
        Self { num_uses, ..self }
    }

    /// Takes a `token_type` that leaves the choice to the mount for the one that it begins with, for
    /// methods where it means no more; what the client is told of it.
    pub fn settle_kind(&mut self) -> Option<String> {
        let kind = self.token_type.as_mut()?;
        let plain = kind.0.strip_prefix("default-")?.to_owned();
        let warning = format!("default-{plain} has no useful meaning; adjusting to {plain}");
        kind.0 = plain;
        Some(warning)
    }

    /// Leaves out what is given by its new name too, for roles where the old one means nothing then;
    /// what the client is told of it.
    pub fn leave_doubled(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        if self.token_period.is_some() && self.period.take().is_some() {
            told.push(doubled("period"));
        }
        if self.token_bound_cidrs.is_some() && self.bound_cidrs.take().is_some() {
            told.push(doubled("bound_cidrs"));
        }
        told
    }

    /// Whether `token_explicit_max_ttl` is given.
    #[must_use]
    pub fn names_explicit_max_ttl(&self) -> bool {
        self.token_explicit_max_ttl.is_some()
    }

    /// As [`TokenFields::apply`], for roles whose `token_type` may leave the choice to the request.
    ///
    /// # Errors
    /// 400.
    pub fn apply_with_choice(mut self, params: &mut TokenParams) -> ApiResult<()> {
        let kind = self.token_type.take();
        self.apply(params)?;
        match kind.as_ref().map(|kind| kind.0.as_str()) {
            None => return Ok(()),
            // A role of tokens says what it means: there is no method that could have a default.
            Some(word @ ("" | "default")) => return Err(no_kind(word)),
            Some(word @ ("default-service" | "default-batch")) => word.clone_into(&mut params.kind),
            Some(word) => params.kind = token_type(word)?,
        }
        params.check()
    }

    /// Writes what was given over `params`.
    ///
    /// # Errors
    /// 400.
    pub fn apply(self, params: &mut TokenParams) -> ApiResult<()> {
        for (old, given, new) in [
            ("ttl", self.ttl.is_some(), self.token_ttl.is_some()),
            ("max_ttl", self.max_ttl.is_some(), self.token_max_ttl.is_some()),
            ("period", self.period.is_some(), self.token_period.is_some()),
            ("policies", self.policies.is_some(), self.token_policies.is_some()),
            ("bound_cidrs", self.bound_cidrs.is_some(), self.token_bound_cidrs.is_some()),
            ("num_uses", self.num_uses.is_some(), self.token_num_uses.is_some()),
        ] {
            // Shown by the old name is what was given by it, if also by the new one.
            if given {
                params.old_names.insert(old.to_owned());
            } else if new {
                params.old_names.remove(old);
            }
        }
        let set = |to: &mut u64, new: Option<Seconds>, old: Option<Seconds>| {
            if let Some(Seconds(seconds)) = new.or(old) {
                *to = seconds;
            }
        };
        set(&mut params.ttl, self.token_ttl, self.ttl);
        set(&mut params.max_ttl, self.token_max_ttl, self.max_ttl);
        set(&mut params.explicit_max_ttl, self.token_explicit_max_ttl, None);
        set(&mut params.period, self.token_period, self.period);
        if let Some(Words(policies)) = self.token_policies {
            params.policies = policies;
        } else if let Some(Words(policies)) = self.policies {
            params.policies = plain_names(policies);
        }
        if let Some(Flag(without)) = self.token_no_default_policy {
            params.no_default_policy = without;
        }
        if let Some(Integer(uses)) = self.token_num_uses.or(self.num_uses) {
            params.num_uses = uses;
        }
        if let Some(blocks) = self.token_bound_cidrs.or(self.bound_cidrs) {
            params.bound_cidrs = cidr::parse_all(&blocks)?;
        }
        if let Some(Flag(strictly)) = self.token_strictly_bind_ip {
            params.strictly_bind_ip = strictly;
        }
        if let Some(Scalar(kind)) = self.token_type {
            params.kind = token_type(&kind)?;
        }
        params.check()
    }
}

/// Names of policies as tokens have them: in lower case, sorted, each once.
pub(super) fn plain_names(names: Vec<String>) -> Vec<String> {
    let mut names: Vec<String> = names.into_iter().map(|name| name.to_lowercase()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// What a client is told that gives a field by both its names.
pub fn doubled(old: &str) -> String {
    format!(
        "Both 'token_{old}' and deprecated '{old}' value supplied, ignoring the deprecated value"
    )
}

/// The stored form of a `token_type` field.
///
/// # Errors
/// 400.
pub fn token_type(given: &str) -> ApiResult<String> {
    match given {
        "" | "default" => Ok(String::new()),
        "service" | "batch" => Ok(given.to_owned()),
        other => Err(no_kind(other)),
    }
}

fn no_kind(given: &str) -> ApiError {
    ApiError::bad_request(format!("invalid 'token_type' value {given:?}"))
}

impl TokenParams {
    fn check(&self) -> ApiResult<()> {
        let refuse = |message: &str| Err(ApiError::bad_request(message));
        if self.max_ttl != 0 && self.ttl > self.max_ttl {
            return refuse("'token_ttl' cannot be greater than 'token_max_ttl'");
        }
        if self.strictly_bind_ip && !self.bound_cidrs.is_empty() {
            return refuse(
                "'token_strictly_bind_ip' conflicts with 'token_bound_cidrs'; set only one",
            );
        }
        if self.num_uses < 0 {
            return refuse("'token_num_uses' cannot be negative");
        }
        if self.policies.len() > policy::POLICIES_PER_TOKEN_MAX {
            return refuse("too many policies: 1024 is the limit");
        }
        if matches!(self.kind.as_str(), "batch" | "default-batch") {
            if self.period != 0 {
                return refuse(
                    "'token_type' cannot be 'batch' or 'default_batch' when set to generate \
                     periodic tokens",
                );
            }
            if self.num_uses != 0 {
                return refuse(
                    "'token_type' cannot be 'batch' or 'default_batch' when set to generate \
                     tokens with limited use count",
                );
            }
        }
        Ok(())
    }

    /// Adds the fields as the API shows them.
    pub fn show(&self, to: &mut Map<String, Value>) {
        let kind = if self.kind.is_empty() { "default" } else { &self.kind };
        for (name, value) in [
            ("token_ttl", json!(self.ttl)),
            ("token_max_ttl", json!(self.max_ttl)),
            ("token_explicit_max_ttl", json!(self.explicit_max_ttl)),
            ("token_period", json!(self.period)),
            ("token_policies", json!(self.policies)),
            ("token_no_default_policy", json!(self.no_default_policy)),
            ("token_num_uses", json!(self.num_uses)),
            ("token_bound_cidrs", json!(self.bound_cidrs)),
            ("token_strictly_bind_ip", json!(self.strictly_bind_ip)),
            ("token_type", json!(kind)),
        ] {
            to.insert(name.to_owned(), value);
        }
        for old in &self.old_names {
            let value = to.get(&format!("token_{old}")).cloned().unwrap_or_default();
            // The old name is there for what was given by it: nothing was.
            if value != json!(0) && value != json!([]) {
                to.insert(old.clone(), value);
            }
        }
    }

    /// Whether a login by a mount of this `token_type` gets a batch token.
    pub fn is_batch(&self, mount_type: &str) -> bool {
        match (mount_type, self.kind.as_str()) {
            ("batch", _) | ("default-batch", "") => true,
            ("service", _) => false,
            (_, kind) => matches!(kind, "batch" | "default-batch"),
        }
    }
}
