//! An answer that comes line by line.

use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Lines that wait for a client.
const WAITING: usize = 64;

/// Lines that are still to come; it ends when the sender is gone. Dropped, it tells the sender so.
#[derive(Debug)]
pub struct Lines(pub(crate) Receiver<Bytes>);

impl Lines {
    /// Both ends.
    pub fn channel() -> (Sender<Bytes>, Self) {
        let (sender, lines) = channel(WAITING);
        (sender, Self(lines))
    }
}
