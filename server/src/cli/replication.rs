//! `replication`: how this cluster takes part in performance replication.

use clap::Subcommand;
use serde_json::Value;

use super::error::CliError;
use super::session::Session;
use super::table;

#[derive(Debug, Subcommand)]
pub(super) enum ReplicationCommand {
    /// Mode, state, positions and the clusters at the other end
    Status,
}

pub(super) fn run(command: &ReplicationCommand, session: &mut Session) -> Result<(), CliError> {
    match command {
        ReplicationCommand::Status => status(session),
    }
}

fn status(session: &Session) -> Result<(), CliError> {
    let answer = session.client.read("sys/replication/status")?;
    let performance = &answer.body["data"]["performance"];
    if session.out.field().is_some() {
        let body = serde_json::json!({"data": performance});
        return session.out.one_field(&body, session.out.field().unwrap_or_default());
    }
    if session.out.is_json() {
        return session.out.json(&answer.body["data"]);
    }
    let mut own = performance.clone();
    let mut peers = String::new();
    if let Some(fields) = own.as_object_mut() {
        for name in ["secondaries", "primaries"] {
            if let Some(Value::Array(list)) = fields.remove(name)
                && !list.is_empty()
            {
                peers.push_str(&peer_table(name, &list));
            }
        }
    }
    session.out.text(&table::two_columns(&table::rows_of(&own)))?;
    session.out.text(&peers)
}

fn peer_table(name: &str, peers: &[Value]) -> String {
    let rows: Vec<[String; 4]> = peers
        .iter()
        .map(|peer| {
            let cell = |key: &str| match &peer[key] {
                Value::Null => String::new(),
                value => table::plain(value),
            };
            let id = if peer["node_id"].is_string() { cell("node_id") } else { String::new() };
            [id, cell("cluster_address"), cell("connection_status"), cell("last_heartbeat")]
        })
        .collect();
    let cells: Vec<[&str; 4]> = rows.iter().map(|row| row.each_ref().map(String::as_str)).collect();
    let heads = ["Id", "Cluster address", "Connection", "Last heartbeat"];
    format!("\n{}", table::heading(name, &table::columns(heads, &cells)))
}
