//! Which way of writing durably is fastest here: found by a short measurement, once per device and
//! process.
//!
//! Promises: bounded in time, leaves no file behind, and whatever goes wrong leaves a method that
//! works everywhere: a full or slow disk is not the probe's to report.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::DiskFile;
use super::buffer::BlockBuf;
use super::queue::{Submission, WriteQueue};
use super::sys::SysFile;
use super::uring::UringQueue;

/// Timed durable writes per method, if there is time for them.
const ROUNDS: usize = 5;

/// Time after which no round is begun any more.
const TIME_MAX: Duration = Duration::from_millis(40);

/// Bytes of one timed write.
const PROBE_BYTES: usize = 4096;

/// How much slower than the fastest io_uring may be, in percent, and still be chosen: it alone has
/// several writes in flight.
const URING_PERCENT_MAX: u32 = 200;

/// How a durable write is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DurableMethod {
    /// Through the page cache: `pwrite`, then `fdatasync`.
    Fdatasync,
    /// Through the page cache: one `pwritev2` with `RWF_DSYNC`.
    Dsync,
    /// Past the page cache (`O_DIRECT`): `pwrite`, then `fdatasync`.
    DirectFdatasync,
    /// Past the page cache (`O_DIRECT`): one `pwritev2` with `RWF_DSYNC`.
    DirectDsync,
    /// Past the page cache, by io_uring with `RWF_DSYNC`, several at a time.
    Uring,
}

impl DurableMethod {
    /// All methods, in the order in which the probe tries them.
    pub const ALL: [Self; 5] =
        [Self::Fdatasync, Self::Dsync, Self::DirectFdatasync, Self::DirectDsync, Self::Uring];

    /// Name for status answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fdatasync => "pwrite+fdatasync",
            Self::Dsync => "pwritev2(RWF_DSYNC)",
            Self::DirectFdatasync => "O_DIRECT pwrite+fdatasync",
            Self::DirectDsync => "O_DIRECT pwritev2(RWF_DSYNC)",
            Self::Uring => "io_uring O_DIRECT write(RWF_DSYNC)",
        }
    }

    /// Whether it goes past the page cache.
    pub fn is_direct(self) -> bool {
        !matches!(self, Self::Fdatasync | Self::Dsync)
    }
}

/// What the probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DurableReport {
    /// The method that is used.
    pub method: DurableMethod,
    /// Best time of one durable 4 KiB write by each method that works here. Empty when the method
    /// was asked for.
    pub timings: Vec<(DurableMethod, Duration)>,
}

impl DurableReport {
    /// A method that was not measured.
    pub(super) fn given(method: DurableMethod) -> Self {
        Self { method, timings: Vec::new() }
    }

    /// The fastest. Where the time ran out (`hurried`) the figures say more about what else the
    /// machine does, and io_uring is taken if it works.
    fn choose(timings: Vec<(DurableMethod, Duration)>, hurried: bool) -> Self {
        let fastest = timings.iter().min_by_key(|(_, time)| *time).copied();
        let (mut method, best) = fastest.unwrap_or((DurableMethod::Fdatasync, Duration::ZERO));
        let uring = timings.iter().find(|(method, _)| *method == DurableMethod::Uring);
        if uring.is_some_and(|(_, time)| hurried || *time * 100 <= best * URING_PERCENT_MAX) {
            method = DurableMethod::Uring;
        }
        Self { method, timings }
    }

    /// The better of the two ways through the page cache, for writes that direct I/O cannot take.
    pub(super) fn buffered(&self) -> DurableMethod {
        let through = self.timings.iter().filter(|(method, _)| !method.is_direct());
        let best = through.min_by_key(|(_, time)| *time).map(|(method, _)| *method);
        best.unwrap_or(if self.method.is_direct() { DurableMethod::Fdatasync } else { self.method })
    }
}

static PROBED: Mutex<Option<HashMap<(u64, bool), DurableReport>>> = Mutex::new(None);
static PROBE_FILES: AtomicU64 = AtomicU64::new(0);

/// What is best on a directory's device, with io_uring or without.
pub(super) fn report_for(dir: &Path, uring: bool) -> io::Result<DurableReport> {
    let device = fs::metadata(dir)?.dev();
    let mut probed = PROBED.lock().unwrap_or_else(PoisonError::into_inner);
    let known = probed.get_or_insert_with(HashMap::new);
    if let Some(report) = known.get(&(device, uring)) {
        return Ok(report.clone());
    }
    let report = probe(dir, uring);
    known.insert((device, uring), report.clone());
    Ok(report)
}

