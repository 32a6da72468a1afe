//! Stores of all keys, each filled once by a process of its own and used by several rows.

use std::path::{Path, PathBuf};

use anyhow::Result;
use tempfile::TempDir;

use crate::child::{self, Filled};
use crate::engines::Kind;

/// The filled stores. They go away with the depot.
pub struct Depot {
    folder: TempDir,
    keys: u64,
    filled: Vec<(Kind, Filled)>,
}

impl Depot {
    /// Nothing is filled yet.
    pub fn new(folder: &Path, keys: u64) -> Result<Self> {
        Ok(Self { folder: TempDir::new_in(folder)?, keys, filled: Vec::new() })
    }

    /// The folder of a store that holds all keys, and what the process that filled it saw.
    pub fn filled(&mut self, kind: Kind) -> Result<(PathBuf, Filled)> {
        let dir = self.folder.path().join(format!("{kind:?}"));
        if let Some((_, filled)) = self.filled.iter().find(|(other, _)| *other == kind) {
            return Ok((dir, *filled));
        }
        std::fs::create_dir(&dir)?;
        let filled = child::fill(kind, &dir, self.keys)?;
        self.filled.push((kind, filled));
        Ok((dir, filled))
    }
}
