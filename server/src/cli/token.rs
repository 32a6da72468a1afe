//! `token`: create, look up, renew, revoke.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::data;
use super::error::CliError;
use super::session::Session;

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a child of the current token
    Create(CreateArgs),
    /// Show a token; the current one when none is given
    Lookup {
        /// Token, or accessor with -accessor
        token: Option<String>,
        /// The argument is an accessor
        #[arg(long)]
        accessor: bool,
    },
    /// Let a token live longer; the current one when none is given
    Renew {
        /// Token, or accessor with -accessor
        token: Option<String>,
        /// The argument is an accessor
        #[arg(long)]
        accessor: bool,
        /// Wanted time to live, such as 1h
        #[arg(long, short)]
        increment: Option<String>,
    },
    /// Revoke a token and its children
    Revoke {
        /// Token, or accessor with -accessor
        token: Option<String>,
        /// The argument is an accessor
        #[arg(long)]
        accessor: bool,
        /// Revoke the current token
        #[arg(long = "self")]
        own: bool,
    },
    /// Show what a token may do with a path; the current token when only a path is given
    Capabilities {
        /// [TOKEN] PATH
        #[arg(required = true, num_args = 1..=2)]
        arguments: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// A policy; may be given several times
    #[arg(long)]
    policy: Vec<String>,
    /// Time to live, such as 1h
    #[arg(long)]
    ttl: Option<String>,
    /// Limit that renewals cannot pass
    #[arg(long)]
    explicit_max_ttl: Option<String>,
    /// Lives on as long as it is renewed within this time
    #[arg(long)]
    period: Option<String>,
    /// Uses until it is gone, 0 for no limit
    #[arg(long)]
    use_limit: Option<u64>,
    /// Name for humans
    #[arg(long)]
    display_name: Option<String>,
    /// Id of the token; root only
    #[arg(long)]
    id: Option<String>,
    /// key=value; may be given several times
    #[arg(long)]
    metadata: Vec<String>,
    /// Has no parent
    #[arg(long)]
    orphan: bool,
    /// Without the policy `default`
    #[arg(long)]
    no_default_policy: bool,
    /// Whether it can be renewed
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set,
        num_args = 0..=1, default_missing_value = "true")]
    renewable: bool,
}

pub(super) fn run(command: TokenCommand, session: &mut Session) -> Result<(), CliError> {
    let (path, body) = match command {
        TokenCommand::Create(args) => return create(args, session),
        TokenCommand::Capabilities { arguments } => return capabilities(&arguments, session),
        TokenCommand::Lookup { token: None, .. } => {
            let answer = session.client.read("auth/token/lookup-self")?;
            return session.out.answer(&answer);
        }
        TokenCommand::Lookup { token: Some(token), accessor } => target("lookup", &token, accessor),
        TokenCommand::Renew { token, accessor, increment } => {
            let (path, mut body) = match token {
                None => ("auth/token/renew-self".to_owned(), json!({})),
                Some(token) => target("renew", &token, accessor),
            };
            if let Some(increment) = increment {
                body["increment"] = increment.into();
            }
            (path, body)
        }
        TokenCommand::Revoke { token: None, own: true, .. } => {
            ("auth/token/revoke-self".to_owned(), json!({}))
        }
        TokenCommand::Revoke { token: Some(token), accessor, own: false } => {
            target("revoke", &token, accessor)
        }
        TokenCommand::Revoke { .. } => {
            let text = "name the token to revoke, or give -self for the current one";
            return Err(CliError::Usage(text.to_owned()));
        }
    };
    let answer = session.client.write(&path, &body)?;
    super::generic::report(session, &answer, "Success! Revoked token (if it existed)")
}

/// Path and body of a call about somebody's token.
fn target(action: &str, token: &str, accessor: bool) -> (String, Value) {
    if accessor {
        (format!("auth/token/{action}-accessor"), json!({"accessor": token}))
    } else {
        (format!("auth/token/{action}"), json!({"token": token}))
    }
}

fn create(args: CreateArgs, session: &mut Session) -> Result<(), CliError> {
    let mut body = Map::new();
    let texts = [
        ("ttl", args.ttl),
        ("explicit_max_ttl", args.explicit_max_ttl),
        ("period", args.period),
        ("display_name", args.display_name),
        ("id", args.id),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            body.insert(name.to_owned(), value.into());
        }
    }
    if !args.policy.is_empty() {
        body.insert("policies".to_owned(), args.policy.into());
    }
    if let Some(uses) = args.use_limit {
        body.insert("num_uses".to_owned(), uses.into());
    }
    if !args.metadata.is_empty() {
        let metadata = data::parse(&args.metadata, &mut session.stdin)?;
        body.insert("meta".to_owned(), metadata.into());
    }
    body.insert("no_parent".to_owned(), args.orphan.into());
    body.insert("no_default_policy".to_owned(), args.no_default_policy.into());
    body.insert("renewable".to_owned(), args.renewable.into());
    let answer = session.client.write("auth/token/create", &Value::Object(body))?;
    session.out.answer(&answer)
}

fn capabilities(arguments: &[String], session: &Session) -> Result<(), CliError> {
    let (endpoint, path, body) = match arguments {
        [path] => ("sys/capabilities-self", path, json!({"paths": [path]})),
        [token, path] => ("sys/capabilities", path, json!({"token": token, "paths": [path]})),
        _ => unreachable!("the parser admits one or two arguments"),
    };
    let answer = session.client.write(endpoint, &body)?;
    let found = match &answer.body["data"][path.as_str()] {
        Value::Null => &answer.body["data"]["capabilities"],
        found => found,
    };
    if session.out.is_json() {
        return session.out.json(found);
    }
    let mut names: Vec<&str> =
        found.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    names.sort_unstable();
    session.out.text(&format!("{}\n", names.join(", ")))
}