fn probe(dir: &Path, uring: bool) -> DurableReport {
    let number = PROBE_FILES.fetch_add(1, Ordering::Relaxed);
    let path = dir.join(format!(".probe-{}-{number}", std::process::id()));
    let timings = time_all(&path, uring);
    let _ = fs::remove_file(&path);
    let (timings, hurried) = timings.unwrap_or_default();
    DurableReport::choose(timings, hurried)
}

/// Best time of each method that works, and whether the time ran out.
type Timed = (Vec<(DurableMethod, Duration)>, bool);

/// Times every method on a zero-filled file, in turns, so that a slow moment hits all.
fn time_all(path: &Path, uring: bool) -> io::Result<Timed> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).mode(0o600).open(path)?;
    let direct = SysFile::open_direct(path);
    let file =
        Arc::new(SysFile::new(file, direct, &DurableReport::given(DurableMethod::Fdatasync)));
    file.reserve(u64::try_from(PROBE_BYTES).map_err(io::Error::other)?)?;
    let mut ring = if uring { UringQueue::new(1).ok() } else { None };
    let mut buf = BlockBuf::new();
    buf.resize(PROBE_BYTES);
    let mut best = [None; DurableMethod::ALL.len()];
    let started = Instant::now();
    let mut hurried = false;
    for _ in 0..ROUNDS {
        for (slot, method) in DurableMethod::ALL.into_iter().enumerate() {
            let begun = Instant::now();
            if let Some(Ok(())) = write_once(&file, method, &mut ring, &mut buf) {
                let time = begun.elapsed();
                best[slot] = Some(best[slot].map_or(time, |best: Duration| best.min(time)));
            }
        }
        if started.elapsed() > TIME_MAX {
            hurried = true;
            break;
        }
    }
    let timed = DurableMethod::ALL.into_iter().zip(best);
    Ok((timed.filter_map(|(method, time)| Some((method, time?))).collect(), hurried))
}

/// One durable write; `None` when the method is not there.
fn write_once(
    file: &Arc<SysFile>,
    method: DurableMethod,
    ring: &mut Option<UringQueue>,
    buf: &mut BlockBuf,
) -> Option<io::Result<()>> {
    if method.is_direct() {
        file.direct_fd()?;
    }
    if method != DurableMethod::Uring {
        return Some(file.write_by(method, 0, buf));
    }
    let ring = ring.as_mut()?;
    let (file, data) = (Arc::clone(file) as Arc<dyn DiskFile>, std::mem::take(buf));
    ring.submit(Submission { file, offset: 0, data, tag: 0 });
    let done = ring.reap()?;
    *buf = done.data;
    buf.resize(PROBE_BYTES);
    Some(done.result)
}

#[cfg(test)]
mod tests {
    use super::DurableMethod::{Dsync, Fdatasync, Uring};
    use super::*;

    fn chosen(timings: &[(DurableMethod, u64)], hurried: bool) -> DurableMethod {
        let timings = timings.iter().map(|(m, us)| (*m, Duration::from_micros(*us)));
        DurableReport::choose(timings.collect(), hurried).method
    }

    #[test]
    fn the_fastest_is_chosen_and_io_uring_has_a_handicap_to_its_advantage() {
        assert_eq!(chosen(&[], false), Fdatasync);
        assert_eq!(chosen(&[(Fdatasync, 100), (Dsync, 90)], false), Dsync);
        assert_eq!(chosen(&[(Fdatasync, 100), (Uring, 200)], false), Uring);
        assert_eq!(chosen(&[(Fdatasync, 100), (Uring, 201)], false), Fdatasync);
        assert_eq!(chosen(&[(Fdatasync, 100), (Uring, 999)], true), Uring);
        assert_eq!(chosen(&[(Fdatasync, 100), (Dsync, 90)], true), Dsync);
    }

    #[test]
    fn odd_writes_go_the_better_way_through_the_cache() {
        let time = Duration::from_micros;
        let timings = vec![(Fdatasync, time(20)), (Dsync, time(10)), (Uring, time(5))];
        let report = DurableReport::choose(timings, false);
        assert_eq!((report.method, report.buffered()), (Uring, Dsync));
        assert_eq!(DurableReport::given(Uring).buffered(), Fdatasync);
        assert_eq!(DurableReport::given(Dsync).buffered(), Dsync);
    }
}
