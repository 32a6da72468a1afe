//! Looking at a log without touching it: for offline tools.
//!
//! Promises: nothing is written and no lock is taken, so it works beside a live writer too; every
//! frame shown was checked whole; damage is named by the same table that opening uses. Beside a
//! live writer the view is of some moment during the call, and an unfinished write that is seen
//! twice may be shown as a torn tail.

use std::io;
use std::sync::Arc;

use crate::disk::Disk;
use crate::error::LogError;
use crate::format::{Frame, SegmentHeader};
use crate::look::Format;
use crate::lsn::{Geometry, Lsn};
use crate::recovery::end::{OpenHint, learn_format};
use crate::recovery::folder::Folder;
use crate::recovery::table::Verdict;
use crate::recovery::walk::{Step, Stop, Walker};

/// Most places of damage that one look reports; then it stops.
pub const FINDINGS_MAX: usize = 64;

/// A log folder that is only read.
pub struct Inspector {
    folder: Folder,
    format: Format,
}

/// A segment file as it lies in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentFile {
    /// Its number, from its name.
    pub no: u64,
    /// Bytes that its file takes.
    pub bytes_on_disk: u64,
    /// Its header; `None` when that is damaged or was never written.
    pub header: Option<SegmentHeader>,
}

/// Something that is passed on the way through a log, in log order.
#[derive(Debug)]
pub enum Passed<'a> {
    /// A segment begins.
    Segment(&'a SegmentHeader),
    /// A checked frame, of any kind.
    Frame(&'a Frame),
    /// The chain breaks.
    Finding(Finding),
}

/// A place where the chain of frames breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub kind: FindingKind,
    /// Where it is.
    pub lsn: Lsn,
    /// The segment of that position.
    pub segment: u64,
    /// Its offset in that segment.
    pub offset: u64,
}

/// What a break is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingKind {
    /// Segments were recycled here: no damage.
    Recycled,
    /// An unfinished write at the end that nobody was promised. Opening drops it.
    Torn,
    /// Damage to what was acknowledged. Opening refuses.
    Rotten,
    /// A segment that is needed is missing. Opening refuses.
    Missing,
    /// Another log's segment. Opening refuses.
    Foreign,
    /// A newer format. Opening refuses.
    Newer,
}

impl FindingKind {
    /// Whether anything is wrong.
    pub fn is_damage(self) -> bool {
        self != Self::Recycled
    }
}

/// What a look through the log found in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The end of the log.
    pub end: Lsn,
    /// Sound frames, seals and markers included.
    pub frames: u64,
    /// Bytes of those frames.
    pub bytes: u64,
    /// Breaks, in log order.
    pub findings: Vec<Finding>,
    /// Whether [`FINDINGS_MAX`] was reached and the rest was not looked at.
    pub cut_short: bool,
}

impl Inspector {
    /// Lists the folder and learns the log's id and segment size.
    ///
    /// # Errors
    /// [`LogError::NotFound`] when there is no segment; [`LogError::Rotten`] or
    /// [`LogError::Newer`] when no segment header can be read; [`LogError::Io`].
    pub fn open(disk: Arc<dyn Disk>) -> Result<Self, LogError> {
        let folder = Folder::list(disk)?;
        let format = learn_format(&folder)?;
        Ok(Self { folder, format })
    }

