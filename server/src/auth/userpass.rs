//! `userpass`: names and passwords.
//!
//! | key in the mount's keyspace | value |
//! |---|---|
//! | `user/<name in lower case>` | [`User`] |

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::token_fields;
use super::{Login, Origin, Renewal, TokenFields, TokenParams};
use crate::barrier::Session;
use crate::handler::{CoreCall, CoreRoute};
use crate::identity::Metadata;
use crate::logical::{ApiError, ApiResult, Field, Method, Operation, Response, Scalar, Secret};

/// Users that one LIST answers at most.
const LIST_MAX: usize = 1_000_000;
/// Bytes of a name.
const NAME_MAX: usize = 256;
/// Bytes of a password that count; longer ones are refused rather than cut.
const PASSWORD_MAX: usize = 72;
/// Bcrypt: 2^10 rounds.
const COST: u32 = 10;
/// Checked when there is no such user, so that an answer takes as long: of a drawn and forgotten
/// password, with [`COST`].
const NOBODY: &str = "$2b$10$BwUs05fUtYQXNUixq8Y3TOLMZIjZzqDJ66K4QxtkHoIUkszzXnZzG";

const LOGIN: &[Field] = &[Field::text("password", "The password")];
const USERS: &[Field] = token_fields![
    Field::words("bound_cidrs", "Old name of `token_bound_cidrs`"),
    Field::seconds("max_ttl", "Old name of `token_max_ttl`"),
    Field::text("password", "The password"),
    Field::text("password_hash", "The password, hashed with bcrypt"),
    Field::words("policies", "Names of policies"),
    Field::seconds("ttl", "How long it lives")
];
const USERS_PASSWORD: &[Field] = &[
    Field::text("password", "The password"),
    Field::text("password_hash", "The password, hashed with bcrypt"),
];
const USERS_POLICIES: &[Field] = &[
    Field::words("policies", "Names of policies"),
    Field::words("token_policies", "Policies of tokens"),
];

/// The routes.
pub(super) static ROUTES: &[CoreRoute] = &[
    CoreRoute::new(
        "login/{name}",
        "Log in with a password",
        &[Method::local(Operation::Write, login)],
    )
    .public()
    .takes(LOGIN),
    CoreRoute::new("users", "List the users", &[Method::local(Operation::List, list)])
        .takes(Field::PAGE),
    CoreRoute::new(
        "users/{name}",
        "Show, make, change or delete a user",
        &[
            Method::local(Operation::Read, read),
            Method::primary(Operation::Write, write),
            Method::primary(Operation::Delete, delete),
        ],
    )
    .creates(exists)
    .takes(USERS),
    CoreRoute::new(
        "users/{name}/password",
        "Set a user's password",
        &[Method::primary(Operation::Write, write_password)],
    )
    .takes(USERS_PASSWORD),
    CoreRoute::new(
        "users/{name}/policies",
        "Set the policies of a user's tokens",
        &[Method::primary(Operation::Write, write_policies)],
    )
    .takes(USERS_POLICIES),
];

/// One user.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct User {
    /// Bcrypt.
    password_hash: String,
    params: TokenParams,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    password: Option<Secret>,
    password_hash: Option<Scalar>,
    #[serde(flatten)]
    fields: TokenFields,
}

fn exists(call: &crate::logical::Call<'_>, view: &mut crate::barrier::View<'_>) -> ApiResult<bool> {
    Ok(view.exists(&key_of(call.param("name")))?)
}

fn key_of(name: &str) -> String {
    format!("user/{}", name.to_lowercase())
}

/// The name in lower case; it is letters, digits and `_-.`, begins with no dash or dot and ends
/// with no dot.
fn name(core: &CoreCall<'_>) -> ApiResult<String> {
    let name = core.call.param("name");
    let odd = |c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
    let bad = name.starts_with(['-', '.']) || name.ends_with('.') || name.len() > NAME_MAX;
    if bad || name.contains(odd) {
        return Err(ApiError::unsupported_path());
    }
    Ok(name.to_lowercase())
}

fn load(core: &CoreCall<'_>, session: &mut Session, name: &str) -> ApiResult<Option<User>> {
    Ok(session.view(core.keyspace).get_json(&key_of(name))?)
}

fn known(core: &CoreCall<'_>, session: &mut Session, name: &str) -> ApiResult<User> {
    load(core, session, name)?.ok_or_else(|| ApiError::listed(400, "username does not exist"))
}

fn store(
    core: &CoreCall<'_>,
    session: &mut Session,
    name: &str,
    user: &User,
) -> ApiResult<Response> {
    session.view(core.keyspace).put_json(&key_of(name), user)?;
    Ok(Response::empty())
}

