//! An image for every row of the recovery table: what a disk looks like there, and what is made of
//! it. The table's own tests pin the verdicts; these pin that the walk sees what is there.

use std::io;
use std::sync::Arc;

use super::folder::Folder;
use super::table::{Later, Seen, Verdict, decide};
use super::walk::{Stop, Walker};
use crate::disk::Disk;
use crate::disk::buffer::BlockBuf;
use crate::disk::sim::SimDisk;
use crate::format::{
    FORMAT_VERSION, FrameBuilder, FrameHeader, FrameKind, FrameSeal, SegmentHeader,
};
use crate::look::Format;
use crate::lsn::{Geometry, Lsn, segment_name};

const SEGMENT: u64 = 65536;
const ID: [u8; 16] = [5; 16];

/// A disk written by hand, frame by frame.
struct Image {
    disk: SimDisk,
    format: Format,
}

impl Image {
    fn new() -> Self {
        let geometry = Geometry::new(SEGMENT).unwrap();
        let image = Self { disk: SimDisk::new(1), format: Format::new(geometry, ID) };
        image.write(0, &vec![0; 32768]);
        image.segment(0, &Image::first_header());
        image
    }

    fn first_header() -> SegmentHeader {
        SegmentHeader {
            log_id: ID,
            segment: 0,
            segment_bytes: SEGMENT,
            generation: 1,
            durable_lsn: Lsn::ZERO,
            prev_crc: 0,
            recycled: false,
        }
    }

    fn write(&self, at: u64, bytes: &[u8]) {
        let name = segment_name(at / SEGMENT);
        let file = self.disk.open(&name).or_else(|_| self.disk.create(&name)).unwrap();
        file.write_at(at % SEGMENT, bytes).unwrap();
    }

    fn segment(&self, no: u64, header: &SegmentHeader) {
        self.write(no * SEGMENT, &header.encode());
    }

    /// A one-block frame; what it claims is up to the caller.
    fn frame(&self, at: u64, prev_crc: u32, mark: u64, kind: FrameKind) -> FrameHeader {
        self.frame_of(at, prev_crc, mark, kind, 1, self.format.tag)
    }

    fn frame_of(
        &self,
        at: u64,
        prev_crc: u32,
        mark: u64,
        kind: FrameKind,
        generation: u64,
        tag: u32,
    ) -> FrameHeader {
        let mut frame = FrameBuilder::new(Lsn(at), 3000, BlockBuf::new(), Vec::new());
        if kind == FrameKind::Data {
            frame.push(b"some record").unwrap();
        }
        let seal = FrameSeal { kind, generation, durable_lsn: Lsn(mark), prev_crc };
        let finished = frame.finish(&seal, tag);
        self.write(at, &finished.bytes);
        finished.header
    }

    /// Where the walk stops, what it sees there, and what is made of that.
    fn stop(&self) -> (u64, Seen, Verdict) {
        let folder = Folder::list(Arc::new(self.disk.clone())).unwrap();
        let mut walker = Walker::new(&folder, &self.format, Lsn::ZERO);
        let Stop { verdict, .. } = walker.run(Lsn::ZERO, &mut |_| {}).unwrap();
        let at = walker.at;
        (at.0, walker.step(&mut |_| {}).unwrap(), verdict)
    }
}

/// One frame at 4096, and its checksum.
fn one_frame() -> (Image, u32) {
    let image = Image::new();
    let crc = image.frame(4096, 0, 4096, FrameKind::Data).crc;
    (image, crc)
}

/// Seals segment 0 behind its first frame and says what the next segment must continue.
fn sealed() -> (Image, SegmentHeader) {
    let (image, crc) = one_frame();
    let crc = image.frame(8192, crc, 8192, FrameKind::Seal).crc;
    let header = SegmentHeader {
        segment: 1,
        durable_lsn: Lsn(SEGMENT),
        prev_crc: crc,
        ..Image::first_header()
    };
    (image, header)
}

