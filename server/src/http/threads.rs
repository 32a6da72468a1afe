//! Threads that serve connections, each with a runtime of its own.
//!
//! A connection stays on the thread that it was given to. So its requests wake no other thread, no
//! thread looks for work of another one, and what a request touches is in the cache of one core. New
//! connections go to the thread that has fewest. Work that keeps a core busy for long hands the rest
//! of its thread's connections to a fresh thread (`block_in_place`); what outlives requests runs on
//! the runtime that the server was started in.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

use tokio::runtime::{Builder, Runtime};

/// As many as there are cores.
pub(super) struct Threads(Vec<Thread>);

struct Thread {
    /// There until it is dropped.
    runtime: Option<Runtime>,
    connections: Arc<AtomicUsize>,
}

/// Counts a connection for as long as it is served.
struct Counted(Arc<AtomicUsize>);

impl Threads {
    /// Starts them.
    ///
    /// # Errors
    /// There are no more threads or files.
    pub(super) fn start() -> io::Result<Self> {
        let count = available_parallelism().map_or(1, usize::from);
        (0..count).map(|_| Thread::start()).collect::<io::Result<_>>().map(Self)
    }

    /// Serves a connection on the thread that has fewest.
    pub(super) fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let open = |thread: &&Thread| thread.connections.load(Ordering::Relaxed);
        let Some(thread) = self.0.iter().min_by_key(open) else { return };
        let Some(runtime) = &thread.runtime else { return };
        let counted = Counted::new(&thread.connections);
        runtime.spawn(async move {
            let _counted = counted;
            connection.await;
        });
    }
}

impl Thread {
    fn start() -> io::Result<Self> {
        // A runtime of many threads that has one: `block_in_place` works in it.
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("http")
            .enable_all()
            .build()?;
        Ok(Self { runtime: Some(runtime), connections: Arc::default() })
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // Waits for nobody: it may happen in another runtime, which must not be blocked.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Counted {
    fn new(of: &Arc<AtomicUsize>) -> Self {
        of.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(of))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tokio::sync::{mpsc, oneshot};

    use super::*;

    #[tokio::test]
    async fn connections_go_where_there_are_fewest_and_stay_there() {
        let threads = Threads((0..2).map(|_| Thread::start().unwrap()).collect());
        let (tell, mut told) = mpsc::unbounded_channel();
        let serve = |name: &'static str| {
            let (end, ended) = oneshot::channel::<()>();
            let tell = tell.clone();
            threads.spawn(async move {
                let before = thread::current().id();
                tokio::task::yield_now().await;
                tell.send((name, before, thread::current().id())).unwrap();
                let _ = ended.await;
            });
            end
        };
        let mut place = async |name| {
            let end = serve(name);
            let (_, before, after) = told.recv().await.unwrap();
            assert_eq!(before, after);
            (end, after)
        };
        let (one, first) = place("one").await;
        let (_two, second) = place("two").await;
        assert_ne!(first, second);
        drop(one);
        while threads.0[0].connections.load(Ordering::Relaxed) > 0 {
            tokio::task::yield_now().await;
        }
        let (_three, third) = place("three").await;
        assert_eq!(third, first);
    }

    /// A login that hashes a password held up whoever shared its thread.
    #[tokio::test]
    async fn long_work_hands_the_other_connections_on() {
        let threads = Threads(vec![Thread::start().unwrap()]);
        let (busy, is_busy) = oneshot::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        threads.spawn(async move {
            busy.send(()).unwrap();
            tokio::task::block_in_place(|| ended.recv().unwrap());
        });
        is_busy.await.unwrap();
        let (tell, told) = oneshot::channel();
        threads.spawn(async move { tell.send(()).unwrap() });
        told.await.unwrap();
        end.send(()).unwrap();
    }
}
