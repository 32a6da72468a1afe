//! Frames over a byte stream.
//!
//! [`FrameReader::next`] is cancel safe: what has come stays in its buffer. A write is not; whoever
//! gives one up must drop the connection. Both sides have time limits, so no peer holds a task for ever.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsStream;
use zeroize::Zeroize;

use super::{FRAME_MAX, HELLO_MAX, Message, WireError};

/// A peer that sends nothing for this long is gone; heartbeats come every second.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(10);
/// As [`SILENCE_MAX`] while a snapshot is compared and copied: either side may be busy for long.
pub(crate) const SNAPSHOT_PATIENCE: Duration = Duration::from_mins(5);
/// A peer that takes nothing for this long is cut off.
pub(crate) const STALL_MAX: Duration = Duration::from_secs(20);
/// Read at once, bytes.
const READ_STEP: usize = 64 << 10;
/// A write buffer that grew beyond this is given back after its flush, bytes.
const BUFFER_KEEP: usize = 1 << 20;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransportError {
    /// The peer closed it.
    #[error("connection closed by the peer")]
    Closed,
    /// The network failed.
    #[error("connection failed: {0}")]
    Io(#[from] std::io::Error),
    /// The peer sent no message.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Nothing came, or nothing could be sent, for too long.
    #[error("peer did not answer for {} s", .0.as_secs())]
    Silent(Duration),
}

/// Reads messages.
#[derive(Debug)]
pub(crate) struct FrameReader<R> {
    inner: R,
    buffer: BytesMut,
    max: usize,
    patience: Duration,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Takes only frames of [`HELLO_MAX`] until [`Self::trust`] is called.
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, buffer: BytesMut::new(), max: HELLO_MAX, patience: SILENCE_MAX }
    }

    /// The peer is known from here on: takes frames up to [`FRAME_MAX`].
    pub(crate) fn trust(&mut self) {
        self.max = FRAME_MAX;
    }

    /// Waits this long for the peer from here on.
    pub(crate) fn be_patient(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> Result<Message, TransportError> {
        loop {
            if let Some(message) = self.buffered()? {
                return Ok(message);
            }
            self.buffer.reserve(READ_STEP);
            let read = timeout(self.patience, self.inner.read_buf(&mut self.buffer));
            match read.await {
                Err(_) => return Err(TransportError::Silent(self.patience)),
                Ok(Ok(0)) => return Err(TransportError::Closed),
                Ok(Ok(_)) => {}
                Ok(Err(e)) => return Err(closed_or(e)),
            }
        }
    }

    /// A whole message that has already come.
    pub(crate) fn buffered(&mut self) -> Result<Option<Message>, TransportError> {
        let Some(prefix) = self.buffer.first_chunk::<4>() else { return Ok(None) };
        let len = usize::try_from(u32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
        if len > self.max {
            return Err(WireError::TooLong { len, max: self.max }.into());
        }
        if self.buffer.len() < 4 + len {
            return Ok(None);
        }
        self.buffer.advance(4);
        let mut frame = self.buffer.split_to(len);
        let message = Message::decode(&frame);
        // Keys and forwarded bodies come this way.
        frame.as_mut().zeroize();
        Ok(Some(message?))
    }
}

/// Writes messages; [`Self::queue`] and one [`Self::flush`] send many at once.
#[derive(Debug)]
pub(crate) struct FrameWriter<W> {
    inner: W,
    buffer: Vec<u8>,
}

impl<W: AsyncWrite + Unpin> FrameWriter<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, buffer: Vec::new() }
    }

    /// Adds a message to what the next flush sends; returns its bytes on the wire.
    pub(crate) fn queue(&mut self, message: &Message) -> u64 {
        let before = self.buffer.len();
        message.encode(&mut self.buffer);
        (self.buffer.len() - before) as u64
    }

    /// Sends what is queued. Not cancel safe.
    pub(crate) async fn flush(&mut self) -> Result<(), TransportError> {
        let write = async {
            for chunk in self.buffer.chunks(READ_STEP) {
                // The limit is on progress, not on the whole: a slow link may carry a long message.
                match timeout(STALL_MAX, self.inner.write_all(chunk)).await {
                    Ok(result) => result.map_err(closed_or)?,
                    Err(_) => return Err(TransportError::Silent(STALL_MAX)),
                }
            }
            match timeout(STALL_MAX, self.inner.flush()).await {
                Ok(result) => result.map_err(closed_or),
                Err(_) => Err(TransportError::Silent(STALL_MAX)),
            }
        };
        let result = write.await;
        self.buffer.zeroize();
        if self.buffer.capacity() > BUFFER_KEEP {
            self.buffer = Vec::new();
        }
        result
    }

    /// Sends one message. Not cancel safe.
    pub(crate) async fn send(&mut self, message: &Message) -> Result<(), TransportError> {
        self.queue(message);
        self.flush().await
    }

    /// Says goodbye to the TLS layer and the network, so that the peer sees a clean end.
    pub(crate) async fn close(mut self) {
        let _ = timeout(STALL_MAX, self.inner.shutdown()).await;
    }
}

/// Ends that are a peer's going away, however the network words them.
fn closed_or(e: std::io::Error) -> TransportError {
    use std::io::ErrorKind as K;
    match e.kind() {
        K::UnexpectedEof | K::ConnectionReset | K::BrokenPipe | K::ConnectionAborted => {
            TransportError::Closed
        }
        _ => TransportError::Io(e),
    }
}

/// Both directions of one mTLS connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) reader: FrameReader<ReadHalf<TlsStream<TcpStream>>>,
    pub(crate) writer: FrameWriter<WriteHalf<TlsStream<TcpStream>>>,
}

impl Connection {
    pub(crate) fn new(stream: TlsStream<TcpStream>) -> Self {
        let (read, write) = tokio::io::split(stream);
        Self { reader: FrameReader::new(read), writer: FrameWriter::new(write) }
    }
}
