//! Making a backup.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::error::BackupError;
use super::file::BackupFile;
use super::format::{self, CHUNK, CHUNK_TARGET, HEADER, Header, PREAMBLE, Sum, TRAILER};
use super::report::BackupReport;
use super::tally::{Tally, class_root, trailer};
use crate::id::{Class, KeyspaceId};
use crate::snapshot::Snapshot;
use crate::store::Store;

impl Store {
    /// Writes a backup of the state that is published now. Writers and readers go on meanwhile; the
    /// log is kept for as long as it takes. The stream is flushed, no more: what makes it durable
    /// is the caller's to do.
    ///
    /// # Errors
    /// See [`BackupError`]. What was written by then is refused by every reader.
    pub fn backup(&self, out: &mut dyn Write) -> Result<BackupReport, BackupError> {
        write_backup(&self.snapshot(), self.log_id(), out)
    }

    /// Writes a backup to a file. The name appears, or is replaced, once the backup is complete and
    /// durable; until then it is written to the name with `.part` appended.
    ///
    /// # Errors
    /// See [`BackupError`]. Nothing is left behind then, and what had the name still has it; but for
    /// [`BackupFileError::InDoubt`](super::BackupFileError::InDoubt): the backup is whole and has the
    /// name, which a power loss may take back. Never does the name show a part of a backup.
    pub fn backup_to_file(&self, path: &Path) -> Result<BackupReport, BackupError> {
        let target = BackupFile::create(path)?;
        let report = self.backup(&mut BufWriter::new(target.file()))?;
        target.publish()?;
        Ok(report)
    }
}

/// Writes a snapshot of the store with this log.
fn write_backup(
    snapshot: &Snapshot,
    log_id: [u8; 16],
    out: &mut dyn Write,
) -> Result<BackupReport, BackupError> {
    let mut keyspaces = snapshot.keyspaces();
    keyspaces.sort_unstable_by_key(|(id, _)| *id);
    let header = Header { log_id, position: snapshot.lsn().0, keyspaces };
    let mut out = Hashing { out, hash: blake3::Hasher::new(), bytes: 0 };
    out.raw(&PREAMBLE)?;
    out.block(HEADER, &header.encode())?;
    let mut sums = Vec::new();
    for (i, (id, _)) in (0u32..).zip(&header.keyspaces) {
        sums.push(write_keyspace(snapshot, i, *id, &mut out)?);
    }
    for class in [Class::Replicated, Class::Local, Class::Ignored] {
        if class_root(&header.keyspaces, &sums, class) != snapshot.root(class) {
            return Err(BackupError::Root);
        }
    }
    let trailer = trailer(&header.keyspaces, sums);
    out.block(TRAILER, &trailer.encode())?;
    let checksum = *out.hash.finalize().as_bytes();
    out.raw(&checksum)?;
    out.out.flush().map_err(BackupError::io("write the backup"))?;
    Ok(BackupReport::new(&header, trailer, checksum, out.bytes))
}

fn write_keyspace(
    snapshot: &Snapshot,
    place: u32,
    id: KeyspaceId,
    out: &mut Hashing<'_>,
) -> Result<Sum, BackupError> {
    let mut tally = Tally::default();
    let mut payload = format::begin_chunk(place);
    let empty = payload.len();
    for entry in snapshot.entries(id) {
        let (key, value) = entry?;
        tally.add(&key, &value);
        format::push_entry(&mut payload, &key, &value);
        if payload.len() >= CHUNK_TARGET {
            out.block(CHUNK, &payload)?;
            payload = format::begin_chunk(place);
        }
    }
    if payload.len() > empty {
        out.block(CHUNK, &payload)?;
    }
    tally.finish().ok_or(BackupError::Root)
}

/// A stream that is hashed and counted as it is written.
struct Hashing<'a> {
    out: &'a mut dyn Write,
    hash: blake3::Hasher,
    bytes: u64,
}

impl Hashing<'_> {
    fn raw(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        let written: io::Result<()> = self.out.write_all(bytes);
        written.map_err(BackupError::io("write the backup"))
    }

    fn block(&mut self, kind: u8, payload: &[u8]) -> Result<(), BackupError> {
        self.raw(&format::block_header(kind, payload))?;
        self.raw(payload)
    }
}
