//! One device at work: a queue, and a thread that empties it; where writes are short, threads that
//! serve connections write what gathered on them themselves.
//!
//! A batch is what arrived while the last write was in flight. Whoever waits hears when its record
//! is where the device promises, or that it is not going to be.

mod gathered;
mod outlet;
mod queue;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::oneshot;

pub use self::queue::{BACKLOG_MAX, STUCK_AFTER};

use self::outlet::Outlet;
use self::queue::{Batch, Shared};
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
        let outlet = Outlet::new(entry.path.clone(), settings.place.clone());
        let shared = Arc::new(Shared::new(outlet));
        let writer = Writer { shared: Arc::clone(&shared) };
        std::thread::Builder::new()
            .name("audit".to_owned())
            .stack_size(STACK)
            .spawn(move || writer.run())?;
        let id = STARTED.fetch_add(1, Ordering::Relaxed);
        Ok(Self { id, entry, settings, hasher, shared })
    }

    /// Takes records in, as `append` writes them; it says where the first of two ends. The answer says
    /// when they are written, or is cut off when they will not be. `None`: the device hangs, and gets
    /// them later.
    pub(super) fn submit(
        &self,
        append: impl FnOnce(&mut Vec<u8>) -> Option<usize>,
    ) -> Option<oneshot::Receiver<()>> {
        if self.shared.is_stuck() {
            let mut batch = Batch::default();
            batch.append(append);
            self.shared.hand_over(&mut batch);
            return None;
        }
        Some(gathered::submit(&self.shared, append))
    }

    /// Gives the device up for now if its write takes too long, and has it write what nobody waits
    /// for. Called now and then.
    pub(super) fn check(&self) {
        self.shared.rouse();
        if self.shared.give_up() {
            tracing::error!(
                device = self.entry.path,
                "the audit device hangs; requests go on without it"
            );
        }
    }

    /// What it has written so far.
    pub(super) fn counted(&self) -> Counted {
        let outlet = &self.shared.outlet;
        outlet.counts.read(&self.entry.path, outlet.is_durable())
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
