//! Single fields of a role under paths of their own.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Map, json};

use super::role::{self, Role};
use crate::auth::TokenParams;
use crate::barrier::Session;
use crate::handler::CoreCall;
use crate::logical::{ApiError, ApiResult, Integer, Response, Seconds, Words, parse_body};

/// The last part of the path, and the field that it stands for.
const FIELDS: [(&str, &str); 12] = [
    ("policies", "token_policies"),
    ("secret-id-bound-cidrs", "secret_id_bound_cidrs"),
    ("bound-cidr-list", "secret_id_bound_cidrs"),
    ("secret-id-num-uses", "secret_id_num_uses"),
    ("secret-id-ttl", "secret_id_ttl"),
    ("bind-secret-id", "bind_secret_id"),
    ("token-ttl", "token_ttl"),
    ("token-max-ttl", "token_max_ttl"),
    ("token-num-uses", "token_num_uses"),
    ("token-bound-cidrs", "token_bound_cidrs"),
    ("period", "token_period"),
    ("local-secret-ids", "local_secret_ids"),
];

/// Paths beside those of fields, with verbs of their own.
const NO_FIELDS: [&str; 3] = ["role-id", "secret-id", "custom-secret-id"];

/// What a field is called in bodies of old.
const OLD_NAMES: [(&str, &str); 5] = [
    ("token_policies", "policies"),
    ("token_period", "period"),
    ("token_ttl", "ttl"),
    ("token_max_ttl", "max_ttl"),
    ("secret_id_bound_cidrs", "bound_cidr_list"),
];

fn field(core: &CoreCall<'_>) -> ApiResult<&'static str> {
    let name = core.call.param("field");
    if NO_FIELDS.contains(&name) {
        return Err(ApiError::unsupported_operation());
    }
    let found = FIELDS.iter().find(|(path, _)| *path == name);
    found.map(|(_, field)| *field).ok_or_else(ApiError::unsupported_path)
}

/// `role/<role>/<field>`.
pub(super) fn read(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let field = field(core)?;
    let role = role::find(core, session)?.ok_or_else(ApiError::not_found)?;
    let shown = role.show();
    let value = shown.get(field).cloned().unwrap_or_default();
    if core.call.param("field") == "bound-cidr-list" {
        let data = Map::from_iter([("bound_cidr_list".to_owned(), value)]);
        return Ok(Response::data(&data)?.warn(
            "The \"bound_cidr_list\" field is deprecated and will be removed. Please use \
             \"secret_id_bound_cidrs\" instead.",
        ));
    }
    let mut data = Map::from_iter([(field.to_owned(), value)]);
    // What was given by its old name is shown by both.
    if let Some((_, old)) = OLD_NAMES.iter().find(|(new, _)| *new == field)
        && let Some(value) = shown.get(*old)
    {
        data.insert((*old).to_owned(), value.clone());
    }
    Response::data(&data)
}

/// `role/<role>/<field>`.
pub(super) fn write(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let field = field(core)?;
    let before = role::known(core, session)?;
    let mut role = before.clone();
    let body: BTreeMap<String, &RawValue> = core.call.parse()?;
    let old = OLD_NAMES.iter().find(|(new, _)| *new == field).map(|(_, old)| *old);
    let value = |name| body.get(name).filter(|value| value.get() != "null");
    let given = [Some(field), old].into_iter().flatten().find_map(|n| Some((n, value(n)?)));
    let (name, given) = given.ok_or_else(|| {
        let known = [("token_period", "period"), ("secret_id_bound_cidrs", "bound_cidr_list")];
        let name = known.iter().find(|(new, _)| *new == field).map_or(field, |(_, name)| *name);
        ApiError::bad_request(format!("missing {name}"))
    })?;
    // One field alone, so that the others keep their values.
    let alone = json!({ name: given }).to_string();
    change(&mut role, field, &alone)?;
    if let Some(old) = old.filter(|old| field.starts_with("token_") && value(old).is_some()) {
        role.params.old_names.insert(old.to_owned());
    }
    role::store(core, session, &role, Some(&before))
}

fn change(role: &mut Role, field: &str, body: &str) -> ApiResult<()> {
    fn one<T: for<'de> serde::Deserialize<'de>>(body: &str) -> ApiResult<T> {
        let mut map: BTreeMap<String, T> = parse_body(body.as_bytes())?;
        map.pop_first()
            .map(|(_, value)| value)
            .ok_or_else(|| ApiError::bad_request("missing field"))
    }
    match field {
        "secret_id_bound_cidrs" => role.set_bound_cidrs(one::<Words>(body)?),
        "secret_id_num_uses" => role.set_num_uses(one::<Integer>(body)?.0),
        "secret_id_ttl" => {
            role.secret_id_ttl = one::<Seconds>(body)?.0;
            Ok(())
        }
        "bind_secret_id" => {
            role.bind_secret_id = one::<crate::logical::Flag>(body)?.0;
            Ok(())
        }
        "local_secret_ids" => Err(ApiError::unsupported_operation()),
        "token_policies" => {
            let fields = parse_body::<crate::auth::TokenFields>(body.as_bytes())?;
            fields.only_policies().apply(&mut role.params)
        }
        _ => parse_body::<crate::auth::TokenFields>(body.as_bytes())?.apply(&mut role.params),
    }
}

/// `role/<role>/<field>`: back to what a new role has.
pub(super) fn delete(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let field = field(core)?;
    let Some(before) = role::find(core, session)? else { return Ok(Response::empty()) };
    let mut role = before.clone();
    let none = TokenParams::default();
    match field {
        "token_policies" => role.params.policies = none.policies,
        "token_ttl" => role.params.ttl = none.ttl,
        "token_max_ttl" => role.params.max_ttl = none.max_ttl,
        "token_num_uses" => role.params.num_uses = none.num_uses,
        "token_bound_cidrs" => role.params.bound_cidrs = none.bound_cidrs,
        "token_period" => role.params.period = none.period,
        "secret_id_bound_cidrs" => role.secret_id_bound_cidrs = Vec::new(),
        "secret_id_num_uses" => role.secret_id_num_uses = 0,
        "secret_id_ttl" => role.secret_id_ttl = 0,
        "bind_secret_id" => role.bind_secret_id = true,
        _ => return Err(ApiError::unsupported_operation()),
    }
    role::store(core, session, &role, Some(&before))
}
