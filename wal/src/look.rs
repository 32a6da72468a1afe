//! What stands at a position of a segment file: the one place where frames are read.

use std::io;

use crate::disk::DiskFile;
use crate::format::{BLOCK, Frame, FrameHeader, HeaderFault, SegmentHeader, log_tag};
use crate::lsn::{BLOCK_BYTES, Geometry, Lsn};
use crate::recovery::end::LogIdentity;

/// What a reader must know of a log to read its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) geometry: Geometry,
    pub(crate) log_id: [u8; 16],
    pub(crate) tag: u32,
}

impl Format {
    pub(crate) fn new(geometry: Geometry, log_id: [u8; 16]) -> Self {
        Self { geometry, log_id, tag: log_tag(log_id) }
    }

    pub(crate) fn identity(&self) -> LogIdentity {
        LogIdentity { id: self.log_id, segment_bytes: self.geometry.segment_bytes() }
    }

    /// Whether a segment header is one of this log.
    pub(crate) fn owns(&self, header: &SegmentHeader) -> bool {
        header.log_id == self.log_id && header.segment_bytes == self.geometry.segment_bytes()
    }
}

/// What stands at a frame position.
#[derive(Debug)]
pub(crate) enum Look {
    /// A sound frame; whether it belongs to the chain is not checked here.
    Frame(Frame),
    /// A sound header over a damaged or missing body.
    BadBody,
    /// No header.
    Fault(HeaderFault),
}

/// What the next frame must continue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chain {
    /// Checksum of the frame before; unknown when reading started in the middle.
    pub(crate) crc: Option<u32>,
    /// Generation so far.
    pub(crate) generation: u64,
}

impl Chain {
    /// Whether something with these marks may follow.
    pub(crate) fn accepts(&self, prev_crc: u32, generation: u64) -> bool {
        self.crc.is_none_or(|crc| crc == prev_crc) && generation >= self.generation
    }

    /// The chain after a frame.
    pub(crate) fn after(header: &FrameHeader) -> Self {
        Self { crc: Some(header.crc), generation: header.generation }
    }
}

/// Looks at `lsn` in its segment's file, of which the first `limit` bytes may be read.
pub(crate) fn look(file: &dyn DiskFile, format: &Format, lsn: Lsn, limit: u64) -> io::Result<Look> {
    let offset = format.geometry.offset(lsn);
    if offset + BLOCK_BYTES > limit {
        return Ok(Look::Fault(HeaderFault::Blank));
    }
    let mut bytes = vec![0; BLOCK];
    if !read_existing(file, offset, &mut bytes)? {
        return Ok(Look::Fault(HeaderFault::Blank));
    }
    let header = match FrameHeader::decode(&bytes, lsn, format.tag, format.geometry) {
        Ok(header) => header,
        Err(fault) => return Ok(Look::Fault(fault)),
    };
    let total = header.total_bytes();
    if total > limit - offset {
        return Ok(Look::BadBody);
    }
    bytes.resize(usize::try_from(total).map_err(io::Error::other)?, 0);
    if !read_existing(file, offset + BLOCK_BYTES, &mut bytes[BLOCK..])? {
        return Ok(Look::BadBody);
    }
    Ok(match Frame::check(header, bytes) {
        Some(frame) => Look::Frame(frame),
        None => Look::BadBody,
    })
}

/// Reads; `false` when the file ends before. A short read of what the file has is an error: taken
/// for the end it would drop what was acknowledged.
pub(crate) fn read_existing(file: &dyn DiskFile, at: u64, buf: &mut [u8]) -> io::Result<bool> {
    if buf.is_empty() {
        return Ok(true);
    }
    let end = at.saturating_add(u64::try_from(buf.len()).map_err(io::Error::other)?);
    match file.read_at(at, buf) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && file.len()? < end => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;
    use crate::disk::Disk as _;
    use crate::disk::sim::SimDisk;

    #[test]
    fn a_short_read_of_what_is_there_is_no_end() {
        let disk = SimDisk::new(1);
        let file = disk.create("f").unwrap();
        file.write_at(0, &[1; 100]).unwrap();
        assert!(read_existing(&*file, 60, &mut [0; 40]).unwrap());
        assert!(!read_existing(&*file, 61, &mut [0; 40]).unwrap());
        disk.fail_after(0, ErrorKind::UnexpectedEof, false);
        let error = read_existing(&*file, 60, &mut [0; 40]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }
}
