//! `server`: start a server from a configuration file or in development mode, or a launcher of several.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::error::CliError;
use crate::config::{self, Config, DEFAULT_API_PORT, Env, Loaded};
use crate::dev::{self, DevFolder, LaunchOptions, LauncherGone};
use crate::http::Server;
use crate::telemetry::{self, LogHandle};

/// Where a single development server listens.
const DEFAULT_DEV_ADDRESS: SocketAddr =
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), DEFAULT_API_PORT);

#[derive(Debug, Args)]
pub(super) struct ServerArgs {
    /// Configuration file (HCL or JSON); with -dev, more listeners and other settings
    #[arg(long, value_name = "FILE", conflicts_with = "dev_secondaries")]
    config: Option<PathBuf>,
    /// trace, debug, info, warn or error; wins over file and environment
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Development mode: initialised and unsealed by itself, plain HTTP, secret/ is KV version 2
    #[arg(long)]
    dev: bool,
    /// Also start this many secondaries, each a process of its own, and wire up replication
    #[arg(long, value_name = "N", requires = "dev", conflicts_with = "dev_launcher",
        value_parser = clap::value_parser!(u16).range(1..=20))]
    dev_secondaries: Option<u16>,
    /// Keep the data in this folder; without it, it goes away with the server
    #[arg(long, value_name = "DIR", requires = "dev")]
    dev_data: Option<PathBuf>,
    #[arg(
        long,
        value_name = "ID",
        requires = "dev",
        help = "The root token; random when absent [env: VAULT_DEV_ROOT_TOKEN_ID]"
    )]
    dev_root_token_id: Option<String>,
    #[arg(
        long,
        value_name = "ADDRESS",
        requires = "dev",
        help = "Where the API listens; the cluster port is one above \
                [env: VAULT_DEV_LISTEN_ADDRESS] [default: 127.0.0.1:8200]"
    )]
    dev_listen_address: Option<String>,
    /// Stop when the launcher of this folder is gone
    #[arg(long, value_name = "DIR", requires = "dev", hide = true)]
    dev_launcher: Option<PathBuf>,
}

/// Runs until the server was told to stop.
pub(super) fn run(args: &ServerArgs, env: Env) -> Result<ExitCode, CliError> {
    if args.dev_secondaries.is_some() {
        launch(args, &env)?;
    } else if args.dev {
        development(args, &env)?;
    } else if let Some(path) = &args.config {
        configured(path, args.log_level.as_deref(), env)?;
    } else {
        let text = "start a server with -config FILE, or with -dev for development";
        return Err(CliError::Usage(text.to_owned()));
    }
    Ok(ExitCode::SUCCESS)
}

fn launch(args: &ServerArgs, env: &Env) -> Result<(), CliError> {
    let options = LaunchOptions {
        secondaries: args.dev_secondaries.unwrap_or_default(),
        address: dev_address(args, env)?,
        data: args.dev_data.clone(),
        root_token_id: dev_root_token(args, env),
    };
    dev::launch(&options).map_err(|e| start_error(&e))
}

/// A single server in development mode.
fn development(args: &ServerArgs, env: &Env) -> Result<(), CliError> {
    let gone = match &args.dev_launcher {
        Some(folder) => Some(LauncherGone::watch(folder).map_err(|e| start_error(&e))?),
        None => None,
    };
    let folder = DevFolder::open(args.dev_data.as_deref()).map_err(|e| start_error(&e))?;
    let mut config = Config::for_dev(
        dev_address(args, env)?.unwrap_or(DEFAULT_DEV_ADDRESS),
        folder.path().to_owned(),
        dev_root_token(args, env),
    );
    let warnings = match &args.config {
        Some(path) => config::load_beside(path, &mut config)?,
        None => Vec::new(),
    };
    if let Some(level) = args.log_level.clone().or_else(|| env.var("LOG_LEVEL")) {
        config.log_level = level;
    }
    start_log(&config.log_level)?;
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    let kept = (!folder.is_temporary()).then(|| folder.path());
    runtime()?.block_on(async {
        let launched = gone.is_some();
        let stop = stop(gone)?;
        let server = Server::open(config).await.map_err(|e| start_error(&e))?;
        let keys = server.cluster().dev_start().await.map_err(|e| start_error(&e))?;
        // The launcher prints its own; its log must not hold the token.
        if !launched && let Some(address) = server.addresses().first() {
            let unseal_key = keys.unseal_keys.first().map_or("", String::as_str);
            let banner = dev::banner(*address, unseal_key, &keys.root_token, kept);
            // A server does not end because nobody reads its banner.
            let mut out = std::io::stdout().lock();
            let _ = out.write_all(banner.as_bytes()).and_then(|()| out.flush());
        }
        drop(keys);
        server.serve(stop).await.map_err(|e| start_error(&e))
    })
}

