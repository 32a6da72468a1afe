//! The log beside a bare loop of the same durable writes: io_uring, direct, `RWF_DSYNC`, registered
//! buffers, over a file of written zeros, with as many in flight.
//!
//! Both run in turns, a pair at a time, and each figure is the median over the pairs with the
//! quarter of them that lies beyond on either side. `--json` prints one object a line. The log does
//! all its work: records are copied, framed and checksummed, segments end and are recycled.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use io_uring::{IoUring, opcode, types};
use strongroom_wal::disk::{Disk, SysDisk};
use strongroom_wal::{Log, LogOptions, framed_len};

/// Pairs of rounds behind every figure.
const PAIRS: usize = 21;

/// Bytes of the file that the bare loop goes round in: as much as the log's segments together.
const BARE_FILE_BYTES: u64 = 48 * 1024 * 1024;

/// What is written.
#[derive(Clone, Copy)]
struct Shape {
    name: &'static str,
    records: usize,
    record_bytes: usize,
    depth: usize,
    writes: usize,
    /// Whether each write is waited for before the next frame is begun.
    lone: bool,
}

const SHAPES: [Shape; 4] = [
    Shape {
        name: "330 KB, 1 in flight",
        records: 1000,
        record_bytes: 330,
        depth: 1,
        writes: 200,
        lone: false,
    },
    Shape {
        name: "330 KB, 4 in flight",
        records: 1000,
        record_bytes: 330,
        depth: 4,
        writes: 400,
        lone: false,
    },
    Shape {
        name: "330 KB, each waited for",
        records: 1000,
        record_bytes: 330,
        depth: 1,
        writes: 200,
        lone: true,
    },
    Shape {
        name: "one 320 B record, waited for",
        records: 1,
        record_bytes: 320,
        depth: 1,
        writes: 400,
        lone: true,
    },
];

impl Shape {
    fn payload(self) -> usize {
        self.records * framed_len(self.record_bytes)
    }

    fn frame_bytes(self) -> usize {
        (self.payload() + 80).next_multiple_of(4096)
    }
}

/// What a round took.
struct Round {
    wall: Duration,
    cpu: Duration,
    /// Time of each write, where they are waited for.
    each: Vec<Duration>,
}

