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

use super::file::SysFile;
use super::uring::UringQueue;
use crate::disk::buffer::BlockBuf;
use crate::disk::queue::{Submission, WriteQueue};
use crate::disk::{DiskFile, DurableMethod, DurableReport};

/// Timed durable writes per method, if there is time for them.
const ROUNDS: usize = 5;

/// Time after which no round is begun any more.
const TIME_MAX: Duration = Duration::from_millis(40);

/// Bytes of one timed write.
const PROBE_BYTES: usize = 4096;

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
