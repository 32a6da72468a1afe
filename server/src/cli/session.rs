//! What every client command needs: the options, the environment, the client, the output.

use std::path::PathBuf;

use clap::Args;
use zeroize::Zeroizing;

use super::client::Client;
use super::data::Stdin;
use super::error::CliError;
use super::output::{Format, Output};
use super::trust::Trust;
use crate::config::Env;

/// Where the client goes when nothing says otherwise.
const DEFAULT_ADDRESS: &str = "https://127.0.0.1:8200";
/// The file below the home folder that keeps a token between commands.
const TOKEN_FILE: &str = ".vault-token";
/// Longest token file that is read, bytes.
const TOKEN_FILE_BYTES_MAX: u64 = 64 << 10;

/// Options of every command.
#[derive(Debug, Args)]
pub(super) struct Global {
    #[arg(
        long,
        global = true,
        value_name = "URL",
        help = "Address of the server [env: VAULT_ADDR] [default: https://127.0.0.1:8200]"
    )]
    address: Option<String>,
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help = "PEM file with the CA that signed the server's certificate [env: VAULT_CACERT]"
    )]
    ca_cert: Option<PathBuf>,
    #[arg(
        long,
        global = true,
        help = "Do not check the server's certificate [env: VAULT_SKIP_VERIFY]"
    )]
    tls_skip_verify: bool,
    #[arg(long, global = true, value_enum, help = "How answers are printed [env: VAULT_FORMAT]")]
    format: Option<Format>,
    /// Print this field only, bare
    #[arg(long, global = true, value_name = "NAME")]
    field: Option<String>,
}

/// One run of a client command.
pub(super) struct Session {
    /// Speaks to the server.
    pub(super) client: Client,
    /// Prints answers.
    pub(super) out: Output,
    /// Standard input, which can be read once.
    pub(super) stdin: Stdin,
    /// The environment.
    pub(super) env: Env,
}

impl Session {
    /// Options win over variables, variables over files.
    pub(super) fn open(global: &Global, env: Env) -> Result<Self, CliError> {
        let address = global
            .address
            .clone()
            .or_else(|| env.var("ADDR"))
            .unwrap_or_else(|| DEFAULT_ADDRESS.to_owned());
        let trust = Trust {
            ca_cert: global.ca_cert.clone().or_else(|| env.var("CACERT").map(PathBuf::from)),
            client_cert: env.var("CLIENT_CERT").map(PathBuf::from),
            client_key: env.var("CLIENT_KEY").map(PathBuf::from),
            skip_verify: global.tls_skip_verify || flag(&env, "SKIP_VERIFY")?,
            system_bundle: env.plain("SSL_CERT_FILE").map(PathBuf::from),
        };
        let client = Client::new(&address, token(&env)?, &trust)?;
        let format = match (global.format, env.var("FORMAT").as_deref()) {
            (Some(format), _) => format,
            (None, Some("json")) => Format::Json,
            (None, None | Some("table")) => Format::Table,
            (None, Some(other)) => {
                let text = format!("VAULT_FORMAT is {other:?}; use table or json");
                return Err(CliError::Usage(text));
            }
        };
        let out = Output::new(format, global.field.clone());
        Ok(Self { client, out, stdin: Stdin::default(), env })
    }
}

/// The file that keeps a token, if there is a home folder.
pub(super) fn token_file(env: &Env) -> Option<PathBuf> {
    env.plain("HOME").map(|home| PathBuf::from(home).join(TOKEN_FILE))
}

fn token(env: &Env) -> Result<Option<Zeroizing<String>>, CliError> {
    if let Some(token) = env.var("TOKEN") {
        return Ok(Some(Zeroizing::new(token)));
    }
    let Some(path) = token_file(env) else { return Ok(None) };
    let unusable = |source| CliError::File { path: path.clone(), source };
    match std::fs::metadata(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(unusable(e)),
        Ok(meta) if meta.len() > TOKEN_FILE_BYTES_MAX => {
            return Err(unusable(std::io::ErrorKind::FileTooLarge.into()));
        }
        Ok(_) => {}
    }
    let text = Zeroizing::new(std::fs::read_to_string(&path).map_err(unusable)?);
    let token = text.trim();
    Ok((!token.is_empty()).then(|| Zeroizing::new(token.to_owned())))
}

fn flag(env: &Env, name: &str) -> Result<bool, CliError> {
    match env.var(name).map(|v| v.to_ascii_lowercase()).as_deref() {
        None | Some("0" | "false" | "f") => Ok(false),
        Some("1" | "true" | "t") => Ok(true),
        Some(_) => Err(CliError::Usage(format!("VAULT_{name} must be true or false"))),
    }
}
