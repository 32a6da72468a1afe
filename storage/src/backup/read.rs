//! Reading a backup, front to back, believing nothing.

use std::io::{ErrorKind, Read};

use super::error::VerifyError;
use super::format::{
    BLOCK_HEADER, CHUNK, Chunk, HEADER, Header, PAYLOAD_MAX, TRAILER, Trailer, check_preamble, crc,
};
use super::report::BackupReport;
use super::tally::{Tally, trailer};
use crate::id::{Class, KeyspaceId};
use crate::snapshot::KeyValue;

/// Takes what a backup holds as it is read. Nothing is certain before [`read`] has answered.
pub(super) trait Sink {
    /// Also says that the backup is not whole.
    type Error: From<VerifyError>;

    /// Comes first.
    fn keyspaces(&mut self, keyspaces: &[(KeyspaceId, Class)]) -> Result<(), Self::Error>;

    /// Entries of one keyspace.
    fn entries(&mut self, keyspace: KeyspaceId, entries: Vec<KeyValue>) -> Result<(), Self::Error>;
}

/// Reads a backup to the end of the stream and verifies it: all checksums, counts and, computed
/// from the values, all roots.
///
/// # Errors
/// See [`VerifyError`].
pub fn verify_backup(input: &mut dyn Read) -> Result<BackupReport, VerifyError> {
    struct Nothing;
    impl Sink for Nothing {
        type Error = VerifyError;

        fn keyspaces(&mut self, _: &[(KeyspaceId, Class)]) -> Result<(), VerifyError> {
            Ok(())
        }

        fn entries(&mut self, _: KeyspaceId, _: Vec<KeyValue>) -> Result<(), VerifyError> {
            Ok(())
        }
    }
    read(input, &mut Nothing)
}

/// Reads and verifies a backup, and hands what it holds to the sink.
pub(super) fn read<S: Sink>(input: &mut dyn Read, sink: &mut S) -> Result<BackupReport, S::Error> {
    let mut input = Blocks { input, hash: blake3::Hasher::new(), at: 0 };
    let mut preamble = [0; 8];
    input.exact(&mut preamble)?;
    check_preamble(preamble)?;
    let (kind, payload) = input.block()?;
    if kind != HEADER {
        return Err(input.damaged("it does not begin with a header").into());
    }
    let header = Header::decode(&payload).map_err(|why| input.damaged(why))?;
    sink.keyspaces(&header.keyspaces)?;
    let mut sums = Vec::new();
    let mut tally = Tally::default();
    let promised = loop {
        let (kind, payload) = input.block()?;
        if kind == TRAILER {
            let trailer = Trailer::decode(&payload, header.keyspaces.len());
            break trailer.map_err(|why| input.damaged(why))?;
        }
        if kind != CHUNK {
            return Err(input.damaged("an unknown kind of block").into());
        }
        let chunk = Chunk::decode(&payload).map_err(|why| input.damaged(why))?;
        let place = chunk.keyspace as usize;
        if place < sums.len() || place >= header.keyspaces.len() {
            return Err(input.damaged("a chunk of a keyspace whose turn it is not").into());
        }
        while sums.len() < place {
            sums.push(input.finish(&mut tally)?);
        }
        for (key, value) in &chunk.entries {
            tally.add(key, value);
        }
        sink.entries(header.keyspaces[place].0, chunk.entries)?;
    };
    while sums.len() < header.keyspaces.len() {
        sums.push(input.finish(&mut tally)?);
    }
    if promised != trailer(&header.keyspaces, sums) {
        return Err(input.damaged("counts or roots are not those of the entries").into());
    }
    let checksum = input.end()?;
    Ok(BackupReport::new(&header, promised, checksum, input.at))
}

/// The stream, hashed and counted as it is read.
struct Blocks<'a> {
    input: &'a mut dyn Read,
    hash: blake3::Hasher,
    at: u64,
}

impl Blocks<'_> {
    fn damaged(&self, why: &'static str) -> VerifyError {
        VerifyError::Damaged { at: self.at, why }
    }

    fn finish(&self, tally: &mut Tally) -> Result<super::format::Sum, VerifyError> {
        std::mem::take(tally).finish().ok_or_else(|| self.damaged("a key comes twice"))
    }

    /// Fills a buffer as far as the stream goes.
    fn fill(&mut self, buf: &mut [u8]) -> Result<usize, VerifyError> {
        let mut filled = 0;
        while filled < buf.len() {
            match self.input.read(&mut buf[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(cause) => return Err(VerifyError::Io { at: self.at, cause }),
            }
        }
        self.at += filled as u64;
        Ok(filled)
    }

    fn exact(&mut self, buf: &mut [u8]) -> Result<(), VerifyError> {
        if self.fill(buf)? < buf.len() {
            return Err(VerifyError::Truncated { at: self.at });
        }
        self.hash.update(buf);
        Ok(())
    }

    /// The next block. Memory grows with what is there, not with what a length claims.
    fn block(&mut self) -> Result<(u8, Vec<u8>), VerifyError> {
        const STEP: usize = 1 << 20;
        let start = self.at;
        let mut header = [0; BLOCK_HEADER];
        self.exact(&mut header)?;
        let [kind, l0, l1, l2, l3, c0, c1, c2, c3] = header;
        let len = [l0, l1, l2, l3];
        let wanted = u32::from_le_bytes(len) as usize;
        if wanted > PAYLOAD_MAX {
            return Err(VerifyError::Damaged { at: start, why: "a block of impossible length" });
        }
        let mut payload = Vec::new();
        while payload.len() < wanted {
            let from = payload.len();
            payload.resize(wanted.min(from + STEP), 0);
            self.exact(&mut payload[from..])?;
        }
        if crc(kind, len, &payload) != u32::from_le_bytes([c0, c1, c2, c3]) {
            return Err(VerifyError::Damaged { at: start, why: "a wrong checksum of a block" });
        }
        Ok((kind, payload))
    }

    /// Checksum and end of the stream.
    fn end(&mut self) -> Result<[u8; 32], VerifyError> {
        let expected = *self.hash.finalize().as_bytes();
        let start = self.at;
        let mut checksum = [0; 32];
        self.exact(&mut checksum)?;
        if checksum != expected {
            return Err(VerifyError::Damaged { at: start, why: "a wrong checksum of the whole" });
        }
        let end = self.at;
        if self.fill(&mut [0])? > 0 {
            return Err(VerifyError::Trailing { at: end });
        }
        Ok(checksum)
    }
}
