//! Telling open connections that the server stops, and waiting for them.
//!
//! A connection is woken once when it is told. Until then it costs a look at a flag each time that it
//! moves: no lock that all connections share.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use tokio::sync::mpsc;

/// All connections of a listener.
pub(super) struct Closing {
    told: Arc<Told>,
    alive: mpsc::Sender<()>,
    ended: mpsc::Receiver<()>,
}

#[derive(Default)]
struct Told {
    flag: AtomicBool,
    /// By a connection's seat; `None` for those that were not woken yet, or are gone.
    wakers: Mutex<Seats>,
}

#[derive(Default)]
struct Seats {
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Told {
    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Closing {
    /// Of no connections yet.
    pub(super) fn new() -> Self {
        let (alive, ended) = mpsc::channel(1);
        Self { told: Arc::default(), alive, ended }
    }

    /// What one connection hears by.
    pub(super) fn ear(&self) -> Ear {
        let mut seats = self.told.seats();
        let seat = seats.free.pop().unwrap_or_else(|| {
            seats.wakers.push(None);
            seats.wakers.len() - 1
        });
        drop(seats);
        Ear { told: Arc::clone(&self.told), seat, _alive: self.alive.clone() }
    }

    /// Tells all connections, and waits until they have ended.
    pub(super) async fn close(self) {
        let Self { told, alive, mut ended } = self;
        told.flag.store(true, Ordering::Release);
        let wakers: Vec<Waker> = told.seats().wakers.iter_mut().filter_map(Option::take).collect();
        wakers.into_iter().for_each(Waker::wake);
        drop(alive);
        // Nobody sends; it ends with the last ear.
        while ended.recv().await.is_some() {}
    }
}

/// One connection's.
pub(super) struct Ear {
    told: Arc<Told>,
    seat: usize,
    _alive: mpsc::Sender<()>,
}

impl Ear {
    /// The connection; `close` is called once when the server stops, to have it take no more requests.
    pub(super) async fn watch<C: Future>(
        self,
        connection: C,
        close: impl FnOnce(Pin<&mut C>),
    ) -> C::Output {
        let mut connection = std::pin::pin!(connection);
        let (mut close, mut known) = (Some(close), None::<Waker>);
        std::future::poll_fn(|context| {
            if close.is_some()
                && self.hears(context, &mut known)
                && let Some(close) = close.take()
            {
                close(connection.as_mut());
            }
            connection.as_mut().poll(context)
        })
        .await
    }

    /// Whether it was told. If not, the task that polls is woken when it is.
    fn hears(&self, context: &Context<'_>, known: &mut Option<Waker>) -> bool {
        if !known.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            *known = Some(context.waker().clone());
            // Before the flag is looked at: whoever sets it comes for the wakers afterwards.
            if let Some(place) = self.told.seats().wakers.get_mut(self.seat) {
                place.clone_from(known);
            }
        }
        self.told.flag.load(Ordering::Acquire)
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        let mut seats = self.told.seats();
        let waker = seats.wakers.get_mut(self.seat).and_then(Option::take);
        seats.free.push(self.seat);
        drop(seats);
        drop(waker);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    type Open = oneshot::Receiver<()>;

    fn close(mut open: Pin<&mut Open>) {
        open.close();
    }

    #[tokio::test]
    async fn all_who_are_open_are_told_and_waited_for() {
        let closing = Closing::new();
        let open = |closing: &Closing| {
            let (keeps, ends) = oneshot::channel();
            (keeps, tokio::spawn(closing.ear().watch(ends, close)))
        };
        let connections = [open(&closing), open(&closing)];
        let (keeps, gone) = open(&closing);
        keeps.send(()).unwrap();
        assert!(gone.await.unwrap().is_ok(), "it ended by itself");
        let late = closing.ear();
        assert_eq!(late.seat, 2, "the seat of the one that is gone");
        let (_keeps, ends) = oneshot::channel();
        let (told, ()) = tokio::join!(late.watch(ends, close), closing.close());
        assert!(told.is_err());
        for (_keeps, connection) in connections {
            assert!(connection.await.unwrap().is_err());
        }
    }
}
