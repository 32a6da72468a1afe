//! A server: one cluster behind its listeners, from start to a clean stop.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::Connection;
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::closing::{Closing, Ear};
use super::connection::{LIMITS, Peer, Served, builder, serve};
use super::pace::Paced;
use super::patience::Patience;
use super::proxy;
use super::threads::Threads;
use super::tls::{Tls, TlsError};
use crate::cluster::{Cluster, ShutdownError, StartError};
use crate::config::{Config, Listener};
use crate::logical::Certificates;

/// Open connections of all listeners together.
const CONNECTIONS_MAX: usize = 16_384;
/// A TLS handshake that takes longer is given up.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests in flight have this long to finish once the server was told to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);
/// Pause after a failed accept (too many open files, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why a server did not start or not stop cleanly.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The data folder or the store.
    #[error(transparent)]
    Start(#[from] StartError),
    /// TLS of a listener.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address is in use or not this machine's.
    #[error("cannot listen on {address}: {cause}")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// Why.
        cause: std::io::Error,
    },
    /// No threads to serve connections.
    #[error("cannot start the threads that serve connections: {0}")]
    Threads(std::io::Error),
    /// Signals cannot be received.
    #[error("cannot wait for signals: {0}")]
    Signals(std::io::Error),
    /// The store.
    #[error(transparent)]
    Shutdown(#[from] ShutdownError),
}

/// A bound listener.
struct Bound {
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    settings: Arc<Listener>,
}

/// A cluster and its bound, not yet served listeners.
pub struct Server {
    cluster: Arc<Cluster>,
    bound: Vec<Bound>,
    threads: Arc<Threads>,
}

impl Server {
    /// Opens the cluster and binds the listeners.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn open(config: Config) -> Result<Self, RunError> {
        let mut bound = Vec::with_capacity(config.listeners.len());
        for listener in &config.listeners {
            bound.push(Bound::new(listener).await?);
        }
        let opened = tokio::task::spawn_blocking(move || Cluster::open(config)).await;
        let cluster = match opened {
            Ok(cluster) => cluster?,
            Err(e) => return Err(StartError::Store(e.to_string()).into()),
        };
        let threads = Arc::new(Threads::start().map_err(RunError::Threads)?);
        Ok(Self { cluster, bound, threads })
    }

    /// The cluster.
    pub fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    /// The addresses that are listened on; ports are known even where the configuration says 0.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.bound.iter().filter_map(|b| b.listener.local_addr().ok()).collect()
    }

    /// Serves until SIGTERM or SIGINT, then stops cleanly. SIGHUP reads the certificates again and
    /// calls `hangup`.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn run(self, hangup: impl Fn()) -> Result<(), RunError> {
        let of = |kind| signal(kind).map_err(RunError::Signals);
        let mut terminate = of(SignalKind::terminate())?;
        let mut interrupt = of(SignalKind::interrupt())?;
        let mut reread = of(SignalKind::hangup())?;
        let tls: Vec<_> = self.bound.iter().filter_map(|b| b.tls.clone()).collect();
        let cluster = Arc::clone(&self.cluster);
        let stop = async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => return,
                    _ = interrupt.recv() => return,
                    _ = reread.recv() => {
                        reload(&tls);
                        cluster.reopen_audit();
                        hangup();
                    }
                }
            }
        };
        self.serve(stop).await
    }

    /// Serves until `stop` is ready: accepts no more, lets requests in flight finish for a bounded
    /// time, stops replication and closes the store.
    ///
    /// # Errors
    /// [`RunError::Shutdown`].
    pub async fn serve(self, stop: impl Future<Output = ()>) -> Result<(), RunError> {
        let (stopping, told) = watch::channel(());
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut listeners = JoinSet::new();
        for bound in self.bound {
            let (cluster, room) = (Arc::clone(&self.cluster), Arc::clone(&room));
            let threads = Arc::clone(&self.threads);
            listeners.spawn(bound.accept(cluster, threads, room, told.clone()));
        }
        drop(told);
        stop.await;
        tracing::info!("stopping: no new requests are taken");
        drop(stopping);
        self.cluster.stop_following();
        while listeners.join_next().await.is_some() {}
        self.cluster.shutdown().await?;
        tracing::info!("stopped");
        Ok(())
    }
}

