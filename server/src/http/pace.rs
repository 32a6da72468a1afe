//! Cuts off clients that begin a request and do not finish its headers in time, and connections
//! that are idle for too long.
//!
//! hyper has one timer for both, and sets it anew for each request; idle connections may stay for
//! minutes, slow headers may not. [`Paced`] sits below hyper and watches the bytes: from the first
//! byte of a request until [`Pace::request`] says that its headers are there, a clock runs. Another
//! one ticks for as long as the connection lives, and counts the ticks without a request.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// Between requests.
const IDLE: u8 = 0;
/// Some bytes of a request's headers have come.
const HEADERS: u8 = 1;
/// A request is being answered.
const BUSY: u8 = 2;
/// HTTP/2 has limits of its own, and frames that are no requests.
const FREE: u8 = 3;

/// Ticks without a request after which a connection is idle for too long.
const QUIET_TICKS: u32 = 5;

/// How long clients may take.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// To send the headers of a request.
    pub(super) headers: Duration,
    /// To begin the next request; a fifth more at the most.
    pub(super) idle: Duration,
}

/// What a connection is doing, told by its service.
#[derive(Clone, Default)]
pub(super) struct Pace(Arc<AtomicU8>);

impl Pace {
    /// The headers of a request are there.
    pub(super) fn request(&self, http2: bool) {
        self.0.store(if http2 { FREE } else { BUSY }, Ordering::Relaxed);
    }

    /// The answer is ready.
    pub(super) fn answered(&self) {
        let _ = self.0.compare_exchange(BUSY, IDLE, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// A stream whose reads fail when headers take too long.
pub(super) struct Paced<S> {
    inner: S,
    pace: Pace,
    limits: Limits,
    clock: Option<Pin<Box<Sleep>>>,
    ticks: Pin<Box<Sleep>>,
    /// Whom the next tick wakes.
    woken: Option<Waker>,
    /// Since something came.
    quiet: u32,
}

impl<S> Paced<S> {
    /// A stream, and what its service reports to.
    pub(super) fn new(inner: S, limits: Limits) -> (Self, Pace) {
        let pace = Pace::default();
        let ticks = Box::pin(sleep(limits.idle / QUIET_TICKS));
        (
            Self { inner, pace: pace.clone(), limits, clock: None, ticks, woken: None, quiet: 0 },
            pace,
        )
    }

    /// Counts ticks; ready when the connection has been idle for too long.
    fn poll_idle(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // A timer that knows whom to wake need not be asked on every read.
        let known = self.woken.as_ref().is_some_and(|waker| waker.will_wake(context.waker()));
        if known && !self.ticks.is_elapsed() {
            return Poll::Pending;
        }
        self.woken = Some(context.waker().clone());
        loop {
            ready!(self.ticks.as_mut().poll(context));
            let idle = self.pace.0.load(Ordering::Relaxed) == IDLE;
            self.quiet = if idle { self.quiet + 1 } else { 0 };
            if self.quiet > QUIET_TICKS {
                return Poll::Ready(());
            }
            self.ticks.as_mut().reset(Instant::now() + self.limits.idle / QUIET_TICKS);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        if let Poll::Ready(done) = Pin::new(&mut this.inner).poll_read(context, buffer) {
            if buffer.filled().len() > before {
                this.quiet = 0;
                let _ = this.pace.0.compare_exchange(
                    IDLE,
                    HEADERS,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                );
            }
            return Poll::Ready(done);
        }
        if this.pace.0.load(Ordering::Relaxed) != HEADERS {
            this.clock = None;
            ready!(this.poll_idle(context));
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "idle for too long")));
        }
        let limit = this.limits.headers;
        let clock = this.clock.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(clock.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "headers took too long")))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn slow_headers_are_cut_off_and_idle_or_busy_connections_are_not() {
        let limit = Duration::from_millis(20);
        let (mut client, server) = duplex(64);
        let idle = Duration::from_mins(1);
        let (mut server, pace) = Paced::new(server, Limits { headers: limit, idle });
        let mut byte = [0; 1];
        // Idle for longer than the limit.
        let idle = tokio::time::timeout(limit * 3, server.read(&mut byte)).await;
        assert!(idle.is_err(), "still waiting");
        // A request that is being answered may take its time to send a body.
        client.write_all(b"G").await.unwrap();
        server.read_exact(&mut byte).await.unwrap();
        pace.request(false);
        let busy = tokio::time::timeout(limit * 3, server.read(&mut byte)).await;
        assert!(busy.is_err(), "still waiting");
        // The next one begins and stops.
        pace.answered();
        client.write_all(b"G").await.unwrap();
        server.read_exact(&mut byte).await.unwrap();
        let slow = server.read(&mut byte).await.unwrap_err();
        assert_eq!(slow.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn idle_connections_end_and_busy_ones_do_not() {
        let (headers, idle) = (Duration::from_mins(1), Duration::from_millis(20));
        let (mut client, server) = duplex(64);
        let (mut server, pace) = Paced::new(server, Limits { headers, idle });
        let mut byte = [0; 1];
        client.write_all(b"G").await.unwrap();
        server.read_exact(&mut byte).await.unwrap();
        pace.request(false);
        let busy = tokio::time::timeout(idle * 3, server.read(&mut byte)).await;
        assert!(busy.is_err(), "an answer may take its time");
        pace.answered();
        let ended = server.read(&mut byte).await;
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
