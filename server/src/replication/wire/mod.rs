//! The replication wire: length-prefixed, versioned, bounded frames, each with one [`Message`].
//!
//! Byte tables: `docs/replication-protocol.md`. Whatever bytes a peer sends, the answer is a message
//! or a [`WireError`], never a panic, and no memory is set aside for bytes that have not come.

mod codec;
mod exchange;
mod message;
mod opening;
mod stream;
#[cfg(test)]
mod tests;
mod transport;

pub(crate) use exchange::{Fetched, Forwarded};
pub(crate) use message::Message;
pub(crate) use opening::{Bootstrap, Hello, Purpose, RefusalCode, WireDev};
pub(crate) use stream::{Change, Heartbeat, Op, Reconcile, Start};
pub(crate) use transport::{
    Connection, FrameReader, FrameWriter, SNAPSHOT_PATIENCE, TransportError,
};

/// Version of every frame.
pub(crate) const WIRE_VERSION: u8 = 2;
/// Longest frame after its length field, bytes: the largest value that storage takes, with room.
pub(crate) const FRAME_MAX: usize = 64 << 20;
/// Longest first frame of a peer whose identity is not checked yet, bytes.
pub(crate) const HELLO_MAX: usize = 16 << 10;
/// Questions of a reconciliation that a secondary has out at a time, at most.
pub(crate) const QUESTIONS_OUT: usize = 8;
/// Key hashes in one fetch, at most.
pub(crate) const HASHES_MAX: usize = 1 << 16;

/// Why bytes are no message. The connection ends; the peer is broken, hostile, or of another version.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum WireError {
    /// The message ends early.
    #[error("message is cut short")]
    Truncated,
    /// Bytes are left over.
    #[error("{0} bytes too many in a message")]
    Trailing(usize),
    /// A frame longer than its bound.
    #[error("frame of {len} bytes is longer than {max}")]
    TooLong {
        /// What the peer announced.
        len: usize,
        /// The bound.
        max: usize,
    },
    /// A wire version that this server does not speak.
    #[error("wire version {0} is not supported; run the same version on both clusters")]
    Version(u8),
    /// No such message.
    #[error("unknown kind of message: {0}")]
    Kind(u8),
    /// A field has a value that is not allowed.
    #[error("invalid {0} in a message")]
    BadValue(&'static str),
}
