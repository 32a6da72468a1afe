//! Who is between handing in and being answered, and when nobody else is to be waited for.
//!
//! While a frame is in flight the next one gathers what arrives: fewer, larger frames cost less. That
//! is worth waiting for as long as somebody may still come, and those who were just answered come
//! back first: they count as present until they have noticed. Once everyone present is in flight or
//! waits, waiting longer gathers nothing, and the frame goes out beside the others, unless there are
//! so many that the CPU is what they wait for. There are no timers.
//!
//! It promises: when the last of those who are awaited hands in, the committer sees it before it
//! waits, or is woken. What comes of it is time alone, so nothing else is ordered here.

use crate::sync::{AtomicUsize, OnceLock, Ordering};

/// The committer does not wait for a frame to land, or could send no other.
const BUSY: usize = usize::MAX;

/// With more than this present, frames are large enough, and their number costs more than it gains:
/// measured on two cores, a fifth more commits with two threads, a tenth with eight, none with 16 and
/// a tenth fewer with 64.
const FEW: usize = 16;

/// See the module's text.
pub(crate) struct Company {
    /// Transactions between handing in and being answered.
    present: AtomicUsize,
    /// Commits in flight while the committer waits for them to land.
    flying: AtomicUsize,
    wake: OnceLock<Wake>,
}

/// Ends the committer's wait.
pub(crate) type Wake = std::sync::Arc<dyn Fn() + Send + Sync>;

/// Counts a transaction as present until it is dropped.
pub(crate) struct Present<'a>(&'a AtomicUsize);

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Company {
    pub(crate) fn new() -> Self {
        let (present, flying) = (AtomicUsize::new(0), AtomicUsize::new(BUSY));
        Self { present, flying, wake: OnceLock::new() }
    }

    /// What ends the committer's wait.
    pub(crate) fn wake_by(&self, wake: Wake) {
        let _ = self.wake.set(wake);
    }

    pub(crate) fn enter(&self) -> Present<'_> {
        self.present.fetch_add(1, Ordering::Relaxed);
        Present(&self.present)
    }

    /// How many are present.
    pub(crate) fn len(&self) -> usize {
        self.present.load(Ordering::Relaxed)
    }

    /// The committer is about to wait for so many commits to land. It looks at the queue, whose lock
    /// orders the two, after it said so.
    pub(crate) fn begin_wait(&self, flying: usize) {
        self.flying.store(flying, Ordering::Relaxed);
    }

    /// The committer waits no more.
    pub(crate) fn end_wait(&self) {
        self.flying.store(BUSY, Ordering::Relaxed);
    }

    /// Whether there are few, and none of them is missing, while so many jobs wait and so many commits are in flight.
    pub(crate) fn is_complete(&self, waiting: usize, flying: usize) -> bool {
        let present = self.len();
        waiting > 0 && present <= FEW && waiting + flying >= present
    }

    /// A job came; so many wait now. Wakes the committer if it was waiting for this one.
    pub(crate) fn arrived(&self, waiting: usize) {
        let flying = self.flying.load(Ordering::Relaxed);
        if flying != BUSY
            && self.is_complete(waiting, flying)
            && self.flying.swap(BUSY, Ordering::Relaxed) != BUSY
            && let Some(wake) = self.wake.get()
        {
            wake();
        }
    }
}
