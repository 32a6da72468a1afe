//! What wakes a thread that waits for a ring: an event counter, and a poll of it in the ring.
//!
//! A wake-up may be lost when the kernel refuses the poll, and one may come that nobody asked for.
//! Nothing but time may depend on them.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use io_uring::{cqueue, opcode, squeue, types};
use rustix::event::{EventfdFlags, eventfd};

use crate::disk::queue::Wake;

/// The number that the poll has in the ring.
pub(super) const RUNG: u64 = u64::MAX;

/// See the module's text.
#[derive(Default)]
pub(super) struct Bell {
    event: Option<Arc<OwnedFd>>,
    /// The ring has the poll, or is to get it with its next submission.
    armed: bool,
    rung: bool,
}

impl Bell {
    /// What rings; `None` when the system has no event counters.
    pub(super) fn wake(&mut self) -> Option<Wake> {
        if self.event.is_none() {
            let flags = EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC;
            self.event = eventfd(0, flags).ok().map(Arc::new);
        }
        let event = Arc::clone(self.event.as_ref()?);
        Some(Arc::new(move || {
            // A counter that is full has rung already.
            let _ = rustix::io::write(&event, &1_u64.to_ne_bytes());
        }))
    }

    /// The poll, if the ring has to be given it.
    pub(super) fn poll(&mut self) -> Option<squeue::Entry> {
        let event = self.event.as_ref().filter(|_| !self.armed)?;
        self.armed = true;
        let events = u32::try_from(libc::POLLIN).unwrap_or_default();
        let poll = opcode::PollAdd::new(types::Fd(event.as_raw_fd()), events).multi(true);
        Some(poll.build().user_data(RUNG))
    }

    /// Takes note of what the ring said of the poll.
    pub(super) fn note(&mut self, entry: &cqueue::Entry) {
        self.rung = true;
        if entry.result() < 0 {
            // Armed for good: it is not tried again.
            return;
        }
        if !cqueue::more(entry.flags())
            && let Some(event) = &self.event
        {
            let mut count = [0; 8];
            let _ = rustix::io::read(event, &mut count);
            self.armed = false;
        }
    }

    /// Whether it was rung since it was last asked.
    pub(super) fn take_rung(&mut self) -> bool {
        std::mem::take(&mut self.rung)
    }
}
