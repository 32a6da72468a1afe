//! Following the chain of frames, from a known position to where it stops.
//!
//! The opener acts on what is found there; the offline tools only show it, and go on behind it.

use std::io;
use std::sync::Arc;

use super::folder::Folder;
use super::table::{Later, Seen, Verdict, decide};
use super::witness::Witness;
use crate::disk::DiskFile;
use crate::format::{Frame, FrameKind, HeaderFault, SegmentFault, SegmentHeader};
use crate::look::{Chain, Format, Look, look};
use crate::lsn::Lsn;

/// Where and how a walk ended.
#[derive(Debug)]
pub(crate) struct Walked {
    /// The end of the chain: a frame position, or the base of a segment that is not begun.
    pub(crate) end: Lsn,
    /// What the next frame must continue.
    pub(crate) chain: Chain,
    /// Kind of the last frame, when there was one.
    pub(crate) last: Option<FrameKind>,
    /// Format version met, when the verdict is that it is a newer one.
    pub(crate) version: u8,
    /// What the table says.
    pub(crate) verdict: Verdict,
    /// What stands behind the end.
    pub(crate) witness: Witness,
    /// Frames in the chain, seals and markers included.
    pub(crate) frames: u64,
    /// Bytes of those frames.
    pub(crate) bytes: u64,
}