#[test]
fn frames_go_on_to_zeros_or_to_the_end_of_the_file() {
    let (image, crc) = one_frame();
    assert_eq!(image.stop(), (8192, Seen::Blank, Verdict::CleanEnd));
    let mut prev = crc;
    for at in (8192..32768).step_by(4096) {
        prev = image.frame(at, prev, at, FrameKind::Data).crc;
    }
    assert_eq!(image.stop(), (32768, Seen::Blank, Verdict::CleanEnd));
}

#[test]
fn zeros_before_a_frame_are_torn_or_rotten_by_its_mark() {
    let (image, _) = one_frame();
    image.frame(12288, 77, 8192, FrameKind::Data);
    assert_eq!(image.stop(), (8192, Seen::Blank, Verdict::TornEnd));
    image.frame(12288, 77, 8193, FrameKind::Data);
    assert_eq!(image.stop(), (8192, Seen::Blank, Verdict::Rotten));
}

#[test]
fn a_damaged_frame_is_torn_or_rotten_by_what_follows() {
    let (image, crc) = one_frame();
    let second = image.frame(8192, crc, 8192, FrameKind::Data);
    image.disk.flip(&segment_name(0), 8192 + 85, 1);
    assert_eq!(image.stop(), (8192, Seen::Damaged, Verdict::TornEnd));
    image.frame(12288, second.crc, 8192, FrameKind::Data);
    assert_eq!(image.stop(), (8192, Seen::Damaged, Verdict::TornEnd));
    // Even a frame whose body is damaged proves by its header.
    image.frame(12288, second.crc, 12288, FrameKind::Data);
    image.disk.flip(&segment_name(0), 12288 + 85, 1);
    assert_eq!(image.stop(), (8192, Seen::Damaged, Verdict::Rotten));
}

#[test]
fn a_frame_of_another_place_or_log_is_damage() {
    let (image, crc) = one_frame();
    image.frame_of(8192, crc, 8192, FrameKind::Data, 1, 99);
    assert_eq!(image.stop(), (8192, Seen::Damaged, Verdict::TornEnd));
    let first = image.disk.contents(&segment_name(0)).unwrap()[4096..8192].to_vec();
    image.write(8192, &first);
    assert_eq!(image.stop(), (8192, Seen::Damaged, Verdict::TornEnd));
}

#[test]
fn leftovers_in_a_recycled_segment_are_the_end() {
    let (image, _) = one_frame();
    image.segment(0, &SegmentHeader { recycled: true, ..Image::first_header() });
    image.write(8192, &[0xab; 4096]);
    assert_eq!(image.stop(), (8192, Seen::Leftover, Verdict::CleanEnd));
    image.frame(12288, 77, 4096, FrameKind::Data);
    assert_eq!(image.stop(), (8192, Seen::Leftover, Verdict::TornEnd));
    image.frame(12288, 77, 12288, FrameKind::Data);
    assert_eq!(image.stop(), (8192, Seen::Leftover, Verdict::Rotten));
}

#[test]
fn a_frame_that_breaks_the_chain_is_stale() {
    let (image, crc) = one_frame();
    image.frame(8192, crc ^ 1, 8192, FrameKind::Data);
    assert_eq!(image.stop(), (8192, Seen::Stale, Verdict::TornEnd));
    // A generation that falls is as dead as a wrong checksum.
    let first = image.frame_of(4096, 0, 4096, FrameKind::Data, 3, image.format.tag);
    image.frame_of(8192, first.crc, 8192, FrameKind::Data, 2, image.format.tag);
    assert_eq!(image.stop(), (8192, Seen::Stale, Verdict::TornEnd));
    image.frame(12288, 77, 12288, FrameKind::Data);
    assert_eq!(image.stop(), (8192, Seen::Stale, Verdict::Rotten));
}

#[test]
fn a_newer_frame_is_refused() {
    let (image, crc) = one_frame();
    image.frame(8192, crc, 8192, FrameKind::Data);
    let mut block = image.disk.contents(&segment_name(0)).unwrap()[8192..12288].to_vec();
    block[4] = FORMAT_VERSION + 1;
    let header_crc = crc32fast::hash(&block[..72]);
    block[72..76].copy_from_slice(&header_crc.to_le_bytes());
    image.write(8192, &block);
    assert_eq!(image.stop(), (8192, Seen::NewerFrame, Verdict::Newer));
}

