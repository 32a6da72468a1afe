//! Short calls that may hang, on threads that others wait for.
//!
//! A write to a file takes microseconds, less than it costs to have another thread do it; but a file
//! may hang. So each runtime that serves connections has a [`Ward`], and a spare thread that waits
//! beside the one that serves. A call that is made in the ward ([`enter`]) and is not back within two
//! looks of the spare has its thread's work taken over by the spare, until it is back; meanwhile nobody
//! else enters. The call itself must be in a task of its own, which nobody waits for without a limit.

use std::cell::RefCell;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

/// How often the spare looks while calls are made.
const LOOK: Duration = Duration::from_millis(50);

thread_local! {
    static HERE: RefCell<Option<Arc<Ward>>> = const { RefCell::new(None) };
}

/// What the threads of one runtime share.
#[derive(Default)]
pub(crate) struct Ward {
    /// Odd while a call is made; grows by one when it begins and when it ends.
    calls: AtomicU64,
    /// The spare looks now and then; else it waits to be woken.
    watched: AtomicBool,
    /// The spare has taken over.
    over: AtomicBool,
    closed: Mutex<bool>,
    wake: Condvar,
}

/// A call in a ward; it ends when this is dropped.
pub(crate) struct InCall(Arc<Ward>);

/// Begins a call, if this thread is in a ward that nobody hangs in.
pub(crate) fn enter() -> Option<InCall> {
    HERE.with_borrow(|here| here.as_ref().and_then(Ward::enter))
}

impl Ward {
    /// A runtime of one thread and its spare; its blocking threads are in the ward too, so that
    /// `block_in_place` hands the ward on.
    ///
    /// # Errors
    /// There are no more threads or files.
    pub(crate) fn runtime(name: &str) -> io::Result<(Runtime, Arc<Self>)> {
        let ward = Arc::<Self>::default();
        let joined = Arc::clone(&ward);
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name(name)
            .on_thread_start(move || joined.join())
            .enable_all()
            .build()?;
        runtime.spawn(Arc::clone(&ward).stand_by());
        Ok((runtime, ward))
    }

    /// This thread is in it from now on.
    fn join(self: &Arc<Self>) {
        HERE.set(Some(Arc::clone(self)));
    }

    fn enter(ward: &Arc<Self>) -> Option<InCall> {
        let now = ward.calls.load(Ordering::Relaxed);
        if now % 2 == 1 || ward.over.load(Ordering::Relaxed) {
            return None;
        }
        ward.calls.compare_exchange(now, now + 1, Ordering::SeqCst, Ordering::Relaxed).ok()?;
        // Either it is seen here that the spare is about to wait, or the spare sees the call.
        if !ward.watched.load(Ordering::SeqCst) {
            let closed = ward.lock();
            ward.watched.store(true, Ordering::SeqCst);
            drop(closed);
            ward.wake.notify_all();
        }
        Some(InCall(Arc::clone(ward)))
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the spare does. It blocks its thread but for the time that it takes over, in which the
    /// thread does what its runtime gives it.
    async fn stand_by(self: Arc<Self>) {
        while let Some(hanging) = self.wait() {
            tracing::warn!("a write hangs; another thread serves its connections meanwhile");
            while self.calls.load(Ordering::SeqCst) == hanging {
                tokio::time::sleep(LOOK / 4).await;
            }
            self.over.store(false, Ordering::SeqCst);
            // Of the tasks that are ready now none may be tied to this thread when it blocks.
            tokio::task::yield_now().await;
        }
    }

    /// Blocks until a call hangs, and says which; `None` at the end.
    fn wait(&self) -> Option<u64> {
        let mut seen = None;
        let mut closed = self.lock();
        while !*closed {
            let now = self.calls.load(Ordering::SeqCst);
            match (seen == Some(now), now % 2 == 1) {
                (true, true) => {
                    self.over.store(true, Ordering::SeqCst);
                    return Some(now);
                }
                // Nothing was done for a while.
                (true, false) => {
                    self.watched.store(false, Ordering::SeqCst);
                    if self.calls.load(Ordering::SeqCst) == now {
                        closed = self.wake.wait(closed).unwrap_or_else(PoisonError::into_inner);
                    }
                    self.watched.store(true, Ordering::SeqCst);
                    seen = None;
                }
                (false, _) => {
                    seen = Some(now);
                    let waited = self.wake.wait_timeout(closed, LOOK);
                    closed = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
        None
    }

    /// The spare ends.
    pub(crate) fn close(&self) {
        *self.lock() = true;
        self.wake.notify_all();
    }
}

impl Drop for InCall {
    fn drop(&mut self) {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Instant;

    use super::*;

    #[test]
    fn one_call_at_a_time_and_only_in_a_ward() {
        assert!(enter().is_none());
        let ward = Arc::new(Ward::default());
        let joined = Arc::clone(&ward);
        std::thread::spawn(move || {
            joined.join();
            let first = enter().unwrap();
            assert!(enter().is_none());
            drop(first);
            assert!(enter().is_some());
        })
        .join()
        .unwrap();
        assert_eq!(ward.calls.load(Ordering::SeqCst), 4);
    }

    #[test]
    fn the_spare_hears_of_a_call_that_hangs_and_of_no_other() {
        let ward = Arc::new(Ward::default());
        let spare = Arc::clone(&ward);
        let spare = std::thread::spawn(move || spare.wait());
        let began = Instant::now();
        while began.elapsed() < LOOK * 5 {
            drop(Ward::enter(&ward).unwrap());
            std::thread::sleep(LOOK / 50);
        }
        while ward.watched.load(Ordering::SeqCst) {
            std::thread::sleep(LOOK);
        }
        assert!(!spare.is_finished());
        // It sleeps, and is woken.
        let hangs = Ward::enter(&ward).unwrap();
        assert_eq!(spare.join().unwrap(), Some(ward.calls.load(Ordering::SeqCst)));
        drop(hangs);
        assert!(Ward::enter(&ward).is_none(), "taken over");
        ward.close();
        assert_eq!(ward.wait(), None);
    }
    /// A file on a network drive that went away froze half of all connections.
    #[test]
    fn the_spare_goes_on_with_the_work_of_a_thread_that_hangs() {
        let (runtime, ward) = Ward::runtime("test").unwrap();
        let (end, ended) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        let first = tell.clone();
        runtime.spawn(async move {
            // Ready on this thread when it hangs.
            let beside = first.clone();
            tokio::spawn(async move { beside.send("beside").unwrap() });
            tokio::task::yield_now().await;
            let call = enter().unwrap();
            first.send("begun").unwrap();
            ended.recv().unwrap();
            drop(call);
            first.send("ended").unwrap();
        });
        let mut heard: Vec<_> = (0..2).map(|_| told.recv().unwrap()).collect();
        heard.sort_unstable();
        assert_eq!(heard, ["begun", "beside"]);
        let other = tell.clone();
        runtime.spawn(async move {
            tokio::time::sleep(LOOK / 10).await;
            assert!(enter().is_none(), "nobody enters meanwhile");
            other.send("other").unwrap();
        });
        assert_eq!(told.recv().unwrap(), "other");
        end.send(()).unwrap();
        assert_eq!(told.recv().unwrap(), "ended");
        // The spare goes back, and the ward is open again.
        let began = Instant::now();
        while Ward::enter(&ward).is_none() {
            assert!(began.elapsed() < Duration::from_secs(10));
            std::thread::sleep(LOOK / 10);
        }
        ward.close();
        runtime.shutdown_background();
    }
}
