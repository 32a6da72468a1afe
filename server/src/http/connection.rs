//! One connection: requests in, answers out, nothing of a handler's failure beyond its own answer.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::RETRY_AFTER;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Version};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;

use super::answer::{HttpResponse, redirect, request_id, respond};
use super::body::Answer;
use super::cors::Crossing;
use super::pace::{Limits, Pace};
use super::patience::Patience;
use super::proxy::forwarded_for;
use super::request::{Taken, read};
use crate::cluster::Cluster;
use crate::config::{Listener, Open};
use crate::dispatch::{self, Request};
use crate::logical::{ApiError, ApiResult, Certificates, Operation, Response};
use crate::quota::Standing;

/// A client that began a request and has not sent its headers by then is cut off; a connection
/// without a request for so long is closed.
pub(super) const LIMITS: Limits =
    Limits { headers: Duration::from_secs(10), idle: Duration::from_mins(5) };
/// Requests that one HTTP/2 connection has open at most.
const STREAMS_MAX: u32 = 250;
/// Bytes of all headers of an HTTP/2 request.
const HEADERS_MAX: u32 = 64 << 10;

/// What answers the requests of one connection.
pub(super) struct Served {
    /// The server's.
    pub(super) cluster: Arc<Cluster>,
    /// The other end.
    pub(super) from: Peer,
    /// Hears of requests.
    pub(super) pace: Pace,
    /// Ends with requests that take too long.
    pub(super) patience: Patience,
}

/// Where requests come from.
pub(super) struct Peer {
    /// The client, or the last proxy that names none.
    pub(super) remote: SocketAddr,
    /// The listener's.
    pub(super) settings: Arc<Listener>,
    /// What the client showed at the TLS handshake.
    pub(super) certificates: Certificates,
}

/// How connections are served.
pub(super) fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // Slow and idle clients are watched below hyper. Head and body leave in one piece: most bodies are
    // small, and a copy of them costs less than a list of pieces does.
    builder.http1().header_read_timeout(None).writev(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADERS_MAX);
    builder
}

/// Answers one request.
pub(super) fn serve(
    served: Arc<Served>,
    request: hyper::Request<Incoming>,
) -> impl Future<Output = Result<HttpResponse, Infallible>> {
    // At once: hyper reads on before it looks at the answer, and a clock for headers would be set.
    served.pace.request(request.version() == Version::HTTP_2);
    async move {
        let head = request.method() == Method::HEAD;
        let guarded = Guarded(Box::pin(answer(Arc::clone(&served), request)));
        let mut response = guarded.await.unwrap_or_else(|| {
            tracing::error!("a handler panicked; its transaction was dropped");
            respond(Err(ApiError::internal("the request could not be completed")), request_id())
        });
        if head {
            *response.body_mut() = Answer::default();
        }
        served.pace.answered();
        Ok(response)
    }
}

async fn answer(served: Arc<Served>, request: hyper::Request<Incoming>) -> HttpResponse {
    let (mut parts, mut body) = request.into_parts();
    let crossing = match Crossing::of(&served.cluster, &parts.headers) {
        Ok(crossing) => crossing,
        Err(e) => return respond(Err(e), request_id()),
    };
    let asked = parts.method == Method::OPTIONS;
    let mut response = if asked && crossing.is_some() {
        respond(Ok(Response::empty()), request_id())
    } else {
        pin!(same_origin(&served, &mut parts, &mut body)).await
    };
    if let Some(crossing) = crossing {
        crossing.mark(response.headers_mut(), asked);
    }
    response
}

async fn same_origin(served: &Served, parts: &mut Parts, body: &mut Incoming) -> HttpResponse {
    let Served { cluster, from, patience, .. } = served;
    let settings = &from.settings;
    let remote = match forwarded_for(&parts.headers, from.remote, &settings.forwarded_for) {
        Ok(remote) => remote,
        Err(e) => return respond(Err(e), request_id()),
    };
    match pin!(read(parts, (body, patience), Some(remote), settings.limits.body_max)).await {
        Ok(Taken::Call(mut call)) => {
            call.certificates.clone_from(&from.certificates);
            call.open = shown_to_anyone(&call, settings.open);
            let handled = pin!(dispatch::handle(cluster, &call));
            let in_time = patience.within(settings.limits.duration_max, handled).await;
            let result: ApiResult<Response> = in_time.unwrap_or_else(|| {
                Err(ApiError::new(504, "the request took too long and was given up"))
            });
            if let Err(e) = &result
                && e.status >= 500
                && e.status != 503
            {
                tracing::error!(path = call.path, status = e.status, "{}", e.errors.join("; "));
            }
            let mut response = respond(result, call.id);
            if let Some(standing) = call.standing.get() {
                tell(standing, response.headers_mut());
            }
            response
        }
        Ok(Taken::Redirect(to)) => redirect(&to),
        Err(e) => respond(Err(e), request_id()),
    }
}

/// How the client stands with a rate limit.
fn tell(standing: &Standing, headers: &mut HeaderMap) {
    headers.insert("x-ratelimit-limit", standing.limit.into());
    headers.insert("x-ratelimit-remaining", standing.remaining.into());
    headers.insert("x-ratelimit-reset", standing.reset.into());
    if let Some(seconds) = standing.retry_after {
        headers.insert(RETRY_AFTER, seconds.into());
    }
}

/// Whether the listener says so.
fn shown_to_anyone(call: &Request, open: Open) -> bool {
    call.op == Operation::Read
        && match call.path.as_str() {
            "sys/metrics" => open.metrics,
            "sys/in-flight-req" => open.in_flight,
            _ => false,
        }
}

/// Turns a panic into `None`. What a handler works on is dropped with it, and shared state is
/// changed by atomic steps only, so nothing half done is seen afterwards.
struct Guarded<T>(Pin<Box<dyn Future<Output = T> + Send>>);

impl<T> Future for Guarded<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let inner = self.0.as_mut();
        match catch_unwind(AssertUnwindSafe(|| inner.poll(context))) {
            Ok(poll) => poll.map(Some),
            Err(_) => Poll::Ready(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Guarded;

    #[tokio::test]
    async fn a_panic_becomes_an_answer() {
        let panics = Guarded(Box::pin(async {
            tokio::task::yield_now().await;
            assert!(std::hint::black_box(false), "on purpose");
            1
        }));
        assert_eq!(panics.await, None);
        assert_eq!(Guarded(Box::pin(async { 2 })).await, Some(2));
    }
}
