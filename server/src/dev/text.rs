//! What development mode prints for a person.

use std::net::SocketAddr;
use std::path::Path;

use super::member::Member;
use super::program::here;

/// What a single development server prints when it is ready.
pub fn banner(
    address: SocketAddr,
    unseal_key: &str,
    root_token: &str,
    kept: Option<&Path>,
) -> String {
    let data = match kept {
        Some(path) => format!("The data is kept in {}.", path.display()),
        None => "The data is in a temporary folder and goes away with the server.".to_owned(),
    };
    format!(
        "\nWARNING! This is development mode: the server starts unsealed, over plain HTTP, with its\n\
         unseal key in the open. {data}\n\n\
         You may want to set these variables:\n\n    \
         export VAULT_ADDR='http://{address}'\n    \
         export VAULT_TOKEN='{root_token}'\n\n\
         Unseal Key: {unseal_key}\n\
         Root Token: {root_token}\n\n\
         secret/ is mounted as KV version 2. Ctrl-C stops the server.\n"
    )
}

/// The launcher's table of clusters and three commands to try.
pub(super) fn overview(members: &[Member], root_token: &str, kept: Option<&Path>) -> String {
    let lines: Vec<String> = members.iter().map(line).collect();
    let data = match kept {
        Some(path) => format!("The data is kept in {}.", path.display()),
        None => "The data is in a temporary folder and goes away at the end.".to_owned(),
    };
    let urls: Vec<String> = members.iter().map(|m| m.plan.url()).collect();
    let (first, last) = (urls.first().map_or("", |u| u), urls.last().map_or("", |u| u));
    let second = urls.get(1).map_or(first, |u| u);
    let program = here();
    format!(
        "\n{}\n\nRoot Token: {root_token}\n{data}\n\n\
         Try in another terminal:\n\n  \
         export VAULT_TOKEN={root_token}\n  \
         {program} kv put -address={first} secret/hello greeting=hi\n  \
         {program} replication status -address={last}\n  \
         {program} kv get -address={second} secret/hello\n\n\
         Ctrl-C stops all of them.\n\n",
        lines.join("\n")
    )
}

fn line(member: &Member) -> String {
    let pid = member.pid().map_or_else(|| "-".to_owned(), |pid| pid.to_string());
    format!(
        "{:<12} API {}  cluster port {}  pid {pid:<8} log {}",
        member.plan.name,
        member.plan.url(),
        member.plan.api.port() + 1,
        member.plan.log.display()
    )
}