/// A server with a configuration file.
fn configured(path: &Path, log_level: Option<&str>, env: Env) -> Result<(), CliError> {
    let Loaded { mut config, volatile, warnings } = config::load(path, &env)?;
    let folder =
        volatile.then(|| DevFolder::open(None)).transpose().map_err(|e| start_error(&e))?;
    if let Some(folder) = &folder {
        folder.path().clone_into(&mut config.data_path);
    }
    if let Some(level) = log_level {
        level.clone_into(&mut config.log_level);
    }
    let log = start_log(&config.log_level)?;
    if folder.is_some() {
        tracing::warn!("storage \"inmem\": the data goes away with this server");
    }
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    if !config.disable_mlock {
        super::memory::lock().map_err(|e| start_error(&e))?;
    }
    no_core_dumps();
    let hangup = on_hangup(path.to_owned(), log_level.map(str::to_owned), env, log);
    runtime()?.block_on(async {
        let server = Server::open(config).await.map_err(|e| start_error(&e))?;
        for address in server.addresses() {
            tracing::info!("the API listens on {address}");
        }
        if !server.cluster().initialised() {
            tracing::info!("not initialised: run `strongroom operator init`");
        } else if server.cluster().seal_status().sealed {
            tracing::info!("sealed: run `strongroom operator unseal`");
        }
        server.run(hangup).await.map_err(|e| start_error(&e))
    })
}

/// A core dump would hold keys. The limit alone does not hold back dumps that the kernel pipes into
/// a program.
fn no_core_dumps() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let limited = setrlimit(Resource::Core, none);
    let undumpable = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    if let Err(error) = limited.and(undumpable) {
        tracing::warn!("core dumps cannot be switched off: {error}");
    }
}

/// What SIGHUP does besides reading the certificates again: the file's log level is taken up.
fn on_hangup(path: PathBuf, fixed: Option<String>, env: Env, log: LogHandle) -> impl Fn() {
    move || {
        let level = match (&fixed, config::load(&path, &env)) {
            (Some(level), _) => level.clone(),
            (None, Ok(loaded)) => loaded.config.log_level,
            (None, Err(error)) => {
                tracing::error!("the server keeps its settings: {error}");
                return;
            }
        };
        match log.set_level(&level) {
            Ok(()) => tracing::warn!("the log level is {level}"),
            Err(error) => tracing::error!("the server keeps its settings: {error}"),
        }
    }
}

/// Ready on SIGTERM, SIGINT, SIGHUP (a development server has nothing to read again; its terminal was
/// closed), or when the launcher is gone.
fn stop(gone: Option<LauncherGone>) -> Result<impl Future<Output = ()>, CliError> {
    let of =
        |kind| signal(kind).map_err(|e| CliError::Start(format!("cannot wait for signals: {e}")));
    let mut terminate = of(SignalKind::terminate())?;
    let mut interrupt = of(SignalKind::interrupt())?;
    let mut hangup = of(SignalKind::hangup())?;
    let (told, launcher_gone) = oneshot::channel();
    // A thread of its own: it blocks for as long as the launcher lives.
    let waiting = gone.map(|gone| {
        std::thread::spawn(move || {
            gone.wait();
            let _ = told.send(());
        })
    });
    Ok(async move {
        let launched = waiting.is_some();
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
            _ = launcher_gone, if launched => tracing::info!("the launcher is gone"),
        }
    })
}

fn dev_address(args: &ServerArgs, env: &Env) -> Result<Option<SocketAddr>, CliError> {
    let text = args.dev_listen_address.clone().or_else(|| env.var("DEV_LISTEN_ADDRESS"));
    match text {
        None => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| {
            CliError::Usage(format!(
                "-dev-listen-address must be an address with a port, such as 127.0.0.1:8200, \
                 not {text:?}"
            ))
        }),
    }
}

fn dev_root_token(args: &ServerArgs, env: &Env) -> Option<String> {
    args.dev_root_token_id.clone().or_else(|| env.var("DEV_ROOT_TOKEN_ID"))
}

fn start_log(level: &str) -> Result<LogHandle, CliError> {
    telemetry::start(level).map_err(|e| start_error(&e))
}

fn runtime() -> Result<Runtime, CliError> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| start_error(&e))
}

fn start_error(error: &dyn std::fmt::Display) -> CliError {
    CliError::Start(error.to_string())
}

#[cfg(test)]
mod tests {
    use rustix::process::{dumpable_behavior, getrlimit};

    use super::*;

    /// The limit alone was thought to be enough, and is not where dumps go to a program.
    #[test]
    fn a_core_is_dumped_neither_to_a_file_nor_to_a_program() {
        no_core_dumps();
        assert_eq!(getrlimit(Resource::Core).current, Some(0));
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
