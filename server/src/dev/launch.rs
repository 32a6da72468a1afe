//! The launcher: starts the clusters, wires them up, tells what happens to them, stops them.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

use super::api::Api;
use super::folder::DevFolder;
use super::lock::LauncherLock;
use super::member::Member;
use super::plan::{check_ports, plan};
use super::watch::Watch;
use super::{LaunchError, settings, text, wiring};

/// Most secondaries of one launcher.
pub(super) const SECONDARIES_MAX: u16 = 20;
/// Between two looks at the clusters.
const POLL: Duration = Duration::from_millis(250);
/// Longest start of one cluster.
const START_TIMEOUT: Duration = Duration::from_mins(1);
/// Longest clean stop; what still runs then is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// What the user asked for.
#[derive(Debug, Clone)]
pub struct LaunchOptions {
    /// How many secondaries, 1 to 20.
    pub secondaries: u16,
    /// API address of the primary, the others are 10 ports apart; where they were before, or
    /// 127.0.0.1:8200, when absent.
    pub address: Option<SocketAddr>,
    /// Folder to keep the data in; temporary when absent.
    pub data: Option<PathBuf>,
    /// Root token of all clusters; random when absent.
    pub root_token_id: Option<String>,
}

/// Runs the clusters until Ctrl-C or SIGTERM, then stops them and removes a temporary folder.
///
/// # Errors
/// They could not be started or wired up; whatever ran has been stopped.
pub fn launch(options: &LaunchOptions) -> Result<(), LaunchError> {
    let stop = stop_signals()?;
    let folder = DevFolder::open(options.data.as_deref())?;
    let lock = LauncherLock::take(folder.path())?;
    let root_token = options.root_token_id.as_deref();
    let settings = settings::open(folder.path(), root_token, options.address)?;
    let plan = plan(folder.path(), settings.address, options.secondaries.min(SECONDARIES_MAX))?;
    check_ports(&plan)?;
    if root_token.is_some_and(|id| id != settings.root_token.as_str()) {
        say("The folder has a root token already; --dev-root-token-id is ignored.");
    }

    let mut launcher = Launcher {
        members: plan.into_iter().map(Member::new).collect(),
        api: Api::new(),
        folder,
        lock: Some(lock),
        stop,
    };
    let outcome = launcher.start(&settings.root_token).and_then(|()| launcher.watch());
    launcher.stop_all();
    match outcome {
        Err(LaunchError::Stopped) => Ok(()),
        other => other,
    }
}

struct Launcher {
    members: Vec<Member>,
    api: Api,
    folder: DevFolder,
    lock: Option<LauncherLock>,
    stop: Receiver<()>,
}

impl Launcher {
    fn start(&mut self, root_token: &str) -> Result<(), LaunchError> {
        for member in &mut self.members {
            member.start(self.folder.path(), root_token)?;
        }
        for number in 0..self.members.len() {
            self.wait_until_healthy(number)?;
        }
        let kept = (!self.folder.is_temporary()).then(|| self.folder.path());
        print(&text::overview(&self.members, root_token, kept));
        let plans: Vec<_> = self.members.iter().map(|member| &member.plan).collect();
        wiring::wire_up(&self.api, &plans, root_token)
    }

    fn wait_until_healthy(&mut self, number: usize) -> Result<(), LaunchError> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let member = &mut self.members[number];
            if let Some(how) = member.ended() {
                return Err(member.death(how));
            }
            if self.api.healthy(&member.plan.url()) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(LaunchError::Slow {
                    member: member.plan.name.clone(),
                    seconds: START_TIMEOUT.as_secs(),
                    log: member.plan.log.clone(),
                });
            }
            self.pause()?;
        }
    }

    /// Tells what changes, until it is told to stop.
    fn watch(&mut self) -> Result<(), LaunchError> {
        let mut watch = Watch::new(self.members.len());
        loop {
            for (number, member) in self.members.iter_mut().enumerate() {
                let pid = member.pid().unwrap_or_default();
                if let Some(how) = member.ended() {
                    let command = member.command(self.folder.path());
                    say(&format!(
                        "{:<12} process {pid} ended ({how}); start it again with:\n\n  {command}\n",
                        member.plan.name
                    ));
                }
                if let Some(line) = watch.change(number, &self.api, &member.plan) {
                    say(&line);
                }
            }
            self.pause()?;
        }
    }

    /// Waits a moment.
    fn pause(&self) -> Result<(), LaunchError> {
        match self.stop.recv_timeout(POLL) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => Err(LaunchError::Stopped),
        }
    }

    /// Releases the lock, which every cluster takes as the word to stop, also one that a person
    /// started again by hand; waits for them; kills what does not end in time.
    fn stop_all(&mut self) {
        say("stopping");
        drop(self.lock.take());
        let deadline = Instant::now() + STOP_TIMEOUT;
        loop {
            let mut busy = false;
            for member in &mut self.members {
                let _ = member.ended();
                busy |= member.pid().is_some() || self.api.healthy(&member.plan.url());
            }
            if !busy {
                break;
            }
            if Instant::now() > deadline {
                say("some clusters did not stop in time and are killed");
                break;
            }
            std::thread::sleep(POLL);
        }
        for member in &mut self.members {
            member.kill();
        }
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        for member in &mut self.members {
            member.kill();
        }
    }
}

/// A channel that gets a message for the first signal to stop.
fn stop_signals() -> Result<Receiver<()>, LaunchError> {
    let (sender, receiver) = mpsc::channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(LaunchError::Signals)?;
    let (mut interrupt, mut terminate, mut hangup) = {
        let _context = runtime.enter();
        let listen = |kind| signal(kind).map_err(LaunchError::Signals);
        let terminate = listen(SignalKind::terminate())?;
        (listen(SignalKind::interrupt())?, terminate, listen(SignalKind::hangup())?)
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
        });
        // The launcher may have ended by itself.
        let _ = sender.send(());
    });
    Ok(receiver)
}

fn say(line: &str) {
    let now = time::OffsetDateTime::now_utc();
    let (hour, minute, second) = now.to_hms();
    print(&format!("{hour:02}:{minute:02}:{second:02}  {line}\n"));
}

/// Prints; a closed terminal is no reason to leave clusters behind.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}
