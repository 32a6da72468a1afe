//! The limit: hyper alone, one thread, a fixed answer of the size that an encryption has.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::path::PathBuf;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::client::Identity;

/// Bytes of the answer's body.
const ANSWER: usize = 250;

/// Where it listens.
#[derive(Debug, Args)]
pub struct Hello {
    /// Plain HTTP.
    #[arg(long)]
    pub plain: SocketAddr,
    /// TLS.
    #[arg(long)]
    pub tls: SocketAddr,
    /// PEM.
    #[arg(long)]
    pub certificate: PathBuf,
    /// PEM.
    #[arg(long)]
    pub key: PathBuf,
}

/// Answers until it is killed.
pub fn run(hello: Hello) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let identity = Identity { certificate: hello.certificate, key: hello.key };
    let acceptor = TlsAcceptor::from(Arc::new(identity.server()?));
    runtime.block_on(async move {
        let (plain, tls) =
            (TcpListener::bind(hello.plain).await?, TcpListener::bind(hello.tls).await?);
        loop {
            tokio::select! {
                accepted = plain.accept() => {
                    let stream = accepted?.0;
                    stream.set_nodelay(true)?;
                    tokio::spawn(connection(stream));
                }
                accepted = tls.accept() => {
                    let (stream, acceptor) = (accepted?.0, acceptor.clone());
                    stream.set_nodelay(true)?;
                    tokio::spawn(async move {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            connection(stream).await;
                        }
                    });
                }
            }
        }
    })
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S) {
    let service = service_fn(|request: hyper::Request<Incoming>| async move {
        // What the client sends is read, as any server has to.
        let _ = request.into_body().collect().await;
        let mut body = vec![b'x'; ANSWER];
        body[0] = b'"';
        body[ANSWER - 1] = b'"';
        Ok::<_, Infallible>(hyper::Response::new(Full::new(Bytes::from(body))))
    });
    // A client that goes away is no failure.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