#[test]
fn a_seal_leads_to_the_next_segment() {
    let (image, header) = sealed();
    image.write(SEGMENT, &[0; 16384]);
    image.segment(1, &header);
    assert_eq!(image.stop(), (SEGMENT + 4096, Seen::Blank, Verdict::CleanEnd));
    image.frame(SEGMENT + 4096, header.prev_crc, SEGMENT + 4096, FrameKind::Data);
    assert_eq!(image.stop(), (SEGMENT + 8192, Seen::Blank, Verdict::CleanEnd));
}

#[test]
fn a_segment_that_was_never_begun_is_the_end() {
    let (image, header) = sealed();
    assert_eq!(image.stop(), (SEGMENT, Seen::NoSegment, Verdict::CleanEnd));
    image.write(SEGMENT, &[0; 16384]);
    assert_eq!(image.stop(), (SEGMENT, Seen::BlankSegment, Verdict::CleanEnd));
    image.frame(SEGMENT + 4096, header.prev_crc, SEGMENT, FrameKind::Data);
    assert_eq!(image.stop(), (SEGMENT, Seen::BlankSegment, Verdict::TornEnd));
    image.frame(SEGMENT + 4096, header.prev_crc, SEGMENT + 4096, FrameKind::Data);
    assert_eq!(image.stop(), (SEGMENT, Seen::BlankSegment, Verdict::Rotten));
}

#[test]
fn a_hole_before_a_segment_is_missing() {
    let (image, header) = sealed();
    let third = SegmentHeader { segment: 2, durable_lsn: Lsn(2 * SEGMENT), ..header };
    image.segment(2, &third);
    assert_eq!(image.stop(), (SEGMENT, Seen::NoSegment, Verdict::Missing));
}

#[test]
fn a_damaged_segment_header_is_torn_or_rotten_by_its_frames() {
    let (image, header) = sealed();
    image.write(SEGMENT, &[0; 16384]);
    image.segment(1, &header);
    image.disk.flip(&segment_name(1), 30, 1);
    assert_eq!(image.stop(), (SEGMENT, Seen::DamagedSegment, Verdict::TornEnd));
    image.frame(SEGMENT + 4096, header.prev_crc, SEGMENT + 4096, FrameKind::Data);
    assert_eq!(image.stop(), (SEGMENT, Seen::DamagedSegment, Verdict::Rotten));
}

#[test]
fn a_segment_that_breaks_the_chain_is_stale() {
    let (image, header) = sealed();
    image.segment(1, &SegmentHeader { prev_crc: header.prev_crc ^ 1, ..header.clone() });
    assert_eq!(image.stop(), (SEGMENT, Seen::StaleSegment, Verdict::TornEnd));
    image.frame(SEGMENT + 4096, 0, SEGMENT + 4096, FrameKind::Data);
    assert_eq!(image.stop(), (SEGMENT, Seen::StaleSegment, Verdict::Rotten));
}

#[test]
fn segments_of_other_logs_sizes_and_versions_are_refused() {
    let (image, header) = sealed();
    image.segment(1, &SegmentHeader { log_id: [6; 16], ..header.clone() });
    assert_eq!(image.stop(), (SEGMENT, Seen::ForeignSegment, Verdict::Foreign));
    image.segment(1, &SegmentHeader { segment_bytes: 2 * SEGMENT, ..header.clone() });
    assert_eq!(image.stop(), (SEGMENT, Seen::ForeignSegment, Verdict::Foreign));
    let mut block = header.encode();
    block[8] = FORMAT_VERSION + 1;
    let crc = crc32fast::hash(&block[..76]);
    block[76..80].copy_from_slice(&crc.to_le_bytes());
    image.write(SEGMENT, &block);
    assert_eq!(image.stop(), (SEGMENT, Seen::NewerSegment, Verdict::Newer));
}