fn cpu_time() -> Duration {
    // The first two figures of user and system ticks: a hundredth of a second each is too coarse,
    // so the process's own clock is used.
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    #[expect(unsafe_code, reason = "no safe wrapper is at hand")]
    // SAFETY: `time` is a valid place for the answer.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(result, 0);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

fn timed(writes: usize, mut run: impl FnMut(&mut Vec<Duration>)) -> Round {
    let mut each = Vec::with_capacity(writes);
    let (cpu, wall) = (cpu_time(), Instant::now());
    run(&mut each);
    Round { wall: wall.elapsed(), cpu: cpu_time().saturating_sub(cpu), each }
}

/// The bare loop.
struct Bare {
    ring: IoUring,
    file: File,
    buffers: Vec<Buffer>,
    at: u64,
}

#[repr(C, align(4096))]
#[derive(Clone, Copy)]
struct Block([u8; 4096]);

type Buffer = Vec<Block>;

impl Bare {
    fn new(path: &Path, shape: Shape) -> Self {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).custom_flags(libc::O_DIRECT);
        let file = options.open(path).unwrap();
        let zeros = vec![Block([0; 4096]); 256];
        for at in (0..BARE_FILE_BYTES).step_by(1 << 20) {
            file.write_all_at(bytes(&zeros), at).unwrap();
        }
        file.sync_all().unwrap();
        let blocks = shape.frame_bytes() / 4096;
        let buffers = vec![vec![Block([0x5a; 4096]); blocks]; shape.depth];
        let ring = IoUring::new(8).unwrap();
        let vectors: Vec<libc::iovec> = buffers
            .iter()
            .map(|b| libc::iovec {
                iov_base: b.as_ptr().cast_mut().cast(),
                iov_len: b.len() * 4096,
            })
            .collect();
        #[expect(unsafe_code, reason = "the kernel is given addresses")]
        // SAFETY: the buffers live as long as the ring.
        unsafe { ring.submitter().register_buffers(&vectors) }.unwrap();
        Self { ring, file, buffers, at: 0 }
    }

    fn push(&mut self, buffer: usize) {
        let data = &self.buffers[buffer];
        let len = u32::try_from(data.len() * 4096).unwrap();
        if self.at + u64::from(len) > BARE_FILE_BYTES {
            self.at = 0;
        }
        let index = u16::try_from(buffer).unwrap();
        let fd = types::Fd(self.file.as_raw_fd());
        let entry = opcode::WriteFixed::new(fd, data.as_ptr().cast(), len, index)
            .offset(self.at)
            .rw_flags(libc::RWF_DSYNC)
            .build()
            .user_data(u64::try_from(buffer).unwrap());
        self.at += u64::from(len);
        #[expect(unsafe_code, reason = "the kernel is given addresses")]
        // SAFETY: the buffers and the file live as long as the ring.
        unsafe { self.ring.submission().push(&entry) }.unwrap();
    }

    fn finished(&mut self) -> Option<usize> {
        let entry = self.ring.completion().next()?;
        let buffer = usize::try_from(entry.user_data()).unwrap();
        assert_eq!(usize::try_from(entry.result()).unwrap(), self.buffers[buffer].len() * 4096);
        Some(buffer)
    }

    fn round(&mut self, shape: Shape) -> Round {
        timed(shape.writes, |each| {
            let mut begun = shape.depth.min(shape.writes);
            let mut started = Instant::now();
            for buffer in 0..begun {
                self.push(buffer);
            }
            let mut done = 0;
            while done < shape.writes {
                self.ring.submit_and_wait(1).unwrap();
                while let Some(buffer) = self.finished() {
                    done += 1;
                    if shape.lone {
                        each.push(started.elapsed());
                        started = Instant::now();
                    }
                    if begun < shape.writes {
                        self.push(buffer);
                        begun += 1;
                    }
                }
            }
        })
    }
}

fn bytes(blocks: &[Block]) -> &[u8] {
    #[expect(unsafe_code, reason = "blocks are seen as the bytes that they are made of")]
    // SAFETY: plain arrays of bytes in one piece.
    unsafe {
        std::slice::from_raw_parts(blocks.as_ptr().cast(), blocks.len() * 4096)
    }
}

/// The log.
struct Ours {
    log: Log,
    record: Vec<u8>,
}

impl Ours {
    fn new(path: &Path, shape: Shape) -> Self {
        let disk: Arc<dyn Disk> = Arc::new(SysDisk::open(path).unwrap());
        let options = LogOptions { depth: shape.depth, ..LogOptions::default() };
        let log = Log::create(disk, options, [1; 16]).unwrap();
        Self { log, record: vec![0x5a; shape.record_bytes] }
    }

    fn submit(&mut self, shape: Shape) {
        let mut frame = self.log.begin_frame(shape.payload()).unwrap();
        for _ in 0..shape.records {
            frame.push(&self.record).unwrap();
        }
        let appended = self.log.submit(frame).unwrap();
        if appended.start.0 % self.log.segment_size() == 4096 {
            let sealed: Vec<u64> =
                self.log.segments().iter().rev().skip(2).map(|segment| segment.no).collect();
            self.log.recycle(&sealed).unwrap();
        }
    }

    fn round(&mut self, shape: Shape) -> Round {
        timed(shape.writes, |each| {
            for _ in 0..shape.writes {
                let started = Instant::now();
                self.submit(shape);
                if shape.lone {
                    while self.log.reap().unwrap().is_some() {}
                    each.push(started.elapsed());
                }
            }
            while self.log.reap().unwrap().is_some() {}
        })
    }
}

fn quartiles(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |part: usize| values[(values.len() - 1) * part / 4];
    (at(1), at(2), at(3))
}

