//! After a crash: what the journal has and the file lacks.
//!
//! What the place of lines holds of them is written there once more: a sync that failed leaves pages
//! that look written and are not on the disk. The rest is appended. Where the file is not the one
//! that they were written to (it was renamed, or cut short by hand) they are appended whole: a line
//! may then be in two files, and none is missing.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
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
    let in_place = OpenOptions::new().read(true).write(true).open(path)?;
    // A batch in several parts is cut anywhere.
    let mut begins_line = true;
    each(reader, |lsn, entry| {
        let Entry::Lines(place, lines) = entry else { return Ok(()) };
        if lsn >= synced {
            add(&in_place, file, &place, lines, begins_line)?;
        }
        begins_line = lines.ends_with(b"\n");
        Ok(())
    })?;
    // Part of a batch that was never acknowledged may be there.
    end_line(&in_place, file)
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

/// Writes `lines` to their place as far as it holds them, and appends the rest.
fn add(
    in_place: &File,
    file: &mut File,
    place: &Place,
    lines: &[u8],
    begins_line: bool,
) -> io::Result<()> {
    let end = Place::end_of(&file.metadata()?);
    if end.same_file(place) && end.offset >= place.offset {
        let there = usize::try_from(end.offset - place.offset).unwrap_or(usize::MAX);
        let there = there.min(lines.len());
        let whole = there == lines.len();
        let at_end = place.offset + there as u64 == end.offset;
        if (whole || at_end) && holds(in_place, place.offset, &lines[..there])? {
            in_place.write_all_at(&lines[..there], place.offset)?;
            return file.write_all(&lines[there..]);
        }
    }
    if begins_line {
        end_line(in_place, file)?;
    }
    file.write_all(lines)
}

/// Whatever the file ends with, what is appended next begins a line.
fn end_line(in_place: &File, file: &mut File) -> io::Result<()> {
    let end = file.metadata()?.len();
    if end > 0 && !holds(in_place, end - 1, b"\n")? { file.write_all(b"\n") } else { Ok(()) }
}

fn holds(file: &File, offset: u64, bytes: &[u8]) -> io::Result<bool> {
    let mut buffer = vec![0; COMPARED.min(bytes.len())];
    let mut at = offset;
    for part in bytes.chunks(COMPARED) {
        let buffer = &mut buffer[..part.len()];
        file.read_exact_at(buffer, at)?;
        if buffer != part {
            return Ok(false);
        }
        at += part.len() as u64;
    }
    Ok(true)
}
