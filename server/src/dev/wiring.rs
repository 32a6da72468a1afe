//! Makes a primary and its secondaries out of clusters that run.
//!
//! Every step looks first at what is there, so a launch that was cut short, or a folder that was
//! wired up long ago, is completed and never wired twice.

use serde_json::{Value, json};

use super::LaunchError;
use super::api::{Api, CallError};
use super::plan::Planned;

const STATUS: &str = "sys/replication/performance/status";
const ENABLE_PRIMARY: &str = "sys/replication/performance/primary/enable";
const SECONDARY_TOKEN: &str = "sys/replication/performance/primary/secondary-token";
const ENABLE_SECONDARY: &str = "sys/replication/performance/secondary/enable";

/// Enables replication where it is not enabled yet; the first member is the primary.
pub(super) fn wire_up(api: &Api, members: &[&Planned], token: &str) -> Result<(), LaunchError> {
    let Some((primary, secondaries)) = members.split_first() else { return Ok(()) };
    if mode(api, primary)? == "disabled" {
        post(api, primary, ENABLE_PRIMARY, token, &json!({}))?;
    }
    for secondary in secondaries {
        if mode(api, secondary)? == "disabled" {
            let data = json!({"id": secondary.name, "ttl": "5m"});
            let answer = post(api, primary, SECONDARY_TOKEN, token, &data)?;
            let data = json!({"token": answer["wrap_info"]["token"]});
            post(api, secondary, ENABLE_SECONDARY, token, &data)?;
        }
    }
    Ok(())
}

/// `data` of the cluster's replication status.
pub(super) fn status(api: &Api, member: &Planned) -> Result<Value, CallError> {
    Ok(api.get(&member.url(), STATUS)?["data"].take())
}

fn mode(api: &Api, member: &Planned) -> Result<String, LaunchError> {
    let status = status(api, member).map_err(|e| wiring(member, STATUS, &e))?;
    Ok(status["mode"].as_str().unwrap_or("disabled").to_owned())
}

fn post(
    api: &Api,
    member: &Planned,
    path: &str,
    token: &str,
    data: &Value,
) -> Result<Value, LaunchError> {
    api.post(&member.url(), path, token, data).map_err(|e| wiring(member, path, &e))
}

fn wiring(member: &Planned, path: &str, error: &CallError) -> LaunchError {
    let detail = error.to_string();
    LaunchError::Wiring { member: member.name.clone(), path: path.to_owned(), detail }
}
