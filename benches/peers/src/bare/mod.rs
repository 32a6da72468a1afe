//! The device alone: durable writes of one size, round and round over a zero-filled file, by every
//! method that the system offers. Nothing can be more durable with less.

mod threads;
mod uring;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::fs::OFlags;

use crate::harness::sample::{Figure, Sample};
use crate::harness::stat::percentile_us;

/// Alignment and granularity of direct writes, bytes.
pub const BLOCK_BYTES: usize = 4096;
/// Bytes of the file.
const FILE_BYTES: u64 = 256 << 20;
/// Zeros written at a time.
const ZEROS_BYTES: usize = 1 << 20;

/// How a durable write is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// io_uring, registered file and buffers, `O_DIRECT`, `RWF_DSYNC`.
    UringDirect,
    /// `pwritev2` with `RWF_DSYNC`, `O_DIRECT`, a thread for each write in flight.
    DsyncDirect,
    /// `pwrite` and `fdatasync`, `O_DIRECT`, a thread for each write in flight.
    FdatasyncDirect,
    /// `pwritev2` with `RWF_DSYNC` through the page cache, a thread for each write in flight.
    DsyncBuffered,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::UringDirect, Self::DsyncDirect, Self::FdatasyncDirect, Self::DsyncBuffered];

    /// As it stands in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::UringDirect => "bare io_uring RWF_DSYNC, direct",
            Self::DsyncDirect => "bare pwritev2 RWF_DSYNC, direct",
            Self::FdatasyncDirect => "bare pwrite + fdatasync, direct",
            Self::DsyncBuffered => "bare pwritev2 RWF_DSYNC, buffered",
        }
    }

    fn direct(self) -> bool {
        self != Self::DsyncBuffered
    }
}

/// Writes of one size, with so many in flight.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Bytes of a write, a multiple of [`BLOCK_BYTES`].
    pub bytes: usize,
    /// Writes in flight.
    pub depth: usize,
    /// How long new writes are begun.
    pub length: Duration,
}

/// A file to write over, by one method.
pub struct Bare {
    file: File,
    method: Method,
    at: u64,
}

impl Bare {
    /// Makes and zero-fills the file.
    pub fn open(dir: &Path, method: Method) -> Result<Self> {
        let path = dir.join(format!("bare-{method:?}"));
        let zeroed = File::create(&path).context("the bare file")?;
        let zeros = vec![0; ZEROS_BYTES];
        for at in (0..FILE_BYTES).step_by(ZEROS_BYTES) {
            zeroed.write_all_at(&zeros, at)?;
        }
        zeroed.sync_all()?;
        let mut options = OpenOptions::new();
        options.write(true);
        if method.direct() {
            options.custom_flags(i32::try_from(OFlags::DIRECT.bits())?);
        }
        Ok(Self { file: options.open(&path)?, method, at: 0 })
    }

    /// Does a slice of writes.
    pub fn slice(&mut self, shape: Shape) -> Result<Sample> {
        let done = match self.method {
            Method::UringDirect => uring::run(&self.file, shape, &mut self.at),
            method => threads::run(&self.file, method, shape, &mut self.at),
        }?;
        Ok(done.sample(shape.bytes))
    }
}

/// What a slice gave.
struct Done {
    latencies_ns: Vec<u32>,
    elapsed: Duration,
}

impl Done {
    fn sample(mut self, bytes: usize) -> Sample {
        self.latencies_ns.sort_unstable();
        let megabytes = self.latencies_ns.len() as f64 * bytes as f64 / 1e6;
        Sample::from([
            (Figure::MegabytesPerSecond, megabytes / self.elapsed.as_secs_f64()),
            (Figure::P50Us, percentile_us(&self.latencies_ns, 500)),
            (Figure::P99Us, percentile_us(&self.latencies_ns, 990)),
        ])
    }
}

/// The next place in the file.
fn advance(at: &mut u64, bytes: usize) -> u64 {
    let bytes = bytes as u64;
    if *at + bytes > FILE_BYTES {
        *at = 0;
    }
    let here = *at;
    *at += bytes;
    here
}

/// Memory that begins on a block.
struct Aligned {
    memory: Vec<u8>,
    start: usize,
    len: usize,
}

impl Aligned {
    fn new(len: usize) -> Self {
        let memory = vec![0x5a; len + BLOCK_BYTES];
        let start = memory.as_ptr().align_offset(BLOCK_BYTES);
        assert!(start < BLOCK_BYTES, "bytes can be aligned");
        Self { memory, start, len }
    }

    fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.len]
    }
}
