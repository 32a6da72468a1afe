//! The thread of a device: takes all that waits, writes it, and says so.

use std::sync::Arc;

use super::queue::{BACKLOG_MAX, Batch, Shared};
use crate::audit::entry::Place;
use crate::audit::open::open;
use crate::audit::sink::Sink;

/// What the thread has.
pub(super) struct Writer {
    pub(super) path: String,
    pub(super) place: Place,
    pub(super) sink: Option<Box<dyn Sink>>,
    /// The last batch was not written.
    pub(super) failing: bool,
    pub(super) shared: Arc<Shared>,
}

impl Writer {
    pub(super) fn run(mut self) {
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
            none => none.insert(open(&self.place)?).as_mut(),
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
