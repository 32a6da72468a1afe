//! The stores, behind one small face. Each is opened in the best configuration that its own
//! documentation gives for small durable writes and a data set that fits into memory; what is set
//! differently from its defaults, and why, stands in its module.

mod fjall;
mod lmdb;
mod map;
mod raft;
mod redb;
mod rocks;
mod strongroom;

use std::path::Path;

use anyhow::Result;
use clap::ValueEnum;

pub use self::map::Map;
pub use self::strongroom::{Milestones, Strongroom, tuned};
use crate::record::Record;

/// Memory for cached blocks or pages, for those who ask, bytes: all of the data fits.
const CACHE_BYTES: usize = 1 << 30;

/// Who can be read.
pub trait Reader: Send + Sync {
    /// Shows the latest value of a key, if there is one, in place if the store can.
    fn get(&self, key: &[u8], seen: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool>;
}

/// A store.
pub trait Engine: Reader {
    /// Writes the records in one transaction (or batch, where there are only those); durable when
    /// it returns.
    fn commit(&self, records: &[Record]) -> Result<()>;

    /// What the application has to call now and then.
    fn upkeep(&self) -> Result<()> {
        Ok(())
    }

    /// Stops in good order, where dropping does not.
    fn close(&self) -> Result<()> {
        Ok(())
    }
}

/// The stores by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Ours.
    Strongroom,
    /// raft-engine, recycled logs, filled before use.
    RaftEngine,
    /// raft-engine as it opens fastest: nothing filled before use.
    RaftEngineUnfilled,
    /// RocksDB, recycled logs.
    Rocksdb,
    /// RocksDB, recycled logs and pipelined writes.
    RocksdbPipelined,
    /// fjall.
    Fjall,
    /// redb.
    Redb,
    /// LMDB.
    Lmdb,
    /// LMDB that writes through its map.
    LmdbWritemap,
}

impl Kind {
    /// Who writes beside us.
    pub const WRITERS: [Self; 7] = [
        Self::RaftEngine,
        Self::Rocksdb,
        Self::RocksdbPipelined,
        Self::Fjall,
        Self::Redb,
        Self::Lmdb,
        Self::LmdbWritemap,
    ];

    /// Who holds a million keys beside us.
    pub const HOLDERS: [Self; 5] =
        [Self::RaftEngineUnfilled, Self::Rocksdb, Self::Fjall, Self::Redb, Self::Lmdb];

    /// As it stands in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Strongroom => "Strongroom",
            Self::RaftEngine => "raft-engine",
            Self::RaftEngineUnfilled => "raft-engine, not prefilled",
            Self::Rocksdb => "RocksDB",
            Self::RocksdbPipelined => "RocksDB, pipelined",
            Self::Fjall => "fjall",
            Self::Redb => "redb",
            Self::Lmdb => "LMDB",
            Self::LmdbWritemap => "LMDB, writemap",
        }
    }

    /// Whether what finds a key is kept on disk, and need not be built again at every start.
    pub fn index_on_disk(self) -> bool {
        !matches!(self, Self::RaftEngine | Self::RaftEngineUnfilled)
    }

    /// Opens the store in a folder, or makes one there.
    pub fn open(self, dir: &Path) -> Result<Box<dyn Engine>> {
        Ok(match self {
            Self::Strongroom => Box::new(Strongroom::open(dir, tuned())?),
            Self::RaftEngine => Box::new(raft::Raft::open(dir, true)?),
            Self::RaftEngineUnfilled => Box::new(raft::Raft::open(dir, false)?),
            Self::Rocksdb => Box::new(rocks::Rocks::open(dir, false)?),
            Self::RocksdbPipelined => Box::new(rocks::Rocks::open(dir, true)?),
            Self::Fjall => Box::new(fjall::Fjall::open(dir)?),
            Self::Redb => Box::new(redb::Redb::open(dir)?),
            Self::Lmdb => Box::new(lmdb::Lmdb::open(dir, false)?),
            Self::LmdbWritemap => Box::new(lmdb::Lmdb::open(dir, true)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{key, stamp_of};

    fn reads_back(engine: &dyn Reader) {
        for number in 0..10 {
            let mut stamp = None;
            let found = engine.get(&key(number), &mut |value| {
                stamp = Some(stamp_of(value, number)?);
                Ok(())
            });
            assert!(found.unwrap());
            assert_eq!(stamp, Some(2));
        }
        assert!(!engine.get(&key(10), &mut |_| Ok(())).unwrap());
    }

    #[test]
    fn every_store_gives_back_what_was_committed_also_after_a_restart() {
        // The first of the writers, which fills a gigabyte before use, stands in unfilled.
        let others = Kind::WRITERS.into_iter().skip(1);
        for kind in others.chain([Kind::Strongroom, Kind::RaftEngineUnfilled]) {
            let dir = tempfile::tempdir().unwrap();
            let engine = kind.open(dir.path()).unwrap();
            for stamp in 1..=2 {
                let records: Vec<Record> = (0..10).map(|n| Record::new(n, stamp)).collect();
                engine.commit(&records).unwrap();
                engine.upkeep().unwrap();
            }
            reads_back(engine.as_ref());
            drop(engine);
            reads_back(kind.open(dir.path()).unwrap().as_ref());
        }
    }

    #[test]
    fn the_map_gives_back_what_it_was_made_of() {
        reads_back(&Map::new((0..10).map(|number| Record::new(number, 2))));
    }
}
