//! Roles.
//!
//! | key in the mount's keyspace | value |
//! |---|---|
//! | `role/<name in lower case>` | [`Role`] |
//! | `role-id/<role id>` | the role's name |
//! | `salt` | 32 random bytes; secret ids are hashed with it |

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use strongroom_storage::KeyspaceId;
use uuid::Uuid;

use crate::auth::named::Named;
use crate::auth::{TokenFields, TokenParams, parse_cidrs};
use crate::barrier::{Session, View, ViewError};
use crate::handler::CoreCall;
use crate::keyspace::LOCAL;
use crate::logical::{ApiError, ApiResult, Call, Flag, Integer, Response, Scalar, Seconds, Words};

use super::secret::{self, Secrets};

const ROLES: Named = Named("role/");
/// Roles that one LIST answers at most.
const LIST_MAX: usize = 1_000_000;
/// Bytes of a role's name.
const NAME_MAX: usize = 4096;
/// Bytes of a role id.
const ID_MAX: usize = 4096;

/// One role. Times are seconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Role {
    /// Secret ids hang on it, so that a role of the same name made later has none of them.
    pub(super) uid: String,
    /// `role_id`: what a machine logs in with.
    pub(super) id: String,
    /// A login needs a secret id.
    pub(super) bind_secret_id: bool,
    /// Where logins may come from, as given.
    pub(super) secret_id_bound_cidrs: Vec<String>,
    /// Logins with one secret id, 0 for any number.
    pub(super) secret_id_num_uses: i64,
    /// Lifetime of a secret id, 0 for ever.
    pub(super) secret_id_ttl: u64,
    /// Secret ids are each cluster's own.
    pub(super) local_secret_ids: bool,
    /// What its tokens are like.
    pub(super) params: TokenParams,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    role_id: Option<Scalar>,
    bind_secret_id: Option<Flag>,
    secret_id_bound_cidrs: Option<Words>,
    /// The old name of `secret_id_bound_cidrs`.
    bound_cidr_list: Option<Words>,
    secret_id_num_uses: Option<Integer>,
    secret_id_ttl: Option<Seconds>,
    local_secret_ids: Option<Flag>,
    #[serde(flatten)]
    fields: TokenFields,
}

fn id_key(role_id: &str) -> String {
    format!("role-id/{role_id}")
}

