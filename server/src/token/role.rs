//! Token roles: CORE/`token-role/<name>`, replicated.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::auth::{TokenFields, TokenParams, doubled};
use crate::barrier::{Session, ViewError};
use crate::handler::CoreCall;
use crate::keyspace::CORE;
use crate::logical::{ApiError, ApiResult, Flag, Response, Scalar, Seconds, Words};
use crate::policy::{self, glob};

/// Roles that one LIST answers at most.
const LIST_MAX: usize = 1_000_000;
const PREFIX: &str = "token-role/";
/// Bytes of a path suffix.
const SUFFIX_MAX: usize = 256;

/// What the tokens made by a role may be like.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TokenRole {
    /// Its name.
    pub(super) name: String,
    /// Policies that may be asked for, and that a token gets when none are.
    pub(super) allowed_policies: Vec<String>,
    /// Never these.
    pub(super) disallowed_policies: Vec<String>,
    /// Patterns beside `allowed_policies`.
    pub(super) allowed_policies_glob: Vec<String>,
    /// Patterns beside `disallowed_policies`.
    pub(super) disallowed_policies_glob: Vec<String>,
    /// Its tokens have no parent.
    pub(super) orphan: bool,
    /// Its tokens may be renewed.
    pub(super) renewable: bool,
    /// At the end of the tokens' path.
    pub(super) path_suffix: String,
    /// Patterns of aliases whose entity a token may have.
    pub(super) allowed_entity_aliases: Vec<String>,
    /// As for the roles of auth methods.
    pub(super) params: TokenParams,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    allowed_policies: Option<Words>,
    disallowed_policies: Option<Words>,
    allowed_policies_glob: Option<Words>,
    disallowed_policies_glob: Option<Words>,
    orphan: Option<Flag>,
    renewable: Option<Flag>,
    path_suffix: Option<Scalar>,
    allowed_entity_aliases: Option<Words>,
    explicit_max_ttl: Option<Seconds>,
    #[serde(flatten)]
    fields: TokenFields,
}

/// The role of a name.
pub(super) fn load(session: &mut Session, name: &str) -> Result<Option<TokenRole>, ViewError> {
    session.view(CORE).get_json(&format!("{PREFIX}{name}"))
}

/// `auth/token/roles`.
pub(super) fn list(_core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    Response::list(&session.view(CORE).list(PREFIX, None, LIST_MAX))
}

/// `auth/token/roles/<name>`.
pub(super) fn read(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let role = load(session, core.call.param("name"))?.ok_or_else(ApiError::not_found)?;
    let mut data = Map::new();
    role.params.show(&mut data);
    for (name, value) in [
        ("name", json!(role.name)),
        ("allowed_policies", json!(role.allowed_policies)),
        ("disallowed_policies", json!(role.disallowed_policies)),
        ("allowed_policies_glob", json!(role.allowed_policies_glob)),
        ("disallowed_policies_glob", json!(role.disallowed_policies_glob)),
        ("orphan", json!(role.orphan)),
        ("renewable", json!(role.renewable)),
        ("path_suffix", json!(role.path_suffix)),
        ("allowed_entity_aliases", some(&role.allowed_entity_aliases)),
    ] {
        data.insert(name.to_owned(), value);
    }
    // The old names are there in any case, but with what was given by them alone.
    for name in ["explicit_max_ttl", "period"] {
        let old = role.params.old_names.contains(name);
        let value = data.get(&format!("token_{name}")).filter(|_| old).cloned();
        data.insert(name.to_owned(), value.unwrap_or_else(|| json!(0)));
    }
    for (name, none) in [("token_bound_cidrs", json!([])), ("token_num_uses", json!(0))] {
        if data.get(name) == Some(&none) {
            data.remove(name);
        }
    }
    data.remove("token_strictly_bind_ip");
    // A role says nothing of these for its tokens.
    for name in ["token_ttl", "token_max_ttl", "token_policies"] {
        data.remove(name);
    }
    let kind = if role.params.kind.is_empty() { "default-service" } else { &role.params.kind };
    data.insert("token_type".to_owned(), kind.into());
    Response::data(&Value::Object(data))
}

fn some(list: &[String]) -> Value {
    if list.is_empty() { Value::Null } else { json!(list) }
}

