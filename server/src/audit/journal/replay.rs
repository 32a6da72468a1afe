//! After a crash: what the journal has and the file lacks.
//!
//! Lines whose place in the file holds them are passed over; the rest is appended. Where the file is
//! not the one that they were written to (it was renamed, or cut short by hand) they are appended
//! whole: a line may then be in two files, and none is missing.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use strongroom_wal::{LogReader, Lsn};

use super::record::{Entry, Place, decode};

/// Bytes that are compared at a time.
const COMPARED: usize = 64 << 10;

/// How far the file was synced, as the journal says.
pub(super) fn synced(reader: &LogReader) -> io::Result<Lsn> {
    let mut synced = Lsn::ZERO;
    each(reader, |_, entry| {
        if let Entry::Synced(lsn) = entry {
            synced = synced.max(lsn);
        }
        Ok(())
    })?;
    Ok(synced)
}

/// Completes the file.
pub(super) fn complete(
    reader: &LogReader,
    synced: Lsn,
    file: &mut File,
    path: &Path,
) -> io::Result<()> {
    let mut written = File::open(path)?;
    each(reader, |lsn, entry| match entry {
        Entry::Lines(place, lines) if lsn >= synced => add(&mut written, file, &place, lines),
        _ => Ok(()),
    })
}

fn each(
    reader: &LogReader,
    mut what: impl FnMut(Lsn, Entry<'_>) -> io::Result<()>,
) -> io::Result<()> {
    for frame in reader.frames(reader.oldest()) {
        let frame = frame.map_err(io::Error::other)?;
        for (lsn, record) in frame.records() {
            let entry = decode(record).ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, "the journal has an unknown record")
            })?;
            what(lsn, entry)?;
        }
    }
    Ok(())
}

/// Appends of `lines` what their place does not hold.
fn add(written: &mut File, file: &mut File, place: &Place, lines: &[u8]) -> io::Result<()> {
    let end = Place::end_of(&file.metadata()?);
    if end.same_file(place) && end.offset >= place.offset {
        let there = usize::try_from(end.offset - place.offset).unwrap_or(usize::MAX);
        let there = there.min(lines.len());
        let whole = there == lines.len();
        let at_end = place.offset + there as u64 == end.offset;
        if (whole || at_end) && holds(written, place.offset, &lines[..there])? {
            return file.write_all(&lines[there..]);
        }
    }
    // Whatever the file ends with, these begin a line.
    if end.offset > 0 && !holds(written, end.offset - 1, b"\n")? {
        file.write_all(b"\n")?;
    }
    file.write_all(lines)
}

fn holds(file: &mut File, offset: u64, bytes: &[u8]) -> io::Result<bool> {
    file.seek(SeekFrom::Start(offset))?;
    let mut buffer = vec![0; COMPARED.min(bytes.len())];
    for part in bytes.chunks(COMPARED) {
        let buffer = &mut buffer[..part.len()];
        file.read_exact(buffer)?;
        if buffer != part {
            return Ok(false);
        }
    }
    Ok(true)
}
