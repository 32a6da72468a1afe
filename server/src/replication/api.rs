//! `sys/replication/`: the routes.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use super::join::JoinRequest;
use super::unwrap::Trust;
use super::{Replication, Running, admin, status};
use crate::cluster::Unsealed;
use crate::handler::{SysCall, SysFuture, SysRoute};
use crate::logical::{ApiError, ApiResult, Field, Method, Operation, Response, Seconds};

/// How long an activation token lives when nothing is asked, seconds.
const TOKEN_TTL: u64 = 30 * 60;
const WIPED: &str = "This cluster has become a secondary. All data that it held before was \
    discarded; its tokens are gone, and it unseals with the primary's keys from now on.";

const ENABLE: &[Field] =
    &[Field::text("primary_cluster_addr", "Address that secondaries are told to connect to")];
const TOKEN: &[Field] = &[
    Field::text("id", "Name of the secondary"),
    Field::seconds("ttl", "How long the token is good for"),
    Field::text("secondary_public_key", "Public key of the secondary: not supported"),
];
const REVOKE: &[Field] = &[Field::text("id", "Name of the secondary")];
const JOIN: &[Field] = &[
    Field::text("token", "The activation token"),
    Field::text("primary_api_addr", "API address of the primary, in place of the token's"),
    Field::text("ca_file", "Certificates to trust for it"),
    Field::text("ca_path", "Folder of such certificates"),
];

/// `sys/replication/*`.
pub static ROUTES: &[SysRoute] = &[
    SysRoute::new(
        "replication/status",
        "How replication of both kinds stands",
        &[Method::local(Operation::Read, both_status)],
    )
    .takes(&[])
    .public(),
    SysRoute::new(
        "replication/performance/status",
        "How performance replication stands",
        &[Method::local(Operation::Read, performance_status)],
    )
    .takes(&[])
    .public(),
    SysRoute::new(
        "replication/dr/status",
        "How disaster recovery replication stands",
        &[Method::local(Operation::Read, dr_status)],
    )
    .takes(&[])
    .public(),
    SysRoute::new(
        "replication/performance/primary/enable",
        "Make this cluster a primary",
        &[Method::local(Operation::Write, enable_primary)],
    )
    .takes(ENABLE),
    SysRoute::new(
        "replication/performance/primary/secondary-token",
        "Issue an activation token for a secondary",
        &[Method::local(Operation::Write, secondary_token)],
    )
    .takes(TOKEN)
    .sudo(),
    SysRoute::new(
        "replication/performance/primary/revoke-secondary",
        "Cut a secondary off",
        &[Method::local(Operation::Write, revoke_secondary)],
    )
    .takes(REVOKE),
    SysRoute::new(
        "replication/performance/secondary/enable",
        "Make this cluster a secondary; discards all its data",
        &[Method::local(Operation::Write, enable_secondary)],
    )
    .takes(JOIN),
];

fn both_status(call: SysCall) -> SysFuture {
    Box::pin(async move {
        let unsealed = call.cluster.unsealed()?;
        Response::data(&json!({
            "performance": status::performance(unsealed.replication()?),
            "dr": status::disaster_recovery(),
        }))
    })
}

fn performance_status(call: SysCall) -> SysFuture {
    Box::pin(async move {
        let unsealed = call.cluster.unsealed()?;
        Response::data(&status::performance(unsealed.replication()?))
    })
}

fn dr_status(_call: SysCall) -> SysFuture {
    Box::pin(async move { Response::data(&status::disaster_recovery()) })
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct EnablePrimary {
    primary_cluster_addr: String,
}

fn enable_primary(call: SysCall) -> SysFuture {
    Box::pin(async move {
        let body: EnablePrimary = call.parse()?;
        let unsealed = call.cluster.unsealed()?;
        unsealed.replication()?.enable_primary(&body.primary_cluster_addr).await?;
        Ok(Response::empty())
    })
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct SecondaryToken {
    id: String,
    ttl: Option<Seconds>,
}

fn secondary_token(call: SysCall) -> SysFuture {
    Box::pin(async move {
        let body: SecondaryToken = call.parse()?;
        let unsealed = call.cluster.unsealed()?;
        let primary = primary(&unsealed)?;
        let ttl = body.ttl.map_or(TOKEN_TTL, |ttl| ttl.0);
        admin::issue(&primary, &body.id, ttl).await
    })
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RevokeSecondary {
    id: String,
}

fn revoke_secondary(call: SysCall) -> SysFuture {
    Box::pin(async move {
        let body: RevokeSecondary = call.parse()?;
        let unsealed = call.cluster.unsealed()?;
        admin::revoke(&primary(&unsealed)?, &body.id).await
    })
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct EnableSecondary {
    token: String,
    primary_api_addr: String,
    ca_file: String,
    ca_path: String,
}

fn enable_secondary(call: SysCall) -> SysFuture {
    Box::pin(async move {
        let body: EnableSecondary = call.parse()?;
        if body.token.is_empty() {
            return Err(ApiError::bad_request(
                "missing token: give the activation token that the primary issued",
            ));
        }
        let unsealed = call.cluster.unsealed()?;
        let request = JoinRequest {
            token: body.token,
            primary_api_addr: body.primary_api_addr,
            trust: Trust { ca_file: body.ca_file, ca_path: body.ca_path },
        };
        let replication: Replication = unsealed.replication()?.clone();
        // The old store is given back only once nothing of it is held.
        drop(unsealed);
        replication.join(request).await?;
        Ok(Response::empty().warn(WIPED))
    })
}

fn primary(unsealed: &Unsealed) -> ApiResult<Arc<super::primary::Primary>> {
    match &**unsealed.replication()?.inner.running.load() {
        Running::Primary(primary) => Ok(Arc::clone(primary)),
        _ => Err(ApiError::bad_request("this cluster is not a replication primary")),
    }
}
