//! An answer that comes in parts.

use std::io;

use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Parts that wait for a client.
const WAITING: usize = 64;

/// What makes the parts. An error cuts the answer off, so that the client knows.
pub(crate) type PartSender = Sender<io::Result<Bytes>>;

/// Parts that are still to come; the answer ends when the sender is gone. Dropped, it tells the sender so.
#[derive(Debug)]
pub struct Parts {
    /// What the answer is, for `Content-Type`.
    pub(crate) kind: &'static str,
    pub(crate) rest: Receiver<io::Result<Bytes>>,
}

impl Parts {
    /// Both ends.
    pub(crate) fn channel(kind: &'static str) -> (PartSender, Self) {
        let (sender, rest) = channel(WAITING);
        (sender, Self { kind, rest })
    }
}
