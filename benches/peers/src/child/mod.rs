//! Work that needs a process of its own: to be killed, or to have its memory and its writes counted.
//!
//! The child is this same program. It says what it saw in one line of JSON on its standard output;
//! one that writes until it is killed adds a line for every commit that was acknowledged.

mod fill;
mod reopen;
mod space;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand};
use serde::de::DeserializeOwned;

pub use self::fill::Filled;
pub use self::reopen::{Acknowledged, Reopened};
pub use self::space::Space;
use crate::engines::Kind;

/// What a child is to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Order {
    /// Fill a store with all keys.
    Fill(Store),
    /// Open a store that was killed, then write until killed again.
    Reopen {
        /// Which.
        #[command(flatten)]
        store: Store,
        /// The last commit that was acknowledged before.
        #[command(flatten)]
        acknowledged: Acknowledged,
    },
    /// Overwrite all keys many times.
    Space {
        /// Which.
        #[command(flatten)]
        store: Store,
        /// Milliseconds until the folder is looked at again.
        #[arg(long)]
        wait_ms: u64,
    },
}

/// A store of a child.
#[derive(Clone, Debug, Args)]
pub struct Store {
    /// Its kind.
    #[arg(long)]
    kind: Kind,
    /// Its folder.
    #[arg(long)]
    dir: PathBuf,
    /// Its number of keys.
    #[arg(long)]
    keys: u64,
}

/// What the child does.
pub fn run(order: &Order) -> Result<()> {
    match order {
        Order::Fill(store) => say(&fill::run(store)?),
        Order::Reopen { store, acknowledged } => reopen::run(store, acknowledged),
        Order::Space { store, wait_ms } => {
            say(&space::run(store, Duration::from_millis(*wait_ms))?)
        }
    }
}

fn say(what: &impl serde::Serialize) -> Result<()> {
    println!("{}", serde_json::to_string(what)?);
    Ok(())
}

/// Fills a store with all keys, in an order that looks random, and closes it in good order.
pub fn fill(kind: Kind, dir: &Path, keys: u64) -> Result<Filled> {
    let mut child = Running::start("fill", kind, dir, keys, &[])?;
    let filled = child.first_line()?;
    child.finish()?;
    Ok(filled)
}

/// Overwrites all keys ten times and says what became of the space.
pub fn space(kind: Kind, dir: &Path, keys: u64, wait: Duration) -> Result<Space> {
    let wait = wait.as_millis().to_string();
    let mut child = Running::start("space", kind, dir, keys, &["--wait-ms", &wait])?;
    let space = child.first_line()?;
    child.finish()?;
    Ok(space)
}

/// Opens a store, lets the process write for a time, and kills it. `acknowledged` is what the
/// process before had acknowledged last; it is checked, and replaced.
pub fn reopen(
    kind: Kind,
    dir: &Path,
    keys: u64,
    writing: Duration,
    acknowledged: &mut Acknowledged,
) -> Result<Reopened> {
    let (number, stamp) = (acknowledged.number.to_string(), acknowledged.stamp.to_string());
    let args = ["--number", &number, "--stamp", &stamp];
    let mut child = Running::start("reopen", kind, dir, keys, &args)?;
    let reopened = child.first_line()?;
    let began = Instant::now();
    while began.elapsed() < writing {
        acknowledged.read(&child.line()?)?;
    }
    child.child.kill()?;
    while let Ok(line) = child.line() {
        acknowledged.read(&line)?;
    }
    child.child.wait()?;
    Ok(reopened)
}

/// A child that was started; killed when dropped.
struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Running {
    fn start(order: &str, kind: Kind, dir: &Path, keys: u64, more: &[&str]) -> Result<Self> {
        use clap::ValueEnum as _;
        let kind = kind.to_possible_value().context("a kind has a name")?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["child", order, "--kind", kind.get_name(), "--dir"])
            .arg(dir)
            .args(["--keys", &keys.to_string()])
            .args(more)
            .stdout(Stdio::piped())
            .spawn()?;
        let output = BufReader::new(child.stdout.take().context("a pipe was asked for")?);
        Ok(Self { child, output })
    }

    /// A whole line; what a killed process left unfinished is none.
    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        ensure!(line.ends_with('\n'), "the child ended early");
        Ok(line)
    }

    fn first_line<T: DeserializeOwned>(&mut self) -> Result<T> {
        Ok(serde_json::from_str(&self.line()?)?)
    }

    fn finish(mut self) -> Result<()> {
        let status = self.child.wait()?;
        ensure!(status.success(), "the child ended with {status}");
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
