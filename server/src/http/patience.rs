//! How long a connection's requests may take, on one timer.
//!
//! Most limits are never reached. A timer for each request that waits for something would be set and
//! taken back all the time; so a connection keeps one, which is set on to the next limit only when it
//! rings.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// The timer of a connection, while no request has it.
#[derive(Default)]
pub(super) struct Patience(Mutex<Option<Timer>>);

struct Timer {
    sleep: Pin<Box<Sleep>>,
    /// Whom it wakes.
    woken: Option<Waker>,
}

impl Patience {
    /// What a future gives in time. One that is ready at once costs no clock.
    pub(super) async fn within<F: Future>(
        &self,
        limit: Duration,
        mut future: Pin<&mut F>,
    ) -> Option<F::Output> {
        let mut waits: Option<(Instant, Timer)> = None;
        let done = poll_fn(|context| {
            if let Poll::Ready(done) = future.as_mut().poll(context) {
                return Poll::Ready(Some(done));
            }
            let (deadline, timer) = waits.get_or_insert_with(|| {
                let deadline = Instant::now() + limit;
                (deadline, self.take(deadline))
            });
            timer.poll(*deadline, context).map(|()| None)
        })
        .await;
        if let Some((_, timer)) = waits {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(timer);
        }
        done
    }

    /// The connection's timer; where another request has it, a new one.
    fn take(&self, deadline: Instant) -> Timer {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let new = || Timer { sleep: Box::pin(sleep_until(deadline)), woken: None };
        kept.unwrap_or_else(new)
    }
}

impl Timer {
    /// Ready when the deadline is over. It may be set to an earlier one, of a request before.
    fn poll(&mut self, deadline: Instant, context: &mut Context<'_>) -> Poll<()> {
        if self.sleep.deadline() > deadline {
            self.set(deadline);
        }
        loop {
            // A timer that knows whom to wake need not be asked.
            let known = self.woken.as_ref().is_some_and(|waker| waker.will_wake(context.waker()));
            if known && !self.sleep.is_elapsed() {
                return Poll::Pending;
            }
            self.woken = Some(context.waker().clone());
            if self.sleep.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            if self.sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            self.set(deadline);
        }
    }

    fn set(&mut self, deadline: Instant) {
        self.sleep.as_mut().reset(deadline);
        self.woken = None;
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::pin::pin;

    use tokio::time::sleep;

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn a_limit_is_kept_whatever_the_timer_was_set_to_before() {
        let patience = Patience::default();
        let within = async |limit, waits: Duration| {
            let began = Instant::now();
            let done = patience.within(limit, pin!(sleep(waits))).await.is_some();
            assert!(done || began.elapsed() >= limit);
            done
        };
        assert_eq!(patience.within(SHORT, pin!(ready(1))).await, Some(1));
        for (limit, waits, in_time) in [
            (SHORT, LONG, false),
            (SHORT * 5, SHORT, true),
            (SHORT * 3, LONG, false),
            (LONG, SHORT * 2, true),
            (SHORT, LONG, false),
            (SHORT, LONG, false),
        ] {
            assert_eq!(within(limit, waits).await, in_time, "{limit:?}, {waits:?}");
        }
    }

    #[tokio::test]
    async fn requests_side_by_side_and_tasks_in_turn_are_told() {
        let patience = std::sync::Arc::new(Patience::default());
        let late = async || patience.within(SHORT, pin!(pending::<()>())).await;
        assert_eq!(tokio::join!(late(), late(), late()), (None, None, None));
        for _ in 0..3 {
            let patience = std::sync::Arc::clone(&patience);
            let other = tokio::spawn(async move {
                let waits = pin!(sleep(SHORT / 4));
                let first = patience.within(SHORT, waits).await;
                (first, patience.within(SHORT, pin!(pending::<()>())).await)
            });
            assert_eq!(other.await.unwrap(), (Some(()), None));
        }
    }
}