/// `auth/token/roles/<name>`.
pub(super) fn write(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let name = core.call.param("name");
    let mut body: Body = core.call.parse()?;
    let mut warnings = body.fields.leave_doubled();
    let mut role = load(session, name)?.unwrap_or_else(|| TokenRole {
        name: name.to_owned(),
        allowed_policies: Vec::new(),
        disallowed_policies: Vec::new(),
        allowed_policies_glob: Vec::new(),
        disallowed_policies_glob: Vec::new(),
        orphan: false,
        renewable: true,
        path_suffix: String::new(),
        allowed_entity_aliases: Vec::new(),
        params: TokenParams::default(),
    });
    for (to, given) in [
        (&mut role.allowed_policies, body.allowed_policies),
        (&mut role.disallowed_policies, body.disallowed_policies),
        (&mut role.allowed_policies_glob, body.allowed_policies_glob),
        (&mut role.disallowed_policies_glob, body.disallowed_policies_glob),
        (&mut role.allowed_entity_aliases, body.allowed_entity_aliases),
    ] {
        if let Some(Words(words)) = given {
            *to = words.into_iter().map(|w| w.to_lowercase()).collect();
            to.sort_unstable();
            to.dedup();
        }
    }
    role.orphan = body.orphan.map_or(role.orphan, |f| f.0);
    role.renewable = body.renewable.map_or(role.renewable, |f| f.0);
    if let Some(Scalar(suffix)) = body.path_suffix {
        check_suffix(&suffix)?;
        role.path_suffix = suffix;
    }
    let renamed = body.fields.names_explicit_max_ttl();
    if renamed {
        role.params.old_names.remove("explicit_max_ttl");
    }
    match body.explicit_max_ttl {
        Some(_) if renamed => warnings.push(doubled("explicit_max_ttl")),
        Some(Seconds(seconds)) => {
            role.params.explicit_max_ttl = seconds;
            role.params.old_names.insert("explicit_max_ttl".to_owned());
        }
        None => {}
    }
    body.fields.apply_with_choice(&mut role.params)?;
    role.check()?;
    session.view(CORE).put_json(&format!("{PREFIX}{name}"), &role)?;
    Ok(Response { warnings, ..Response::empty() })
}

/// `auth/token/roles/<name>`.
#[expect(clippy::unnecessary_wraps, reason = "the type of every handler")]
pub(super) fn delete(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    session.view(CORE).delete(&format!("{PREFIX}{}", core.call.param("name")));
    Ok(Response::empty())
}

/// Three letters, digits, `_`, `-` and `.` or more, of which the last two not at the ends.
fn check_suffix(suffix: &str) -> ApiResult<()> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let sound = suffix.chars().all(|c| word(c) || c == '-' || c == '.')
        && suffix.starts_with(word)
        && suffix.ends_with(word)
        && (3..=SUFFIX_MAX).contains(&suffix.len());
    if suffix.is_empty() || sound {
        return Ok(());
    }
    Err(ApiError::bad_request(
        "given role path suffix contains invalid characters; must match \\w[\\w-.]+\\w",
    ))
}

impl TokenRole {
    fn check(&self) -> ApiResult<()> {
        if self.params.kind != "batch" {
            return Ok(());
        }
        let refuse = |what: &str| {
            Err(ApiError::bad_request(format!(
                "'token_type' cannot be 'batch' when role is set to generate {what}"
            )))
        };
        if !self.orphan {
            return refuse("non-orphan tokens");
        }
        if self.renewable {
            return refuse("renewable tokens");
        }
        if self.params.explicit_max_ttl != 0 {
            return refuse("tokens with an explicit max TTL");
        }
        Ok(())
    }

    /// The policies of a token that asks for `wanted`; `None` when that is nothing and the role
    /// names none either.
    ///
    /// # Errors
    /// 400 for a policy that the role does not give.
    pub(super) fn choose(
        &self,
        wanted: &[String],
        no_default: bool,
    ) -> ApiResult<Option<Vec<String>>> {
        let fits = |exact: &[String], globs: &[String], name: &String| {
            exact.contains(name) || globs.iter().any(|g| glob(g, name))
        };
        let disallowed =
            |name: &String| fits(&self.disallowed_policies, &self.disallowed_policies_glob, name);
        let default = policy::DEFAULT.to_owned();
        let with_default = !no_default && !self.params.no_default_policy && !disallowed(&default);
        let mut chosen = if wanted.is_empty() { &self.allowed_policies } else { wanted }.to_vec();
        let limited = !self.allowed_policies_glob.is_empty();
        if chosen.is_empty() && !limited {
            return Ok(None);
        }
        if with_default && !chosen.iter().any(|n| n == policy::ROOT) {
            chosen.push(default.clone());
        }
        chosen.sort_unstable();
        chosen.dedup();
        let mut exact = self.allowed_policies.clone();
        let globs = &self.allowed_policies_glob;
        let open = exact.is_empty() && globs.is_empty();
        if with_default && !exact.contains(&default) {
            exact.push(default);
            exact.sort_unstable();
        }
        if !open && !chosen.iter().all(|n| fits(&exact, globs, n)) {
            let [chosen, exact, globs] = [&chosen, &exact, globs]
                .map(|names| names.iter().map(|n| format!("{n:?}")).collect::<Vec<_>>().join(" "));
            return Err(ApiError::bad_request(format!(
                "token policies ([{chosen}]) must be subset of the role's allowed policies \
                 ([{exact}]) or glob policies ([{globs}])"
            )));
        }
        if let Some(name) = chosen.iter().find(|n| disallowed(n)) {
            return Err(ApiError::bad_request(format!(
                "token policy {name:?} is disallowed by this role"
            )));
        }
        Ok(Some(chosen))
    }

    /// Whether a token may have the entity of this alias.
    pub(super) fn allows_alias(&self, alias: &str) -> bool {
        self.allowed_entity_aliases.iter().any(|pattern| glob(pattern, &alias.to_lowercase()))
    }
}
