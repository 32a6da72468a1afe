//! One connection of a secondary, from the handshake to its purpose.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsStream};

use super::error::{HANDSHAKE_MAX, SessionError};
use super::registry::Session;
use super::{Primary, bootstrap, forward, reconcile, stream};
use crate::replication::ca::fingerprint;
use crate::replication::tls::ALPN_REPLICATION;
use crate::replication::wire::{Connection, Hello, Message, Purpose, RefusalCode, TransportError};

const NOT_KNOWN: &str = "this secondary is not known to the primary, or its certificate was \
    revoked or replaced; ask the primary for a new activation token";

/// Serves one connection to its end.
pub(crate) async fn run(
    primary: Arc<Primary>,
    acceptor: TlsAcceptor,
    tcp: TcpStream,
    stranger: OwnedSemaphorePermit,
) {
    let peer = tcp.peer_addr().map_or_else(|_| "?".to_owned(), |a| a.to_string());
    let welcomed = match timeout(HANDSHAKE_MAX, handshake(&primary, &acceptor, tcp)).await {
        Ok(welcomed) => welcomed,
        Err(_) => Err(SessionError::Slow),
    };
    drop(stranger);
    let (mut connection, hello, session) = match welcomed {
        Ok(welcomed) => welcomed,
        Err(e) => {
            tracing::warn!("cluster port: {peer}: {e}");
            return;
        }
    };
    let ended = tokio::select! {
        ended = serve(&primary, &mut connection, &hello, &session) => ended,
        () = session.cut() => Err(SessionError::Cut),
    };
    let id = session.id();
    match &ended {
        Ok(()) | Err(SessionError::Transport(TransportError::Closed)) => {
            tracing::debug!("secondary {id}: {:?} connection ended", hello.purpose);
        }
        Err(e) => tracing::warn!("secondary {id}: {:?} connection: {e}", hello.purpose),
    }
    if let Err(SessionError::Failed(_) | SessionError::Protocol(_)) = &ended {
        let code = RefusalCode::Failed;
        let text = ended.err().map(|e| e.to_string()).unwrap_or_default();
        let _ = connection.writer.send(&Message::Refused { code, text }).await;
    }
    connection.writer.close().await;
}

async fn handshake(
    primary: &Primary,
    acceptor: &TlsAcceptor,
    tcp: TcpStream,
) -> Result<(Connection, Hello, Session), SessionError> {
    let tls = acceptor.accept(tcp).await.map_err(SessionError::Tls)?;
    let (_, state) = tls.get_ref();
    if state.alpn_protocol() != Some(ALPN_REPLICATION) {
        return Err(SessionError::Alpn);
    }
    // The verifier demands a certificate; its absence would be a programmer error.
    let certificate = state.peer_certificates().and_then(<[_]>::first).map(|c| fingerprint(c));
    let certificate = certificate.ok_or(SessionError::Protocol("no certificate"))?;
    let mut connection = Connection::new(TlsStream::from(tls));
    let Message::Hello(hello) = connection.reader.next().await? else {
        return Err(SessionError::Protocol("the first message must be a greeting"));
    };
    let Some(session) = primary.registry.connect(&certificate, &hello) else {
        let text = NOT_KNOWN.to_owned();
        connection.writer.send(&Message::Refused { code: RefusalCode::NotKnown, text }).await?;
        connection.writer.close().await;
        return Err(SessionError::NotKnown(hello.secondary_id));
    };
    connection.reader.trust();
    let welcome = Message::Welcome {
        cluster_id: primary.cluster_id.clone(),
        log_id: primary.context.store.log_id(),
        epoch: primary.epoch,
    };
    connection.writer.send(&welcome).await?;
    Ok((connection, hello, session))
}

async fn serve(
    primary: &Arc<Primary>,
    connection: &mut Connection,
    hello: &Hello,
    session: &Session,
) -> Result<(), SessionError> {
    match hello.purpose {
        Purpose::Bootstrap => bootstrap::serve(primary, connection).await,
        Purpose::Stream => stream::serve(primary, connection, session).await,
        Purpose::Reconcile => reconcile::serve(primary, connection).await,
        Purpose::Forward => forward::serve(primary, connection, session).await,
    }
}