/// Whether there is such a role.
pub(super) fn exists(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<bool> {
    ROLES.exists(view, call.param("role"))
}

/// The role that the call's path names, if there is one.
pub(super) fn find(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Option<Role>> {
    Ok(by_name(core.keyspace, session, core.call.param("role"))?)
}

/// The role of a name, if there is one.
pub(super) fn by_name(
    keyspace: KeyspaceId,
    session: &mut Session,
    name: &str,
) -> Result<Option<Role>, ViewError> {
    ROLES.load(keyspace, session, name)
}

/// The role that the call's path names.
///
/// # Errors
/// 404.
pub(super) fn known(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Role> {
    find(core, session)?.ok_or_else(|| {
        let name = core.call.param("role").to_lowercase();
        ApiError::new(404, format!("role {name:?} does not exist"))
    })
}

/// The role with this id and its name.
pub(super) fn by_id(
    keyspace: KeyspaceId,
    session: &mut Session,
    role_id: &str,
) -> ApiResult<Option<(String, Role)>> {
    let mut view = session.view(keyspace);
    let Some(name) = view.get(&id_key(role_id))? else { return Ok(None) };
    let name = String::from_utf8_lossy(&name).into_owned();
    let role = view.get_json(&ROLES.key(&name))?;
    Ok(role.map(|role| (name, role)))
}

/// `role`.
pub(super) fn list(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    ROLES.list(core, session, LIST_MAX)
}

/// `role/<role>`.
pub(super) fn read(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let role = find(core, session)?.ok_or_else(ApiError::not_found)?;
    Response::data(&Value::Object(role.show()))
}

/// `role/<role>`.
pub(super) fn write(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let name = core.call.param("role");
    if name.len() >= NAME_MAX {
        return Err(ApiError::bad_request("the role's name is too long: 4095 bytes is the limit"));
    }
    let mut body: Body = core.call.parse()?;
    let warning = body.fields.settle_kind();
    let before = find(core, session)?;
    let new = before.is_none();
    let mut role = before.clone().unwrap_or_else(Role::new);
    match body.local_secret_ids {
        Some(Flag(local)) if !new && local != role.local_secret_ids => {
            return Err(ApiError::bad_request(
                "local_secret_ids can only be modified during role creation",
            ));
        }
        Some(Flag(local)) => role.local_secret_ids = local,
        None => {}
    }
    role.bind_secret_id = body.bind_secret_id.map_or(role.bind_secret_id, |f| f.0);
    if let Some(blocks) = body.secret_id_bound_cidrs.or(body.bound_cidr_list) {
        role.set_bound_cidrs(blocks)?;
    }
    if let Some(Integer(uses)) = body.secret_id_num_uses {
        role.set_num_uses(uses)?;
    }
    role.secret_id_ttl = body.secret_id_ttl.map_or(role.secret_id_ttl, |s| s.0);
    body.fields.apply(&mut role.params)?;
    if let Some(Scalar(id)) = body.role_id {
        role.id = id;
    }
    let mut done = store(core, session, &role, before.as_ref())?;
    done.warnings.extend(warning);
    if role.params.max_ttl > core.call.mount.max_lease_ttl {
        done = done.warn(
            "token_max_ttl is greater than the backend mount's maximum TTL value; issued tokens' \
             max TTL value will be truncated",
        );
    }
    Ok(done)
}

/// `role/<role>`.
pub(super) fn delete(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    if let Some(role) = find(core, session)? {
        role.secrets(core).remove_all(session);
        let mut view = session.view(core.keyspace);
        view.delete(&id_key(&role.id));
        view.delete(&ROLES.key(core.call.param("role")));
    }
    Ok(Response::empty())
}

/// `role/<role>/role-id`.
pub(super) fn read_id(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let role = find(core, session)?.ok_or_else(ApiError::not_found)?;
    Response::data(&json!({ "role_id": role.id }))
}

/// `role/<role>/role-id`.
pub(super) fn write_id(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let before = find(core, session)?.ok_or_else(ApiError::unsupported_path)?;
    let body: Body = core.call.parse()?;
    let role_id = body.role_id.unwrap_or_default().0;
    if role_id.is_empty() {
        return Err(ApiError::bad_request("missing role_id"));
    }
    store(core, session, &Role { id: role_id, ..before.clone() }, Some(&before))
}

/// Writes a role whose fields were changed, `before` being what it replaces.
///
/// # Errors
/// 400 when the role cannot be like this.
pub(super) fn store(
    core: &CoreCall<'_>,
    session: &mut Session,
    role: &Role,
    before: Option<&Role>,
) -> ApiResult<Response> {
    if !role.bind_secret_id
        && role.secret_id_bound_cidrs.is_empty()
        && role.params.bound_cidrs.is_empty()
    {
        return Err(ApiError::listed(400, "at least one constraint should be enabled on the role"));
    }
    if role.id.is_empty() || role.id.len() > ID_MAX {
        return Err(ApiError::bad_request(
            "invalid role_id supplied, or failed to generate a role_id: it has 1 to 4096 bytes",
        ));
    }
    secret::ensure_salt(core, session)?;
    let mut view = session.view(core.keyspace);
    let old_id = before.map(|b| b.id.as_str());
    if old_id != Some(role.id.as_str()) {
        if view.exists(&id_key(&role.id))? {
            return Err(ApiError::listed(400, "role_id already in use"));
        }
        if let Some(old) = old_id {
            view.delete(&id_key(old));
        }
        let name = core.call.param("role").to_lowercase();
        view.put(&id_key(&role.id), name.as_bytes())?;
    }
    view.put_json(&ROLES.key(core.call.param("role")), role)?;
    Ok(Response::empty())
}

impl Role {
    /// Its secret ids, wherever they are.
    pub(super) fn secrets(&self, core: &CoreCall<'_>) -> Secrets {
        let uid = self.uid.clone();
        if self.local_secret_ids {
            let prefix = format!("approle/{}/", core.call.mount.accessor);
            return Secrets::new(LOCAL, prefix, uid);
        }
        Secrets::new(core.keyspace, String::new(), uid)
    }

    pub(super) fn new() -> Self {
        Self {
            uid: Uuid::new_v4().to_string(),
            id: Uuid::new_v4().to_string(),
            bind_secret_id: true,
            secret_id_bound_cidrs: Vec::new(),
            secret_id_num_uses: 0,
            secret_id_ttl: 0,
            local_secret_ids: false,
            params: TokenParams::default(),
        }
    }

    pub(super) fn set_bound_cidrs(&mut self, blocks: Words) -> ApiResult<()> {
        parse_cidrs(&blocks)?;
        self.secret_id_bound_cidrs = blocks.0;
        Ok(())
    }

    pub(super) fn set_num_uses(&mut self, uses: i64) -> ApiResult<()> {
        if uses < 0 {
            return Err(ApiError::bad_request("secret_id_num_uses cannot be negative"));
        }
        self.secret_id_num_uses = uses;
        Ok(())
    }

    /// As the API shows it.
    pub(super) fn show(&self) -> Map<String, Value> {
        let mut data = Map::new();
        self.params.show(&mut data);
        let blocks = &self.secret_id_bound_cidrs;
        for (name, value) in [
            ("bind_secret_id", json!(self.bind_secret_id)),
            ("secret_id_bound_cidrs", if blocks.is_empty() { Value::Null } else { json!(blocks) }),
            ("secret_id_num_uses", json!(self.secret_id_num_uses)),
            ("secret_id_ttl", json!(self.secret_id_ttl)),
            ("local_secret_ids", json!(self.local_secret_ids)),
        ] {
            data.insert(name.to_owned(), value);
        }
        data
    }
}
