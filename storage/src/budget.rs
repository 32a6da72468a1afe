//! The budget of background work, and what was spent of it.
//!
//! The cleaner works in pieces. After each it rests for twice as long as it took, so that most of the
//! time device and cores are there for those who wait for an answer; for an eighth of it while nothing is
//! committed: it ends with the first commit, and only readers are in its way. It does not rest
//! while someone waits for a checkpoint, nor once the next one is due already: to fall behind costs
//! more than it spares. A checkpoint does not rest while it writes pages: what it holds is copied
//! when it is changed meanwhile, so that to be done soon is cheaper for all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::cleaner::Effort;
use crate::signal::Signal;

/// The longest rest: a piece that took long has waited for the device, or for a core.
const REST_MAX: Duration = Duration::from_millis(20);

/// See the module's text.
pub(crate) struct Budget {
    signal: Arc<Signal>,
    /// Those who wait for a checkpoint.
    waiting: AtomicUsize,
    worked: AtomicU64,
    rested: AtomicU64,
}

/// While it is there nobody rests.
pub(crate) struct Hurry<'b>(&'b Budget);

impl Drop for Hurry<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Budget {
    pub(crate) fn new(signal: Arc<Signal>) -> Self {
        let waiting = AtomicUsize::new(0);
        Self { signal, waiting, worked: AtomicU64::new(0), rested: AtomicU64::new(0) }
    }

    /// To be held by those who wait for a checkpoint.
    pub(crate) fn hurry(&self) -> Hurry<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Hurry(self)
    }

    /// Does work that is not rested after.
    pub(crate) fn work<T>(&self, work: impl FnOnce() -> T) -> T {
        self.timed(work).0
    }

    fn timed<T>(&self, work: impl FnOnce() -> T) -> (T, Duration) {
        let began = Instant::now();
        let done = work();
        let took = began.elapsed();
        count(&self.worked, took);
        (done, took)
    }

    /// Does a piece of work, and rests as the store is.
    pub(crate) fn piece<T>(&self, effort: Effort, work: impl FnOnce() -> T) -> T {
        let (done, took) = self.timed(work);
        let rest = match effort {
            Effort::Busy => took * 2,
            Effort::Idle { .. } => took / 8,
        };
        if !self.is_pressed() {
            let began = Instant::now();
            std::thread::sleep(rest.min(REST_MAX));
            count(&self.rested, began.elapsed());
        }
        done
    }

    /// Whether someone waits for a checkpoint, or the next one is due.
    pub(crate) fn is_pressed(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0 || self.signal.is_pressing()
    }

    /// How long was worked and rested since the store was opened.
    pub(crate) fn spent(&self) -> (Duration, Duration) {
        let of = |counter: &AtomicU64| Duration::from_nanos(counter.load(Ordering::Relaxed));
        (of(&self.worked), of(&self.rested))
    }
}

fn count(counter: &AtomicU64, time: Duration) {
    counter.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rested(budget: &Budget) -> bool {
        let before = budget.spent().1;
        assert_eq!(budget.piece(Effort::Busy, || 7), 7);
        budget.spent().1 > before
    }

    #[test]
    fn nobody_rests_while_someone_waits_or_the_next_is_due() {
        let signal = Arc::new(Signal::new(None));
        let budget = Budget::new(Arc::clone(&signal));
        assert!(rested(&budget));
        let (one, other) = (budget.hurry(), budget.hurry());
        assert!(!rested(&budget));
        drop(one);
        assert!(!rested(&budget), "the other one waits still");
        drop(other);
        assert!(rested(&budget));
        signal.due();
        assert!(!rested(&budget));
        signal.wait();
        assert!(rested(&budget));
        signal.stop();
        assert!(!rested(&budget));
    }

    /// By the clock it is not compared: that the shorter rest is one, too.
    #[test]
    fn an_idle_store_rests_as_well() {
        let budget = Budget::new(Arc::new(Signal::new(None)));
        budget.piece(Effort::Idle { commits: 0 }, || std::thread::sleep(Duration::from_millis(1)));
        assert!(budget.spent().1 > Duration::ZERO);
    }

    #[test]
    fn work_counts_and_is_not_rested_after() {
        let budget = Budget::new(Arc::new(Signal::new(None)));
        budget.work(|| std::thread::sleep(Duration::from_millis(1)));
        assert!(budget.spent().0 >= Duration::from_millis(1));
        assert_eq!(budget.spent().1, Duration::ZERO);
    }
}
