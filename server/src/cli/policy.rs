//! `policy`: the rules that tokens carry.

use clap::Subcommand;
use serde_json::json;

use super::client::Verb;
use super::data;
use super::error::CliError;
use super::generic::no_value;
use super::session::Session;

#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// List the names
    List,
    /// Print the text of one
    Read {
        /// Its name
        name: String,
    },
    /// Make or replace one
    Write {
        /// Its name
        name: String,
        /// File with the text, or - for standard input
        file: String,
    },
    /// Remove one
    Delete {
        /// Its name
        name: String,
    },
}

pub(super) fn run(command: PolicyCommand, session: &mut Session) -> Result<(), CliError> {
    match command {
        PolicyCommand::List => {
            let answer = session.client.call(Verb::List, "sys/policies/acl", &[], None)?;
            if session.out.is_json() {
                return session.out.keys(&answer);
            }
            let names = answer.body["data"]["keys"].as_array();
            let names = names.into_iter().flatten().filter_map(|name| name.as_str());
            session.out.text(&(names.collect::<Vec<_>>().join("\n") + "\n"))
        }
        PolicyCommand::Read { name } => {
            let path = format!("sys/policies/acl/{name}");
            let answer = session.client.read(&path).map_err(|e| no_value(e, &path))?;
            if session.out.is_json() {
                return session.out.json(&answer.body["data"]);
            }
            let text = answer.body["data"]["policy"].as_str().unwrap_or_default();
            session.out.text(&format!("{}\n", text.trim_end_matches('\n')))
        }
        PolicyCommand::Write { name, file } => {
            let text = if file == "-" { session.stdin.read()? } else { data::file_text(&file)? };
            let path = format!("sys/policies/acl/{name}");
            let answer = session.client.write(&path, &json!({"policy": text.as_str()}))?;
            session.out.warnings(&answer.body);
            session.out.done(&format!("Success! Uploaded policy: {name}"))
        }
        PolicyCommand::Delete { name } => {
            session.client.call(Verb::Delete, &format!("sys/policies/acl/{name}"), &[], None)?;
            session.out.done(&format!("Success! Deleted policy: {name}"))
        }
    }
}