fn list(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let (after, limit) = core.call.page(LIST_MAX)?;
    Response::list(&session.view(core.keyspace).list("user/", after, limit))
}

fn read(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let user = load(core, session, &name(core)?)?.ok_or_else(ApiError::not_found)?;
    let mut data = Map::new();
    user.params.show(&mut data);
    Response::data(&Value::Object(data))
}

fn write(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let name = name(core)?;
    let body: Body = core.call.parse()?;
    let before = load(core, session, &name)?;
    let hash = hash_in(body.password, body.password_hash)?;
    let mut user = match (before, hash) {
        (Some(user), None) => user,
        (Some(user), Some(password_hash)) => User { password_hash, ..user },
        (None, Some(password_hash)) => User { password_hash, params: TokenParams::default() },
        (None, None) => return Err(no_password()),
    };
    body.fields.apply(&mut user.params)?;
    store(core, session, &name, &user)
}

fn write_password(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let name = name(core)?;
    let body: Body = core.call.parse()?;
    let mut user = known(core, session, &name)?;
    user.password_hash = hash_in(body.password, body.password_hash)?.ok_or_else(no_password)?;
    store(core, session, &name, &user)
}

fn write_policies(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let name = name(core)?;
    let body: Body = core.call.parse()?;
    let mut user = known(core, session, &name)?;
    body.fields.only_policies().apply(&mut user.params)?;
    store(core, session, &name, &user)
}

fn no_password() -> ApiError {
    ApiError::bad_request("must provide either password or password_hash")
}

/// The hash of what was given, if anything.
fn hash_in(password: Option<Secret>, hash: Option<Scalar>) -> ApiResult<Option<String>> {
    let password = password.filter(|p| !p.0.is_empty());
    let hash = hash.filter(|h| !h.0.is_empty());
    match (password, hash) {
        (Some(_), Some(_)) => {
            Err(ApiError::bad_request("only one of password or password_hash may be provided"))
        }
        (Some(password), None) if password.0.len() > PASSWORD_MAX => {
            Err(ApiError::bad_request("the password is too long: 72 bytes is the limit"))
        }
        (Some(password), None) => super::busy(|| bcrypt::hash(password.0.as_str(), COST))
            .map(Some)
            .map_err(ApiError::internal),
        (None, Some(hash)) if hash.0.parse::<bcrypt::HashParts>().is_err() => {
            Err(ApiError::bad_request("password_hash is not a valid bcrypt hash"))
        }
        (None, Some(hash)) => Ok(Some(hash.0)),
        (None, None) => Ok(None),
    }
}

fn delete(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let name = name(core)?;
    session.view(core.keyspace).delete(&key_of(&name));
    Ok(Response::empty())
}

fn login(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let name = name(core)?;
    let body: Body = core.call.parse()?;
    let password = body.password.unwrap_or_default();
    if password.0.is_empty() {
        return Err(ApiError::bad_request("missing password"));
    }
    let mount = core.call.mount;
    let config = mount.lockout.unwrap_or_default();
    if core.lockout.locked(config, &mount.accessor, &name, core.call.now) {
        return Err(ApiError::permission_denied());
    }
    let user = load(core, session, &name)?;
    let hash = user.as_ref().map_or(NOBODY, |u| &u.password_hash);
    let right = super::busy(|| bcrypt::verify(password.0.as_str(), hash)).unwrap_or(false);
    // A name that nobody has cannot be locked, nor fill the memory of those that failed.
    let exists = user.is_some();
    let Some(user) = user.filter(|_| right) else {
        if exists {
            core.lockout.failed(config, &mount.accessor, &name, core.call.now);
        }
        return Err(ApiError::bad_request("invalid username or password"));
    };
    let mut login = Login {
        alias: name.clone(),
        display_name: name.clone(),
        origin: Origin::of(&name),
        metadata: Metadata::from([("username".to_owned(), name.clone())]),
        params: user.params,
        ..Login::default()
    };
    super::admit(&mut login, core)?;
    core.lockout.forget(&mount.accessor, &name);
    Ok(super::answer(login))
}

/// The user has to be there still, with the policies that the token has.
pub(super) fn renew(
    renewal: &Renewal<'_>,
    session: &mut Session,
) -> ApiResult<Option<TokenParams>> {
    let key = key_of(&renewal.origin.role);
    let user: Option<User> = session.view(renewal.keyspace).get_json(&key)?;
    user.map(|user| renewal.unchanged(user.params)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_takes_as_long_as_a_wrong_password() {
        // A hash that does not parse would be refused at once.
        assert!(matches!(bcrypt::verify("x", NOBODY), Ok(false)));
        assert_eq!(NOBODY.parse::<bcrypt::HashParts>().unwrap().get_cost(), COST);
    }
}
