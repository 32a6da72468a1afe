//! One kept connection.

use std::pin::Pin;

use anyhow::{Context as _, Result, bail};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Response, Target};

/// Bytes of one read at least.
const READ: usize = 16 << 10;

trait Stream: AsyncRead + AsyncWrite + Send {}
impl<S: AsyncRead + AsyncWrite + Send> Stream for S {}

/// A connection, with the memory for answers.
pub struct Connection {
    stream: Pin<Box<dyn Stream>>,
    answer: Vec<u8>,
}

impl Connection {
    /// Connects, the handshake of TLS included.
    pub async fn open(target: &Target) -> Result<Self> {
        let stream = TcpStream::connect(target.address).await.context("connect")?;
        stream.set_nodelay(true)?;
        let stream: Pin<Box<dyn Stream>> = match &target.tls {
            None => Box::pin(stream),
            Some(config) => {
                let name = ServerName::try_from("localhost")?;
                Box::pin(TlsConnector::from(config.clone()).connect(name, stream).await?)
            }
        };
        Ok(Self { stream, answer: Vec::with_capacity(READ) })
    }

    /// Sends a request and reads its answer to the end.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<Response<'_>> {
        self.stream.write_all(request).await?;
        self.stream.flush().await?;
        self.answer.clear();
        loop {
            self.answer.reserve(READ);
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                bail!("the server closed the connection");
            }
            if Response::is_whole(&self.answer)? {
                return Response::of(&self.answer);
            }
        }
    }
}