    /// As [`open`](Self::open), for who knows which log it is to be: no header has to say so, and a segment
    /// of another log is told as one wherever it lies.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_known(
        disk: Arc<dyn Disk>,
        log_id: [u8; 16],
        segment_bytes: u64,
    ) -> Result<Self, LogError> {
        let folder = Folder::list(disk)?;
        let format = match Geometry::new(segment_bytes) {
            Some(_) if folder.segments.is_empty() => return Err(LogError::NotFound),
            Some(geometry) => Format::new(geometry, log_id),
            None => learn_format(&folder)?,
        };
        Ok(Self { folder, format })
    }

    /// The id of the log.
    pub fn log_id(&self) -> [u8; 16] {
        self.format.log_id
    }

    /// Bytes of a segment.
    pub fn segment_size(&self) -> u64 {
        self.format.geometry.segment_bytes()
    }

    /// Recycled files that wait to be used again.
    pub fn spares(&self) -> usize {
        self.folder.spares.len()
    }

    /// The segment files, in order.
    ///
    /// # Errors
    /// As the disk says.
    pub fn segments(&self) -> io::Result<Vec<SegmentFile>> {
        let describe = |no: &u64| {
            let bytes_on_disk = self.folder.open_read(*no)?.len()?;
            Ok(SegmentFile { no: *no, bytes_on_disk, header: self.folder.header(*no)?.ok() })
        };
        self.folder.segments.iter().map(describe).collect()
    }

    /// Goes through the whole log, over damage too. `hint` says what must be there: a segment
    /// missing from that of `scan_from` on is damage, one before it was recycled.
    ///
    /// # Errors
    /// As the disk says.
    pub fn look(&self, hint: OpenHint, visit: &mut dyn FnMut(Passed<'_>)) -> io::Result<Summary> {
        let first = self.folder.segments.first().copied().unwrap_or(0);
        self.look_from(self.format.geometry.base(first), hint, visit)
    }

    /// As [`look`](Self::look), from where another look ended: what was written since.
    ///
    /// # Errors
    /// As the disk says.
    pub fn look_from(
        &self,
        start: Lsn,
        hint: OpenHint,
        visit: &mut dyn FnMut(Passed<'_>),
    ) -> io::Result<Summary> {
        let mut walker = Walker::tolerant(&self.folder, &self.format, start);
        let mut findings = Vec::new();
        let mut cut_short = false;
        loop {
            let Stop { verdict, witness } =
                walker.run(hint.known_durable, &mut |step| visit(step.into()))?;
            let at = walker.at;
            if verdict != Verdict::CleanEnd && walker.look_again(&mut |step| visit(step.into()))? {
                continue;
            }
            let geometry = self.format.geometry;
            // Without a hint it is not known what is needed, so every hole counts as recycled.
            let needed = hint.scan_from != Lsn::ZERO
                && geometry.segment(at) >= geometry.segment(hint.scan_from);
            let Some(kind) = finding_kind(verdict, needed && !walker.vanished) else { break };
            let (segment, offset) = (geometry.segment(at), geometry.offset(at));
            let finding = Finding { kind, lsn: at, segment, offset };
            visit(Passed::Finding(finding));
            findings.push(finding);
            cut_short = findings.len() == FINDINGS_MAX;
            match self.resumption(kind, at, &witness.headers) {
                Some(next) if !cut_short => walker.resume_at(next),
                _ => break,
            }
        }
        let (end, frames, bytes) = (walker.at, walker.frames, walker.bytes);
        Ok(Summary { end, frames, bytes, findings, cut_short })
    }

    /// Where to go on behind a break.
    fn resumption(&self, kind: FindingKind, at: Lsn, sound: &[Lsn]) -> Option<Lsn> {
        let geometry: Geometry = self.format.geometry;
        let next = geometry.segment(at) + 1;
        let segment = self.folder.segments_from(next).next().map(|s| geometry.base(s));
        match kind {
            FindingKind::Torn => None,
            FindingKind::Rotten => sound.first().copied().into_iter().chain(segment).min(),
            FindingKind::Recycled
            | FindingKind::Missing
            | FindingKind::Foreign
            | FindingKind::Newer => segment,
        }
    }
}

impl<'a> From<Step<'a>> for Passed<'a> {
    fn from(step: Step<'a>) -> Self {
        match step {
            Step::Segment(header) => Self::Segment(header),
            Step::Frame(frame) => Self::Frame(frame),
        }
    }
}

fn finding_kind(verdict: Verdict, needed: bool) -> Option<FindingKind> {
    match verdict {
        Verdict::CleanEnd => None,
        Verdict::TornEnd => Some(FindingKind::Torn),
        Verdict::Rotten => Some(FindingKind::Rotten),
        Verdict::Missing if !needed => Some(FindingKind::Recycled),
        Verdict::Missing => Some(FindingKind::Missing),
        Verdict::Foreign => Some(FindingKind::Foreign),
        Verdict::Newer => Some(FindingKind::Newer),
        Verdict::GoOn | Verdict::NextSegment => panic!("a walk ends where the chain does"),
    }
}
