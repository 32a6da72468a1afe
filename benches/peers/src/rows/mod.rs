//! The rows: one piece of work each, ours beside the others.

mod background;
mod batch;
mod log;
mod memory;
mod merkle;
mod reads;
mod reconcile;
mod reopen;
mod single;
mod space;
mod writers;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use tempfile::TempDir;

use crate::depot::Depot;
use crate::report::Found;

/// How much is done.
pub struct Settings {
    /// Interleaved pairs.
    pub pairs: usize,
    /// Length of a slice.
    pub slice: Duration,
    /// Keys in the rows over many keys.
    pub keys: u64,
    /// Keys in the space row.
    pub space_keys: u64,
    /// How long the space row waits before it looks at the folder.
    pub space_wait: Duration,
}

/// What the rows share.
pub struct Context {
    /// How much is done.
    pub settings: Settings,
    /// Stores filled once and used by several rows.
    pub depot: Depot,
    folder: PathBuf,
}

impl Context {
    /// Everything that is written goes below the folder.
    pub fn new(settings: Settings, folder: &Path) -> Result<Self> {
        let depot = Depot::new(folder, settings.keys)?;
        Ok(Self { settings, depot, folder: folder.to_owned() })
    }

    /// An empty folder that goes away when it is dropped.
    pub fn scratch(&self) -> Result<TempDir> {
        Ok(TempDir::new_in(&self.folder)?)
    }
}

/// The rows by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Row {
    /// The log alone beside the bare device.
    Log,
    /// Commits of 1,000 records.
    Batch,
    /// Commits of one record, one writer, beside one bare durable write.
    Single,
    /// Commits of one record, 1 to 64 writers.
    Writers,
    /// Latency with and without checkpointer and cleaner at work.
    Background,
    /// Merkle index: root after each batch.
    Merkle,
    /// Two sides find out what differs.
    Reconcile,
    /// Memory a key.
    Memory,
    /// Point reads.
    Reads,
    /// Open after SIGKILL.
    Reopen,
    /// Space and write amplification; long, so only when asked for.
    Space,
}

impl Row {
    /// What runs when nothing is asked for.
    pub fn usual() -> Vec<Self> {
        Self::value_variants().iter().copied().filter(|row| *row != Self::Space).collect()
    }

    /// Runs the row.
    pub fn run(self, context: &mut Context) -> Result<Found> {
        match self {
            Self::Log => log::run(context),
            Self::Batch => batch::run(context),
            Self::Single => single::run(context),
            Self::Writers => writers::run(context),
            Self::Background => background::run(context),
            Self::Merkle => merkle::run(context),
            Self::Reconcile => reconcile::run(context),
            Self::Memory => memory::run(context),
            Self::Reopen => reopen::run(context),
            Self::Reads => reads::run(context),
            Self::Space => space::run(context),
        }
    }
}