fn compare(dir: &Path, shape: Shape, json: bool) {
    let mut bare = Bare::new(&dir.join("bare"), shape);
    let mut ours = Ours::new(&dir.join("log"), shape);
    // The log has gone round its segments once, so that the ones it uses are recycled.
    let warm = usize::try_from(4 * ours.log.segment_size()).unwrap() / shape.frame_bytes();
    ours.round(Shape { writes: warm.max(10), ..shape });
    bare.round(shape);
    let (mut ratios, mut pairs) = (Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        let (b, o) = if pair % 2 == 0 {
            let b = bare.round(shape);
            (b, ours.round(shape))
        } else {
            let o = ours.round(shape);
            (bare.round(shape), o)
        };
        ratios.push(b.wall.as_secs_f64() / o.wall.as_secs_f64());
        pairs.push((b, o));
    }
    report(shape, &pairs, ratios, json);
}

fn report(shape: Shape, pairs: &[(Round, Round)], ratios: Vec<f64>, json: bool) {
    let writes = f64::from(u32::try_from(shape.writes).unwrap());
    let micros = |pick: &dyn Fn(&(Round, Round)) -> Duration| {
        quartiles(pairs.iter().map(|pair| pick(pair).as_secs_f64() * 1e6 / writes).collect()).1
    };
    let p50 = |pick: &dyn Fn(&(Round, Round)) -> &Vec<Duration>| {
        let all = pairs.iter().flat_map(|pair| pick(pair).iter().map(Duration::as_secs_f64));
        let all: Vec<f64> = all.collect();
        if all.is_empty() { 0.0 } else { quartiles(all).1 * 1e6 }
    };
    let (low, ratio, high) = quartiles(ratios);
    let wall = (micros(&|p| p.0.wall), micros(&|p| p.1.wall));
    let cpu = (micros(&|p| p.0.cpu), micros(&|p| p.1.cpu));
    let each = (p50(&|p| &p.0.each), p50(&|p| &p.1.each));
    let payload = shape.records * shape.record_bytes;
    let framing = f64::from(u32::try_from(shape.payload() - payload + 80).unwrap())
        / f64::from(u32::try_from(shape.records).unwrap());
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(
            out,
            r#"{{"work":"{}","pairs":{},"ratio":{ratio:.3},"q1":{low:.3},"q3":{high:.3},"bare_us":{:.1},"log_us":{:.1},"bare_cpu_us":{:.1},"log_cpu_us":{:.1},"bare_p50_us":{:.1},"log_p50_us":{:.1},"framing_bytes_a_record":{framing:.2}}}"#,
            shape.name, pairs.len(), wall.0, wall.1, cpu.0, cpu.1, each.0, each.1
        )
        .unwrap();
        return;
    }
    writeln!(
        out,
        "{:<30} {ratio:>6.3} [{low:.3}, {high:.3}] {:>9.1} {:>9.1} {:>8.1} {:>8.1} {:>8.1} {:>8.1}  {framing:.2}",
        shape.name, wall.0, wall.1, cpu.0, cpu.1, each.0, each.1
    )
    .unwrap();
}

fn main() {
    let json = std::env::args().any(|arg| arg == "--json");
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let disk = SysDisk::open(dir.path()).unwrap();
    if !json {
        println!("durable writes: {:?}", disk.durable_report());
        println!(
            "{:<30} {:>6} {:<14} {:>10} {:>9} {:>8} {:>8} {:>8} {:>8}  framing B/record",
            "work",
            "ratio",
            "[q1, q3]",
            "bare us",
            "log us",
            "bare cpu",
            "log cpu",
            "bare p50",
            "log p50"
        );
    }
    for shape in SHAPES {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        compare(dir.path(), shape, json);
    }
    framing_of_small_records(json);
}

/// What framing costs at 64-byte records, a thousand of them in a batch.
fn framing_of_small_records(json: bool) {
    let bytes = 1000 * (framed_len(64) - 64) + 80;
    if !json {
        let each = f64::from(u32::try_from(bytes).unwrap()) / 1000.0;
        println!("framing at 1000 records of 64 B: {bytes} B a batch, {each:.2} B a record");
    }
}