/// Follows the chain from `from`: a frame's start, a frame's exact end, or a segment's base. What is
/// passed is shown to `visit`.
pub(crate) fn walk(
    folder: &Folder,
    format: &Format,
    from: Lsn,
    known_durable: Lsn,
    visit: &mut dyn FnMut(Step<'_>),
) -> io::Result<Walked> {
    let mut walker = Walker::new(folder, format, from);
    let Stop { verdict, witness } = walker.run(known_durable, visit)?;
    let Walker { at: end, chain, last, version, frames, bytes, .. } = walker;
    Ok(Walked { end, chain, last, version, verdict, witness, frames, bytes })
}

/// Why a walk stopped where it is.
#[derive(Debug)]
pub(crate) struct Stop {
    pub(crate) verdict: Verdict,
    pub(crate) witness: Witness,
}

/// What a walk passes.
pub(crate) enum Step<'a> {
    /// A segment is entered.
    Segment(&'a SegmentHeader),
    /// A frame of the chain, of any kind.
    Frame(&'a Frame),
}

/// Follows a chain of frames.
pub(crate) struct Walker<'a> {
    folder: &'a Folder,
    format: &'a Format,
    /// The position that is looked at next.
    pub(crate) at: Lsn,
    chain: Chain,
    last: Option<FrameKind>,
    version: u8,
    /// For tools only: reads frames under a damaged segment header too, and takes a segment that
    /// vanishes after it was listed for one that a live writer recycled.
    tolerant: bool,
    /// Whether the last segment looked for has vanished so.
    pub(crate) vanished: bool,
    /// The segment being read, once it is: file, readable bytes, whether it was recycled.
    open: Option<(Arc<dyn DiskFile>, u64, bool)>,
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
}

impl<'a> Walker<'a> {
    pub(crate) fn new(folder: &'a Folder, format: &'a Format, at: Lsn) -> Self {
        Self {
            folder,
            format,
            at,
            chain: Chain::default(),
            last: None,
            version: 0,
            tolerant: false,
            vanished: false,
            open: None,
            frames: 0,
            bytes: 0,
        }
    }

    /// A walker for tools, beside a live writer.
    pub(crate) fn tolerant(folder: &'a Folder, format: &'a Format, at: Lsn) -> Self {
        Self { tolerant: true, ..Self::new(folder, format, at) }
    }

    /// Goes on behind damage, where nothing is known of the frame before.
    pub(crate) fn resume_at(&mut self, at: Lsn) {
        assert!(at > self.at, "a walk goes forward");
        (self.at, self.chain, self.open) = (at, Chain::default(), None);
    }

    /// Passes what continues the chain, then judges where it stops.
    pub(crate) fn run(
        &mut self,
        known_durable: Lsn,
        visit: &mut dyn FnMut(Step<'_>),
    ) -> io::Result<Stop> {
        let seen = loop {
            let seen = self.step(visit)?;
            if !goes_on(seen) {
                break seen;
            }
        };
        let witness = Witness::search(self.folder, self.format, self.at, self.tolerant)?;
        let later = if witness.mark.max(known_durable) > self.at {
            Later::Proven
        } else if witness.headers.is_empty() {
            Later::Nothing
        } else {
            Later::Unproven
        };
        Ok(Stop { verdict: decide(seen, later), witness })
    }

    /// Looks again where the walk stopped: a live writer may have been in the middle of it. Whether
    /// the chain goes on now.
    pub(crate) fn look_again(&mut self, visit: &mut dyn FnMut(Step<'_>)) -> io::Result<bool> {
        self.open = None;
        Ok(goes_on(self.step(visit)?))
    }

    /// Looks at the current position, and passes it when the chain goes on.
    pub(super) fn step(&mut self, visit: &mut dyn FnMut(Step<'_>)) -> io::Result<Seen> {
        if self.format.geometry.offset(self.at) == 0 {
            self.step_segment(visit)
        } else {
            self.step_frame(visit)
        }
    }

    fn step_segment(&mut self, visit: &mut dyn FnMut(Step<'_>)) -> io::Result<Seen> {
        let segment = self.format.geometry.segment(self.at);
        let Some(header) = self.header(segment)? else { return Ok(Seen::NoSegment) };
        let header = match header {
            Ok(header) => header,
            Err(SegmentFault::Blank) => return Ok(Seen::BlankSegment),
            Err(SegmentFault::Garbage) => return Ok(Seen::DamagedSegment),
            Err(SegmentFault::Newer(version)) => {
                self.version = version;
                return Ok(Seen::NewerSegment);
            }
        };
        if !self.format.owns(&header) {
            return Ok(Seen::ForeignSegment);
        }
        if !self.chain.accepts(header.prev_crc, header.generation) {
            return Ok(Seen::StaleSegment);
        }
        self.enter(segment, header.recycled)?;
        self.chain = Chain { crc: Some(header.prev_crc), generation: header.generation };
        self.at = self.format.geometry.first_frame(segment);
        visit(Step::Segment(&header));
        Ok(Seen::Segment)
    }

    fn step_frame(&mut self, visit: &mut dyn FnMut(Step<'_>)) -> io::Result<Seen> {
        let segment = self.format.geometry.segment(self.at);
        if self.open.is_none() {
            // Reading starts in the middle of this segment.
            let Some(header) = self.header(segment)? else { return Ok(Seen::NoSegment) };
            let recycled = match header {
                Ok(header) if !self.format.owns(&header) => return Ok(Seen::ForeignSegment),
                Ok(header) => header.recycled,
                Err(_) if self.tolerant => false,
                Err(_) => return Ok(Seen::DamagedSegment),
            };
            self.enter(segment, recycled)?;
        }
        let Some((file, limit, recycled)) = &self.open else { return Ok(Seen::NoSegment) };
        let frame = match look(&**file, self.format, self.at, *limit)? {
            Look::Frame(frame) => frame,
            Look::BadBody => return Ok(Seen::Damaged),
            Look::Fault(HeaderFault::Blank) => return Ok(Seen::Blank),
            Look::Fault(HeaderFault::Garbage | HeaderFault::Elsewhere) => {
                return Ok(if *recycled { Seen::Leftover } else { Seen::Damaged });
            }
            Look::Fault(HeaderFault::Newer(version)) => {
                self.version = version;
                return Ok(Seen::NewerFrame);
            }
        };
        if !self.chain.accepts(frame.header.prev_crc, frame.header.generation) {
            return Ok(Seen::Stale);
        }
        Ok(self.pass(&frame, visit))
    }

    fn pass(&mut self, frame: &Frame, visit: &mut dyn FnMut(Step<'_>)) -> Seen {
        self.chain = Chain::after(&frame.header);
        self.last = Some(frame.header.kind);
        self.frames += 1;
        self.bytes += frame.header.total_bytes();
        visit(Step::Frame(frame));
        if frame.header.kind == FrameKind::Seal {
            self.at = self.format.geometry.end(self.format.geometry.segment(self.at));
            return Seen::Seal;
        }
        self.at = frame.end();
        Seen::Frame
    }

    /// The header of a segment; `None` when there is no such file.
    fn header(&mut self, segment: u64) -> io::Result<Option<Result<SegmentHeader, SegmentFault>>> {
        self.vanished = false;
        if !self.folder.segments.contains(&segment) {
            return Ok(None);
        }
        match self.folder.header(segment) {
            Err(error) if self.tolerant && error.kind() == io::ErrorKind::NotFound => {
                self.vanished = true;
                Ok(None)
            }
            header => header.map(Some),
        }
    }

    fn enter(&mut self, segment: u64, recycled: bool) -> io::Result<()> {
        let file = self.folder.open_read(segment)?;
        let limit = file.len()?.min(self.format.geometry.segment_bytes());
        self.open = Some((file, limit, recycled));
        Ok(())
    }
}

fn goes_on(seen: Seen) -> bool {
    matches!(decide(seen, Later::Nothing), Verdict::GoOn | Verdict::NextSegment)
}