#[test]
fn damage_before_a_sealed_segment_is_proven_by_the_next_header_alone() {
    let (image, header) = sealed();
    image.segment(1, &header);
    image.write(4096, &[0; 8192]);
    assert_eq!(image.stop(), (4096, Seen::Blank, Verdict::Rotten));
    assert_eq!(decide(Seen::Blank, Later::Proven), Verdict::Rotten);
}

/// A record may look like a frame of this very log: it proves nothing while the frame around it is sound.
#[test]
fn a_frame_inside_a_record_is_no_witness() {
    let (image, crc) = one_frame();
    let inner = image.frame(16384, 0, 16384, FrameKind::Data);
    assert_eq!(inner.lsn, Lsn(16384));
    let forged = image.disk.contents(&segment_name(0)).unwrap()[16384..20480].to_vec();
    image.write(16384, &[0; 4096]);
    // A sound frame from 12288 to 24576 whose record holds the forged one at its place; behind a
    // torn frame at 8192 it says itself that only 8192 bytes were durable.
    let mut frame = FrameBuilder::new(Lsn(12288), 20_000, BlockBuf::new(), Vec::new());
    let mut record = vec![1; 4096 - 80];
    record.extend_from_slice(&forged);
    frame.push(&record).unwrap();
    let seal =
        FrameSeal { kind: FrameKind::Data, generation: 1, durable_lsn: Lsn(8192), prev_crc: crc };
    image.write(12288, &frame.finish(&seal, image.format.tag).bytes);
    assert_eq!(image.stop(), (8192, Seen::Blank, Verdict::TornEnd));
}

/// A walk from the middle of a segment, where no step has read the header yet.
#[test]
fn a_walk_from_the_middle_reads_the_segments_header_first() {
    let step = |image: &Image, tolerant| {
        let folder = Folder::list(Arc::new(image.disk.clone())).unwrap();
        let at = Lsn(4096);
        let mut walker = if tolerant {
            Walker::tolerant(&folder, &image.format, at)
        } else {
            Walker::new(&folder, &image.format, at)
        };
        [walker.step(&mut |_| {}).unwrap(), walker.step(&mut |_| {}).unwrap()]
    };
    let (image, _) = one_frame();
    image.write(8192, &[0xab; 4096]);
    assert_eq!(step(&image, false), [Seen::Frame, Seen::Damaged]);
    image.segment(0, &SegmentHeader { recycled: true, ..Image::first_header() });
    assert_eq!(step(&image, false), [Seen::Frame, Seen::Leftover]);
    for tolerant in [false, true] {
        image.segment(0, &SegmentHeader { log_id: [6; 16], ..Image::first_header() });
        assert_eq!(step(&image, tolerant), [Seen::ForeignSegment; 2]);
    }
    // Tools go on under a header that is damaged; nothing is known of a former life then.
    image.disk.flip(&segment_name(0), 30, 1);
    assert_eq!(step(&image, false), [Seen::DamagedSegment; 2]);
    assert_eq!(step(&image, true), [Seen::Frame, Seen::Damaged]);
    image.disk.remove(&segment_name(0)).unwrap();
    assert_eq!(step(&image, true), [Seen::NoSegment; 2]);
}

/// Beside a live writer a segment may vanish after it was listed. For the opener, who is alone, it
/// was taken away; and a file that cannot be read has not vanished for anybody.
#[test]
fn only_a_tool_takes_a_vanished_segment_for_a_recycled_one() {
    let (image, _) = one_frame();
    let folder = Folder::list(Arc::new(image.disk.clone())).unwrap();
    let mut opener = Walker::new(&folder, &image.format, Lsn::ZERO);
    let mut tool = Walker::tolerant(&folder, &image.format, Lsn::ZERO);
    image.disk.fail_after(0, io::ErrorKind::Other, false);
    assert_eq!(tool.step(&mut |_| {}).unwrap_err().kind(), io::ErrorKind::Other);
    assert!(!tool.vanished);
    image.disk.remove(&segment_name(0)).unwrap();
    assert_eq!(opener.step(&mut |_| {}).unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(tool.step(&mut |_| {}).unwrap(), Seen::NoSegment);
    assert!(tool.vanished && !opener.vanished);
}
