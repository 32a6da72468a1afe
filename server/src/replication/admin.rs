//! A primary's administration: enabling it, issuing activation tokens, revoking secondaries.
//!
//! Each change is committed before it takes effect; revocation takes effect at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use strongroom_storage::CommitError;
use zeroize::Zeroizing;

use super::address::ClusterAddr;
use super::bundle::Bundle;
use super::ca::{self, Ca};
use super::context::{ReplicationContext, seconds};
use super::primary::Primary;
use super::state::{KnownSecondary, Persisted, PrimaryState, SECONDARIES_MAX, STATE_KEY};
use super::token::{Claims, TokenKey};
use crate::keyspace::NODE;
use crate::logical::{ApiError, ApiResult, Response, WrapInfo};
use crate::wrapping;

/// Longest id of a secondary, bytes.
const ID_MAX: usize = 256;
/// Tries of a transaction that others get in the way of.
const TRIES: usize = 10;
/// Path of the request that wraps a bundle.
pub(crate) const TOKEN_PATH: &str = "sys/replication/performance/primary/secondary-token";

/// Draws the secrets of a new primary.
pub(crate) fn new_primary(primary_cluster_addr: &str) -> ApiResult<PrimaryState> {
    if !primary_cluster_addr.is_empty() && ClusterAddr::parse(primary_cluster_addr).is_none() {
        return Err(ApiError::bad_request(
            "primary_cluster_addr is not an address; give it as https://host:8201",
        ));
    }
    let cluster_id = uuid::Uuid::new_v4().to_string();
    let ca = Ca::generate(&cluster_id, SystemTime::now()).map_err(ApiError::internal)?;
    Ok(PrimaryState {
        cluster_id,
        epoch: 1,
        primary_cluster_addr: primary_cluster_addr.to_owned(),
        ca_cert: ca.cert,
        ca_key: ca.key,
        token_key: TokenKey::generate().map_err(ApiError::internal)?,
        secondaries: BTreeMap::new(),
    })
}

/// Stores the role of a cluster that has none.
pub(crate) async fn store_new(context: &ReplicationContext, state: &PrimaryState) -> ApiResult<()> {
    let mut session = context.session();
    session.view(NODE).put_json(STATE_KEY, &Persisted::Primary(state.clone()))?;
    session.into_txn().commit().await.map_err(|e| commit_error(&e))?;
    Ok(())
}

/// Issues an activation token for the secondary `id`, valid for `ttl` seconds.
pub(crate) async fn issue(primary: &Arc<Primary>, id: &str, ttl: u64) -> ApiResult<Response> {
    if id.is_empty() {
        return Err(ApiError::bad_request("missing id: name the secondary, for instance id=eu-1"));
    }
    if id.len() > ID_MAX || id.chars().any(char::is_control) {
        return Err(ApiError::bad_request(format!(
            "id must be at most {ID_MAX} bytes and without control characters"
        )));
    }
    let address = primary.advertised().ok_or_else(|| {
        ApiError::bad_request(
            "this primary has no cluster address to tell secondaries; set cluster_addr in its \
             configuration or enable it with primary_cluster_addr",
        )
    })?;
    let now = SystemTime::now();
    for _ in 0..TRIES {
        if let Some(response) = try_issue(primary, id, ttl, &address, now).await? {
            return Ok(response);
        }
    }
    Err(ApiError::unavailable("too many changes at the same time; try again"))
}

/// `None`: another transaction got in the way.
async fn try_issue(
    primary: &Arc<Primary>,
    id: &str,
    ttl: u64,
    address: &str,
    now: SystemTime,
) -> ApiResult<Option<Response>> {
    let mut session = primary.context.session();
    let mut state = stored(&mut session)?;
    if state.secondaries.len() >= SECONDARIES_MAX && !state.secondaries.contains_key(id) {
        return Err(ApiError::bad_request(format!(
            "this primary has {SECONDARIES_MAX} secondaries, the most it can; revoke one first"
        )));
    }
    let ca = Ca::open(&state.ca()).map_err(ApiError::internal)?;
    let client = ca.issue_client(id, now, ca::LIFETIME).map_err(ApiError::internal)?;
    let fingerprint = ca::fingerprint(&client.cert);
    let bundle = Bundle::new(&state.cluster_id, id, address, ca.cert(), client);
    let payload = Response::data(&bundle)?;
    let payload = Zeroizing::new(serde_json::to_string(&payload).map_err(ApiError::internal)?);
    let info = wrapping::wrap(&mut session, payload, ttl, TOKEN_PATH, now)?;
    let token = sign(primary, &info, ttl, now)?;
    let known = KnownSecondary { fingerprint: fingerprint.clone(), issued: seconds(now) };
    state.secondaries.insert(id.to_owned(), known);
    session.view(NODE).put_json(STATE_KEY, &Persisted::Primary(state))?;
    match session.into_txn().commit().await {
        Ok(_) => {}
        Err(CommitError::Conflict) => return Ok(None),
        Err(e) => return Err(commit_error(&e)),
    }
    primary.registry.admit(id, &fingerprint);
    let info = WrapInfo { token, ..info };
    Ok(Some(Response { wrap_info: Some(Box::new(info)), ..Response::empty() }))
}

fn sign(primary: &Primary, info: &WrapInfo, ttl: u64, now: SystemTime) -> ApiResult<String> {
    let issued = seconds(now);
    let claims = Claims {
        accessor: info.accessor.clone(),
        addr: primary.context.api_addr.clone().unwrap_or_default(),
        exp: issued.saturating_add(ttl),
        iat: issued,
        jti: info.token.clone(),
        nbf: issued,
        kind: "wrapping".to_owned(),
    };
    primary.sign(&claims).map_err(ApiError::internal)
}

/// Forgets the secondary `id` and cuts it off.
pub(crate) async fn revoke(primary: &Arc<Primary>, id: &str) -> ApiResult<Response> {
    for _ in 0..TRIES {
        let mut session = primary.context.session();
        let mut state = stored(&mut session)?;
        if state.secondaries.remove(id).is_none() {
            return Err(ApiError::bad_request("no secondary of this id is known"));
        }
        session.view(NODE).put_json(STATE_KEY, &Persisted::Primary(state))?;
        match session.into_txn().commit().await {
            Ok(_) => {
                primary.registry.revoke(id);
                return Ok(Response::empty());
            }
            Err(CommitError::Conflict) => {}
            Err(e) => return Err(commit_error(&e)),
        }
    }
    Err(ApiError::unavailable("too many changes at the same time; try again"))
}

fn stored(session: &mut crate::barrier::Session) -> ApiResult<PrimaryState> {
    match session.view(NODE).get_json(STATE_KEY)? {
        Some(Persisted::Primary(state)) => Ok(state),
        _ => Err(ApiError::bad_request("this cluster is not a replication primary")),
    }
}

fn commit_error(e: &CommitError) -> ApiError {
    match e {
        CommitError::Conflict => {
            ApiError::unavailable("too many changes at the same time; try again")
        }
        other => ApiError::internal(other),
    }
}
