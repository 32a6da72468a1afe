//! Whether a store that serves reads already has come to the end of its recovery.

use crate::error::OpenError;
use crate::recovery::RecoveryReport;
use crate::sync::{AtomicBool, Condvar, Mutex, Ordering, PoisonError, lock};

/// See the module's text.
#[derive(Default)]
pub(crate) struct Opening {
    /// Set once, after `end`: spares everyone the lock from then on.
    recovered: AtomicBool,
    end: Mutex<Option<End>>,
    changed: Condvar,
}

enum End {
    Recovered(RecoveryReport),
    /// The cause, until someone takes it, and what it says.
    Failed(Option<OpenError>, String),
}

impl Opening {
    pub(crate) fn recovered(&self, report: RecoveryReport) {
        *lock(&self.end) = Some(End::Recovered(report));
        self.recovered.store(true, Ordering::Release);
        self.changed.notify_all();
    }

    pub(crate) fn failed(&self, cause: OpenError) {
        let text = cause.to_string();
        *lock(&self.end) = Some(End::Failed(Some(cause), text));
        self.changed.notify_all();
    }

    /// Waits for the end; true when the store is whole.
    pub(crate) fn wait(&self) -> bool {
        if self.recovered.load(Ordering::Acquire) {
            return true;
        }
        let mut end = lock(&self.end);
        while end.is_none() {
            end = self.changed.wait(end).unwrap_or_else(PoisonError::into_inner);
        }
        matches!(*end, Some(End::Recovered(_)))
    }

    /// As [`Opening::wait`], with the cause: the first to ask gets it whole.
    pub(crate) fn result(&self) -> Result<(), OpenError> {
        self.wait();
        match &mut *lock(&self.end) {
            Some(End::Failed(cause, text)) => {
                Err(cause.take().unwrap_or_else(|| OpenError::Failed(text.clone())))
            }
            _ => Ok(()),
        }
    }

    /// What recovery did, as soon as it is over.
    pub(crate) fn report(&self) -> RecoveryReport {
        match &*lock(&self.end) {
            Some(End::Recovered(report)) => *report,
            _ => RecoveryReport::default(),
        }
    }
}
