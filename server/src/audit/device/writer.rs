//! The thread of a device: takes all that waits, writes it, and says so.

use std::sync::Arc;

use super::queue::{BACKLOG_MAX, Batch, Shared};

/// What the thread has.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
}

impl Writer {
    pub(super) fn run(self) {
        let shared = &*self.shared;
        if shared.outlet.is_durable() {
            // What a crash kept from the file comes into it before anything else.
            shared.begin();
            let mut outlet = shared.outlet.hold();
            let opened = outlet.open().map(drop);
            let (_, was_stuck, dropped) = shared.done();
            outlet.ended(&opened, was_stuck, dropped);
        }
        let mut batch = Batch::default();
        while shared.wait() {
            let mut outlet = shared.outlet.hold();
            shared.next(&mut batch);
            if shared.is_to_reopen() {
                outlet.reopen();
            }
            let written = outlet.write(&batch);
            let (waiting, was_stuck, dropped) = shared.done();
            if written.is_ok() {
                for waiting in waiting {
                    // Whoever asked may have gone away.
                    let _ = waiting.send(());
                }
            }
            outlet.ended(&written, was_stuck, dropped);
            if batch.text.capacity() > BACKLOG_MAX / 8 {
                batch = Batch::default();
            }
        }
    }
}
