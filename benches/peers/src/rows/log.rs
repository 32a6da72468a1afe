//! The log alone: batches of 1,000 records of 330 bytes, beside bare writes of as many bytes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use strongroom_wal::disk::{Disk, SysDisk};
use strongroom_wal::{Log, LogOptions, framed_len};

use super::Context;
use crate::bare::{BLOCK_BYTES, Bare, Method, Shape};
use crate::engines::Kind;
use crate::harness::sample::{Contestant, Figure, Sample, rounds};
use crate::report::{Bar, Found, Work};

/// Records of a batch.
const RECORDS: usize = 1_000;
/// Bytes of a record, as the store writes a key and a value.
const RECORD_BYTES: usize = 330;
/// Writes in flight.
const DEPTHS: [usize; 2] = [1, 4];
/// Segments that are kept; older ones are written again.
const KEPT_SEGMENTS: usize = 2;
const BAR: Bar = Bar::RatioAtLeast(0.9);

pub(super) fn run(context: &mut Context) -> Result<Found> {
    let mut found = Found::default();
    for depth in DEPTHS {
        let (folder, bare_folder) = (context.scratch()?, context.scratch()?);
        let disk: Arc<dyn Disk> = Arc::new(SysDisk::open(folder.path())?);
        let mut log = Writer::new(&disk, depth)?;
        let length = context.settings.slice;
        let mut contestants = vec![Contestant::new(Kind::Strongroom.name(), || log.slice(length))];
        for method in Method::ALL {
            let mut bare = Bare::open(bare_folder.path(), method)?;
            let shape = Shape { bytes: frame_bytes(), depth, length };
            contestants.push(Contestant::new(method.name(), move || bare.slice(shape)));
        }
        let series = rounds(context.settings.pairs, &mut contestants)?;
        drop(contestants);
        let work = format!("log alone, batches of 330 KB, {depth} in flight");
        let both = (&series[0], &series[1..]);
        found.compare("log", &work, Figure::MegabytesPerSecond, both, Some(BAR));
        found.works.push(Work { work, writers: None, series });
    }
    Ok(found)
}

/// Bytes that the log writes for a batch.
fn frame_bytes() -> usize {
    (RECORDS * framed_len(RECORD_BYTES)).next_multiple_of(BLOCK_BYTES)
}

/// A log whose segments go round.
struct Writer {
    log: Log,
    record: Vec<u8>,
}

impl Writer {
    fn new(disk: &Arc<dyn Disk>, depth: usize) -> Result<Self> {
        let options = LogOptions { reserve_step: u64::MAX, depth, ..LogOptions::default() };
        let log = Log::create(Arc::clone(disk), options, [1; 16])?;
        let mut writer = Self { log, record: vec![0x5a; RECORD_BYTES] };
        // Once round, so that every segment is a recycled one.
        let segment = usize::try_from(writer.log.segment_size())?;
        for _ in 0..(KEPT_SEGMENTS + 2) * segment / frame_bytes() {
            writer.submit()?;
        }
        writer.drain()?;
        Ok(writer)
    }

    fn slice(&mut self, length: Duration) -> Result<Sample> {
        let (began, mut batches) = (Instant::now(), 0u32);
        while began.elapsed() < length {
            self.submit()?;
            batches += 1;
        }
        self.drain()?;
        let megabytes = f64::from(batches) * frame_bytes() as f64 / 1e6;
        let rate = megabytes / began.elapsed().as_secs_f64();
        Ok(Sample::from([(Figure::MegabytesPerSecond, rate)]))
    }

    /// The next batch is put together while the ones before are on their way.
    fn submit(&mut self) -> Result<()> {
        let mut frame = self.log.begin_frame(RECORDS * framed_len(RECORD_BYTES))?;
        for _ in 0..RECORDS {
            frame.push(&self.record)?;
        }
        while self.log.in_flight() >= self.log.depth() {
            self.log.reap()?;
        }
        self.log.submit(frame)?;
        let segments = self.log.segments();
        if segments.len() > KEPT_SEGMENTS {
            self.log.recycle(&[segments[0].no])?;
        }
        Ok(())
    }

    fn drain(&mut self) -> Result<()> {
        while self.log.reap()?.is_some() {}
        Ok(())
    }
}
