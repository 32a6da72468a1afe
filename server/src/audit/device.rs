//! One device at work: a queue, and a thread that empties it.
//!
//! A batch is what arrived while the last write was in flight. Whoever waits hears when its record
//! is where the device promises, or that it is not going to be.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::counts::{Counted, Counts};
use super::entry::{DeviceEntry, Place, Settings};
use super::hash::Hasher;
use super::sink::{self, Sink};
use crate::logical::ApiError;

/// A device that has not finished a write by then holds nobody up any more.
pub const STUCK_AFTER: Duration = Duration::from_secs(2);
/// Bytes that wait for one device at most; records beyond are not taken.
pub const BACKLOG_MAX: usize = 32 << 20;
/// Devices that were started so far.
static STARTED: AtomicU64 = AtomicU64::new(0);
/// Stack of a device's thread, bytes.
const STACK: usize = 256 << 10;

/// Why a device could not be started.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    /// Its options are none that this version knows.
    #[error("{}", .0.errors.join("; "))]
    Options(ApiError),
    /// There are no more threads.
    #[error(transparent)]
    Thread(#[from] std::io::Error),
}

/// A device that takes records. Dropped, it writes what it has and ends.
pub struct Device {
    /// No other device of this process has it.
    pub(super) id: u64,
    pub(super) entry: DeviceEntry,
    pub(super) settings: Settings,
    pub(super) hasher: Hasher,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    counts: Counts,
}

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
struct Queue {
    pending: Batch,
    /// Those whose records are being written.
    writing: Vec<oneshot::Sender<()>>,
    /// When the write in flight began.
    since: Option<Instant>,
    idle: bool,
    stuck: bool,
    reopen: bool,
    closed: bool,
    dropped: u64,
}

#[derive(Default)]
struct Batch {
    text: Vec<u8>,
    ends: Vec<usize>,
    waiting: Vec<oneshot::Sender<()>>,
}

impl Device {
    /// Starts the thread. What the device writes to is opened there.
    ///
    /// # Errors
    /// [`StartError`].
    pub(super) fn start(entry: DeviceEntry) -> Result<Self, StartError> {
        let settings = entry.settings().map_err(StartError::Options)?;
        let hasher = Hasher::new(&entry.key());
        let shared = Arc::new(Shared::default());
        let writer = Writer {
            path: entry.path.clone(),
            place: settings.place.clone(),
            sink: None,
            failing: false,
            shared: Arc::clone(&shared),
        };
        std::thread::Builder::new()
            .name("audit".to_owned())
            .stack_size(STACK)
            .spawn(move || writer.run())?;
        let id = STARTED.fetch_add(1, Ordering::Relaxed);
        Ok(Self { id, entry, settings, hasher, shared })
    }

    /// Hands records over, `ends` being where each ends; the answer says when they are written, or
    /// is cut off when they will not be. `None`: the device hangs or has too much to do. An idle
    /// device does not begin before [`Device::begin`].
    pub(super) fn submit(&self, records: &[u8], ends: &[usize]) -> Option<oneshot::Receiver<()>> {
        let mut queue = self.shared.lock();
        let base = queue.pending.text.len();
        if base + records.len() > BACKLOG_MAX {
            queue.dropped += 1;
            return None;
        }
        queue.pending.text.extend_from_slice(records);
        queue.pending.ends.extend(ends.iter().map(|end| base + end));
        // A device that hangs gets the record later, but nobody waits for it.
        let waiting = (!queue.stuck).then(|| {
            let (done, waiting) = oneshot::channel();
            queue.pending.waiting.push(done);
            waiting
        });
        drop(queue);
        waiting
    }

    /// Has the device write what was handed over, unless it is at it.
    pub(super) fn begin(&self) {
        let mut queue = self.shared.lock();
        if !queue.pending.text.is_empty() && std::mem::take(&mut queue.idle) {
            drop(queue);
            self.shared.wake.notify_one();
        }
    }

    /// Gives the device up for now if its write takes too long, and has it write what nobody waits
    /// for. Called now and then.
    pub(super) fn check(&self) {
        self.begin();
        let mut queue = self.shared.lock();
        if queue.stuck || queue.since.is_none_or(|since| since.elapsed() < STUCK_AFTER) {
            return;
        }
        queue.stuck = true;
        let given_up =
            (std::mem::take(&mut queue.writing), std::mem::take(&mut queue.pending.waiting));
        drop(queue);
        drop(given_up);
        tracing::error!(
            device = self.entry.path,
            "the audit device hangs; requests go on without it"
        );
    }

    /// What it has written so far.
    pub(super) fn counted(&self) -> Counted {
        self.shared.counts.read(&self.entry.path, self.settings.place.is_durable())
    }

