//! One device at work: a queue, and a thread that empties it.
//!
//! A batch is what arrived while the last write was in flight. Whoever waits hears when its record
//! is where the device promises, or that it is not going to be.

mod queue;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::oneshot;

pub use self::queue::{BACKLOG_MAX, STUCK_AFTER};

use self::queue::Shared;
use self::writer::Writer;
use super::counts::Counted;
use super::entry::{DeviceEntry, Settings};
use super::hash::Hasher;
use crate::logical::ApiError;

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
        self.shared.submit(records, ends)
    }

    /// Has the device write what was handed over, unless it is at it.
    pub(super) fn begin(&self) {
        self.shared.rouse();
    }

    /// Gives the device up for now if its write takes too long, and has it write what nobody waits
    /// for. Called now and then.
    pub(super) fn check(&self) {
        self.begin();
        if self.shared.give_up() {
            tracing::error!(
                device = self.entry.path,
                "the audit device hangs; requests go on without it"
            );
        }
    }

    /// What it has written so far.
    pub(super) fn counted(&self) -> Counted {
        self.shared.counts.read(&self.entry.path, self.settings.place.is_durable())
    }

    /// What it writes to is opened anew before the next write.
    pub(super) fn reopen(&self) {
        self.shared.reopen();
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.shared.close();
    }
}
