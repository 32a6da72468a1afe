//! `login`: checks a token with the server and keeps it in `~/.vault-token`.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::error::CliError;
use super::output::auth_rows;
use super::prompt;
use super::session::{Session, token_file};

/// `login [TOKEN]`
#[derive(Debug, Args)]
pub(super) struct LoginArgs {
    /// The token, `token=...`, or - to read it from standard input; asked for when absent
    token: Option<String>,
    /// Only `token` is there
    #[arg(long, default_value = "token")]
    method: String,
    /// Do not keep the token
    #[arg(long)]
    no_store: bool,
    /// Print nothing
    #[arg(long)]
    no_print: bool,
}

pub(super) fn run(args: &LoginArgs, session: &mut Session) -> Result<ExitCode, CliError> {
    if args.method != "token" {
        let text = format!("method {:?} is not there yet; use -method=token", args.method);
        return Err(CliError::Usage(text));
    }
    let token = match args.token.as_deref() {
        None => prompt::secret("Token")?,
        Some("-") => Zeroizing::new(session.stdin.read()?.trim().to_owned()),
        Some(text) => Zeroizing::new(text.strip_prefix("token=").unwrap_or(text).to_owned()),
    };
    session.client.set_token(token.clone());
    let found = session.client.read("auth/token/lookup-self")?;
    if !args.no_store {
        store(&token, session)?;
    }
    if args.no_print {
        return Ok(ExitCode::SUCCESS);
    }
    print(session, &found.body["data"], args.no_store)?;
    Ok(ExitCode::SUCCESS)
}

fn store(token: &str, session: &Session) -> Result<(), CliError> {
    let Some(path) = token_file(&session.env) else {
        let text = "HOME is not set, so there is no place to keep the token; use -no-store";
        return Err(CliError::Usage(text.to_owned()));
    };
    write_private(&path, token).map_err(|source| CliError::File { path, source })
}

/// Replaces the file in one step, readable by its owner only.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let beside = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    let outcome = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&beside, path));
    if outcome.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    outcome
}

fn print(session: &Session, data: &Value, unstored: bool) -> Result<(), CliError> {
    let auth = json!({
        "client_token": data["id"],
        "accessor": data["accessor"],
        "lease_duration": data["ttl"],
        "renewable": data["renewable"],
        "token_policies": data["policies"],
        "identity_policies": data["identity_policies"],
        "policies": data["policies"],
        "metadata": data["meta"],
    });
    if session.out.is_json() {
        return session.out.json(&json!({ "auth": auth }));
    }
    if session.out.field().is_none() {
        let kept = if unstored {
            "It was not stored: pass it on with VAULT_TOKEN."
        } else {
            "The token is stored; the next commands use it by themselves."
        };
        session.out.text(&format!("Success! You are now authenticated. {kept}\n\n"))?;
        if session.env.var("TOKEN").is_some() && !unstored {
            eprintln!("WARNING! VAULT_TOKEN is set and wins over the stored token.\n");
        }
    }
    session.out.rows(&auth_rows(&auth))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::write_private;

    #[test]
    fn the_stored_token_is_private_and_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".vault-token");
        write_private(&path, "first-and-longer").unwrap();
        write_private(&path, "second").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "second");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
