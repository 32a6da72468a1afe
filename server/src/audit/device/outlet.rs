//! What a device writes to, open or not, and how it fares.
//!
//! One at a time writes: the device's thread, or a thread that serves connections. Whoever holds the
//! lock may hang, so that nobody waits for it who must not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use super::queue::Batch;
use crate::audit::counts::Counts;
use crate::audit::entry::Place;
use crate::audit::open::open;
use crate::audit::sink::Sink;

/// The outlet of a device.
pub(super) struct Outlet {
    path: String,
    place: Place,
    state: Mutex<State>,
    /// It is open, works, and writes to it are short.
    quick: AtomicBool,
    pub(super) counts: Counts,
}

#[derive(Default)]
struct State {
    sink: Option<Box<dyn Sink>>,
    /// The last batch was not written.
    failing: bool,
}

/// An outlet in the hands of whoever writes.
pub(super) struct Held<'o> {
    outlet: &'o Outlet,
    state: MutexGuard<'o, State>,
}

impl Outlet {
    /// Closed yet.
    pub(super) fn new(path: String, place: Place) -> Self {
        let (state, quick, counts) = Default::default();
        Self { path, place, state, quick, counts }
    }

    /// Whether "written" means that it is on the disk.
    pub(super) fn is_durable(&self) -> bool {
        self.place.is_durable()
    }

    /// Whether a thread that serves connections may write.
    pub(super) fn is_quick(&self) -> bool {
        self.quick.load(Ordering::Acquire)
    }

    /// Until the device's thread has written again, nobody else does.
    pub(super) fn leave_to_the_thread(&self) {
        self.quick.store(false, Ordering::Release);
    }

    /// Takes it; waits for whoever has it.
    pub(super) fn hold(&self) -> Held<'_> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Held { outlet: self, state }
    }

    /// Takes it if it is free and quick.
    pub(super) fn try_hold(&self) -> Option<Held<'_>> {
        let state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(state)) => state.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(Held { outlet: self, state })
    }
}

impl Held<'_> {
    /// Opens it, if it is not open.
    ///
    /// # Errors
    /// It cannot be opened now.
    pub(super) fn open(&mut self) -> std::io::Result<&mut dyn Sink> {
        Ok(match &mut self.state.sink {
            Some(sink) => sink.as_mut(),
            none => none.insert(open(&self.outlet.place)?).as_mut(),
        })
    }

    /// The next write opens anew.
    pub(super) fn reopen(&mut self) {
        if let Some(sink) = &mut self.state.sink {
            sink.reopen();
        }
    }

    /// Writes a batch, and counts it.
    ///
    /// # Errors
    /// Those of the sink. Some of it may have been written.
    pub(super) fn write(&mut self, batch: &Batch) -> std::io::Result<()> {
        self.open()?.write(&batch.text, &batch.ends)?;
        self.outlet.counts.batch(batch.ends.len(), batch.text.len());
        Ok(())
    }

    /// Says in the server's log how a write went, where that is news, and lets go.
    pub(super) fn ended(mut self, written: &std::io::Result<()>, was_stuck: bool, dropped: u64) {
        let device = self.outlet.path.as_str();
        match written {
            Ok(()) if self.state.failing || was_stuck => {
                tracing::info!(device, dropped, "the audit device works again");
            }
            Err(e) if !self.state.failing => tracing::error!(device, "the audit device fails: {e}"),
            _ => {}
        }
        self.state.failing = written.is_err();
        let quick = written.is_ok() && self.state.sink.as_ref().is_some_and(|s| s.is_quick());
        self.outlet.quick.store(quick, Ordering::Release);
    }
}
