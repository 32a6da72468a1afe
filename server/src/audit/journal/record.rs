//! What stands in a journal: see the table in `docs/audit.md`.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

use strongroom_wal::Lsn;

/// Kind of a record that holds lines.
const LINES: u8 = 1;
/// Kind of a record that says how far the file is synced.
const SYNCED: u8 = 2;
/// Bytes in front of the lines.
pub(super) const LINES_HEAD: usize = 25;
/// Bytes of a record that says how far the file is synced.
pub(super) const SYNCED_LEN: usize = 9;

/// Where lines were appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Device of the file.
    pub(super) device: u64,
    /// Its inode.
    pub(super) inode: u64,
    /// Where in it.
    pub(super) offset: u64,
}

impl Place {
    /// The end of a file.
    pub(super) fn end_of(about: &Metadata) -> Self {
        Self { device: about.dev(), inode: about.ino(), offset: about.len() }
    }

    /// Whether both are in the same file.
    pub(super) fn same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// A record that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry<'r> {
    /// Lines, and where they belong.
    Lines(Place, &'r [u8]),
    /// Lines in front of this position are in the file and on the disk.
    Synced(Lsn),
}

/// The head of a record of lines.
pub(super) fn lines_head(place: &Place) -> [u8; LINES_HEAD] {
    let mut head = [LINES; LINES_HEAD];
    head[1..9].copy_from_slice(&place.device.to_le_bytes());
    head[9..17].copy_from_slice(&place.inode.to_le_bytes());
    head[17..].copy_from_slice(&place.offset.to_le_bytes());
    head
}

/// A record that says how far the file is synced.
pub(super) fn synced(lsn: Lsn) -> [u8; SYNCED_LEN] {
    let mut record = [SYNCED; SYNCED_LEN];
    record[1..].copy_from_slice(&lsn.0.to_le_bytes());
    record
}

/// Reads a record; `None` for what this version does not write.
pub(super) fn decode(record: &[u8]) -> Option<Entry<'_>> {
    let number = |at: usize| Some(u64::from_le_bytes(record.get(at..at + 8)?.try_into().ok()?));
    match *record.first()? {
        LINES => {
            let place = Place { device: number(1)?, inode: number(9)?, offset: number(17)? };
            Some(Entry::Lines(place, record.get(LINES_HEAD..)?))
        }
        SYNCED if record.len() == SYNCED_LEN => Some(Entry::Synced(Lsn(number(1)?))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_those_of_the_document() {
        let place = Place { device: 0x0102, inode: 0x0304, offset: 0x0506 };
        let head = lines_head(&place);
        let golden = [1, 2, 1, 0, 0, 0, 0, 0, 0, 4, 3, 0, 0, 0, 0, 0, 0, 6, 5, 0, 0, 0, 0, 0, 0];
        assert_eq!(head, golden);
        let record = [&head[..], b"line\n"].concat();
        assert_eq!(decode(&record), Some(Entry::Lines(place, b"line\n")));
        assert_eq!(synced(Lsn(0x0708)), [2, 8, 7, 0, 0, 0, 0, 0, 0]);
        assert_eq!(decode(&synced(Lsn(0x0708))), Some(Entry::Synced(Lsn(0x0708))));
        for wrong in [&[][..], &[1, 2], &[2, 0, 0], &[3]] {
            assert_eq!(decode(wrong), None);
        }
    }
}