    /// What it writes to is opened anew before the next write.
    pub(super) fn reopen(&self) {
        self.shared.lock().reopen = true;
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next batch and whether to open anew; `None` at the end. Leaves the emptied buffers of
    /// `last` for what comes.
    fn next(&self, last: &mut Batch) -> Option<bool> {
        let mut queue = self.lock();
        while queue.pending.text.is_empty() {
            if queue.closed {
                return None;
            }
            queue.idle = true;
            queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.idle = false;
        last.text.clear();
        last.ends.clear();
        std::mem::swap(&mut queue.pending, last);
        queue.writing = std::mem::take(&mut last.waiting);
        queue.since = Some(Instant::now());
        Some(std::mem::take(&mut queue.reopen))
    }

    /// Something that may hang begins, and nobody waits for it yet.
    fn begin(&self) {
        self.lock().since = Some(Instant::now());
    }

    /// Ends a write: those who still wait, whether it was given up before, and what was lost.
    fn done(&self) -> (Vec<oneshot::Sender<()>>, bool, u64) {
        let mut queue = self.lock();
        queue.since = None;
        let was_stuck = std::mem::take(&mut queue.stuck);
        (std::mem::take(&mut queue.writing), was_stuck, std::mem::take(&mut queue.dropped))
    }
}

/// The thread's side.
struct Writer {
    path: String,
    place: Place,
    sink: Option<Box<dyn Sink>>,
    /// The last batch was not written.
    failing: bool,
    shared: Arc<Shared>,
}

impl Writer {
    fn run(mut self) {
        if self.place.is_durable() {
            // What a crash kept from the file comes into it before anything else.
            self.shared.begin();
            let opened = self.sink().map(drop);
            let (_, was_stuck, dropped) = self.shared.done();
            self.report(&opened, was_stuck, dropped);
        }
        let mut batch = Batch::default();
        while let Some(reopen) = self.shared.next(&mut batch) {
            if reopen && let Some(sink) = &mut self.sink {
                sink.reopen();
            }
            let written = self.write(&batch);
            let (waiting, was_stuck, dropped) = self.shared.done();
            match &written {
                Ok(()) => {
                    self.shared.counts.batch(batch.ends.len(), batch.text.len());
                    for waiting in waiting {
                        // Whoever asked may have gone away.
                        let _ = waiting.send(());
                    }
                }
                Err(_) => drop(waiting),
            }
            self.report(&written, was_stuck, dropped);
            if batch.text.capacity() > BACKLOG_MAX / 8 {
                batch = Batch::default();
            }
        }
    }

    fn write(&mut self, batch: &Batch) -> std::io::Result<()> {
        self.sink()?.write(&batch.text, &batch.ends)
    }

    fn sink(&mut self) -> std::io::Result<&mut dyn Sink> {
        Ok(match &mut self.sink {
            Some(sink) => sink.as_mut(),
            none => none.insert(sink::open(&self.place)?).as_mut(),
        })
    }

    fn report(&mut self, written: &std::io::Result<()>, was_stuck: bool, dropped: u64) {
        let device = self.path.as_str();
        match written {
            Ok(()) if self.failing || was_stuck => {
                tracing::info!(device, dropped, "the audit device works again");
            }
            Err(e) if !self.failing => tracing::error!(device, "the audit device fails: {e}"),
            _ => {}
        }
        self.failing = written.is_err();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn device(path: &str) -> Device {
        let options = BTreeMap::from([("file_path".to_owned(), path.to_owned())]);
        let entry =
            DeviceEntry::new("d/".to_owned(), "file".to_owned(), String::new(), options, false);
        Device::start(entry.unwrap()).unwrap()
    }

    fn submit(device: &Device, line: &[u8]) -> Option<oneshot::Receiver<()>> {
        let waiting = device.submit(line, &[line.len()]);
        device.begin();
        waiting
    }

    #[tokio::test]
    async fn records_are_there_when_the_answer_comes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let device = device(path.to_str().unwrap());
        for n in 1..=3 {
            submit(&device, b"line\n").unwrap().await.unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), n);
        }
        let dead = super::tests::device("/proc/nothing/log");
        assert!(submit(&dead, b"line\n").unwrap().await.is_err());
    }

    #[tokio::test]
    async fn all_who_wait_for_one_write_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let device = device(path.to_str().unwrap());
        let waiting: Vec<_> = (0..100).map(|_| submit(&device, b"line\n").unwrap()).collect();
        for waiting in waiting {
            waiting.await.unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 100);
        assert_eq!(device.counted().records, 100);
    }

    /// A pipe that nobody reads hung every request of another server for good.
    #[tokio::test]
    async fn a_device_that_hangs_is_given_up_and_taken_back_when_it_moves() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let device = device(path.to_str().unwrap());
        let waiting = submit(&device, b"one\n").unwrap();
        let mut waiting = std::pin::pin!(waiting);
        let given_up = loop {
            device.check();
            if let Ok(answer) = tokio::time::timeout(Duration::from_millis(50), &mut waiting).await
            {
                break answer;
            }
        };
        assert!(given_up.is_err());
        assert!(submit(&device, b"two\n").is_none(), "nobody waits for it now");
        let reader = std::thread::spawn(move || {
            use std::io::{BufRead as _, BufReader};
            let lines = BufReader::new(std::fs::File::open(path).unwrap()).lines();
            lines.collect::<Result<Vec<_>, _>>().unwrap()
        });
        let taken = loop {
            if let Some(waiting) = submit(&device, b"three\n") {
                break waiting.await;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        assert!(taken.is_ok());
        drop(device);
        assert_eq!(reader.join().unwrap()[..2], ["one", "two"], "late, but not lost");
    }
}