fn reload(tls: &[Arc<Tls>]) {
    for tls in tls {
        match tls.reload() {
            Ok(()) => tracing::info!("read the TLS certificate again"),
            Err(e) => tracing::error!("the TLS certificate in use stays: {e}"),
        }
    }
}

impl Bound {
    async fn new(listener: &Listener) -> Result<Self, RunError> {
        let tls = listener.tls.as_ref().map(Tls::new).transpose()?.map(Arc::new);
        let address = listener.address;
        let settings = Arc::new(listener.clone());
        let listener = TcpListener::bind(address)
            .await
            .map_err(|cause| RunError::Listen { address, cause })?;
        Ok(Self { listener, tls, settings })
    }

    /// Takes connections until told to stop, then waits for those that are open.
    async fn accept(
        self,
        cluster: Arc<Cluster>,
        threads: Arc<Threads>,
        room: Arc<Semaphore>,
        mut told: watch::Receiver<()>,
    ) {
        let closing = Closing::new();
        loop {
            let accepted = tokio::select! {
                _ = told.changed() => break,
                accepted = accept_one(&self.listener, &room) => accepted,
            };
            let (stream, remote, permit) = match accepted {
                Ok(accepted) => accepted,
                Err(e) => {
                    tracing::warn!("cannot accept a connection: {e}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let (cluster, tls) = (Arc::clone(&cluster), self.tls.clone());
            let settings = Arc::clone(&self.settings);
            let ear = closing.ear();
            threads.spawn(async move {
                let _permit = permit;
                let mut stream = match TcpStream::from_std(stream) {
                    Ok(stream) => stream,
                    Err(e) => return tracing::warn!(%remote, "connection dropped: {e}"),
                };
                // Small answers must not wait for a full packet.
                let _ = stream.set_nodelay(true);
                let remote = match &settings.proxy {
                    None => remote,
                    Some(proxy) => match proxy::client(&mut stream, remote, proxy).await {
                        Ok(client) => client,
                        Err(e) => return tracing::debug!(%remote, "connection refused: {e}"),
                    },
                };
                let mut from = Peer { remote, settings, certificates: None };
                let Some(tls) = tls else {
                    return connection(stream, from, cluster, ear).await;
                };
                match timeout(HANDSHAKE_TIMEOUT, tls.acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        from.certificates = shown(stream.get_ref().1.peer_certificates());
                        connection(stream, from, cluster, ear).await;
                    }
                    Ok(Err(e)) => tracing::debug!(%remote, "TLS handshake failed: {e}"),
                    Err(_) => tracing::debug!(%remote, "TLS handshake took too long"),
                }
            });
        }
        drop(self.listener);
        if timeout(STOP_TIMEOUT, closing.close()).await.is_err() {
            tracing::warn!("some requests did not finish in time and were cut off");
        }
    }
}

async fn accept_one(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> std::io::Result<(std::net::TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(room)
        .acquire_owned()
        .await
        .map_err(|_| std::io::Error::other("the server is stopping"))?;
    let (stream, remote) = listener.accept().await?;
    // Its thread has another reactor.
    Ok((stream.into_std()?, remote, permit))
}

/// The client's certificates, kept for the length of the connection.
fn shown(chain: Option<&[CertificateDer<'_>]>) -> Certificates {
    let chain = chain.filter(|chain| !chain.is_empty())?;
    Some(Arc::new(chain.iter().map(|certificate| certificate.to_vec()).collect()))
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    from: Peer,
    cluster: Arc<Cluster>,
    ear: Ear,
) {
    let remote = from.remote;
    let (stream, pace) = Paced::new(stream, LIMITS);
    let served = Arc::new(Served { cluster, from, pace, patience: Patience::default() });
    let service = service_fn(move |request| serve(Arc::clone(&served), request));
    let connection = builder().serve_connection(TokioIo::new(stream), service).into_owned();
    let ended = ear.watch(connection, Connection::graceful_shutdown).await;
    if let Err(e) = ended {
        tracing::debug!(%remote, "connection ended: {e}");
    }
}
