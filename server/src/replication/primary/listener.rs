//! The cluster port: accepts connections, bounded in number while their peers are strangers.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::Primary;
use super::session;

/// Connections whose peer has not yet shown who it is, at most; more are closed at once.
const STRANGERS_MAX: usize = 128;
/// Pause after the system refused to accept (out of file descriptors, usually).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Pause before binding is tried again when the port is taken at start.
const BIND_PAUSE: Duration = Duration::from_secs(1);

/// Binds the cluster port.
pub(crate) async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Binds it, and goes on trying while it is taken: a restarting server must not fail for a port
/// that its predecessor is about to give back.
pub(crate) async fn bind_patiently(address: SocketAddr) -> TcpListener {
    loop {
        match bind(address).await {
            Ok(listener) => return listener,
            Err(e) => tracing::error!("cluster port {address}: {e}; trying again"),
        }
        tokio::time::sleep(BIND_PAUSE).await;
    }
}

/// Serves until dropped; dropping it ends all sessions.
pub(crate) async fn serve(listener: TcpListener, tls: Arc<ServerConfig>, primary: Arc<Primary>) {
    let acceptor = TlsAcceptor::from(tls);
    let strangers = Arc::new(Semaphore::new(STRANGERS_MAX));
    let mut sessions = JoinSet::new();
    loop {
        let tcp = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((tcp, _)) => tcp,
                Err(e) => {
                    tracing::warn!("cluster port: cannot accept: {e}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            Some(_) = sessions.join_next() => continue,
        };
        let Ok(stranger) = Arc::clone(&strangers).try_acquire_owned() else {
            tracing::warn!("cluster port: too many connections that have not said who they are");
            continue;
        };
        prepare(&tcp);
        sessions.spawn(session::run(Arc::clone(&primary), acceptor.clone(), tcp, stranger));
    }
}

fn prepare(tcp: &TcpStream) {
    if let Err(e) = tcp.set_nodelay(true) {
        tracing::debug!("cluster port: no TCP_NODELAY: {e}");
    }
}
