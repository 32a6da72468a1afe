//! Follows the primary's changes over one connection.
//!
//! Three parts run side by side: reading from the wire, applying, and telling the primary how far
//! this secondary is. Consecutive changes that have come are applied in one transaction. When the
//! connection ends, what has come is still applied; a transaction is never abandoned half way.

use strongroom_storage::{Digest, Lsn};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

use super::Secondary;
use super::apply::{Applier, ApplyError};
use super::batch::Batch;
use crate::replication::beat::Beat;
use crate::replication::beat::HEARTBEAT;
use crate::replication::wire::{
    Change, Connection, FrameReader, FrameWriter, Message, Reconcile, TransportError,
};

/// Messages that have come and are not applied; their bytes are bounded by the primary's window.
const QUEUE: usize = 256;
/// A transaction takes no further change from here on, bytes.
const BATCH_MAX: usize = 1 << 20;
/// Longest single change, bytes; a log that held more would be damaged.
const CHANGE_MAX: usize = 256 << 20;

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamEnd {
    /// This cluster stops.
    #[error("stopped")]
    Stopped,
    /// The primary can no longer stream from here.
    #[error("the primary asks for a reconciliation: {0:?}")]
    Reconcile(Reconcile),
    /// A change does not fit, or roots differ.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The connection ended.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The primary refused to go on.
    #[error("the primary ended the stream: {0}")]
    Refused(String),
    /// Not what a primary sends.
    #[error("the primary broke the protocol: {0}")]
    Protocol(&'static str),
}

enum Item {
    Change(Change),
    Level(Lsn, Digest),
}

/// Follows until something ends it.
pub(crate) async fn follow(
    secondary: &Secondary,
    connection: &mut Connection,
    applier: Applier,
    stop: &mut watch::Receiver<bool>,
) -> StreamEnd {
    let (items, came) = mpsc::channel(QUEUE);
    let beat = Beat::default();
    let Connection { reader, writer } = connection;
    let read = read(secondary, reader, items, &beat);
    let acknowledge = acknowledge(secondary, writer, &beat);
    let mut apply = std::pin::pin!(Gather::new(secondary, applier).run(came));
    let ended = tokio::select! {
        ended = &mut apply => return ended.err().unwrap_or(StreamEnd::Stopped),
        ended = read => ended,
        ended = acknowledge => ended,
        _ = stop.wait_for(|stop| *stop) => StreamEnd::Stopped,
    };
    // The reader and with it the queue's sender are gone; this ends with what has come.
    match apply.await {
        Ok(()) => ended,
        Err(e) => e,
    }
}

async fn read<R: AsyncRead + Unpin>(
    secondary: &Secondary,
    reader: &mut FrameReader<R>,
    items: mpsc::Sender<Item>,
    beat: &Beat,
) -> StreamEnd {
    loop {
        let item = match reader.next().await {
            Ok(Message::Change(change)) => Item::Change(change),
            Ok(Message::Level { lsn, root }) => {
                secondary.note(|s| s.primary_lsn = lsn.0);
                Item::Level(lsn, root)
            }
            Ok(Message::Heartbeat(heartbeat)) => {
                let now = beat.came(heartbeat.clock_ms);
                secondary.note(|s| s.heartbeat(&heartbeat, now));
                continue;
            }
            Ok(Message::NeedReconcile(why)) => return StreamEnd::Reconcile(why),
            Ok(Message::Refused { text, .. }) => return StreamEnd::Refused(text),
            Ok(_) => return StreamEnd::Protocol("unexpected message in a stream"),
            Err(e) => return e.into(),
        };
        if items.send(item).await.is_err() {
            // The applier has ended and says why.
            std::future::pending::<()>().await;
        }
    }
}

async fn acknowledge<W: AsyncWrite + Unpin>(
    secondary: &Secondary,
    writer: &mut FrameWriter<W>,
    beat: &Beat,
) -> StreamEnd {
    let mut applied = secondary.applied.subscribe();
    let mut tick = interval(HEARTBEAT);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // The sender lives as long as the secondary.
            _ = applied.changed() => {}
            _ = tick.tick() => {}
        }
        let lsn = *applied.borrow_and_update();
        let heartbeat = beat.next(lsn, secondary.context.root());
        if let Err(e) = writer.send(&Message::Heartbeat(heartbeat)).await {
            return e.into();
        }
    }
}

/// Gathers changes into batches and applies them.
struct Gather<'a> {
    secondary: &'a Secondary,
    applier: Applier,
    batch: Batch,
    /// End of the last whole change in the batch.
    end: Option<Lsn>,
    /// The last change in the batch is not whole yet.
    partial: bool,
}

impl<'a> Gather<'a> {
    fn new(secondary: &'a Secondary, applier: Applier) -> Self {
        Self { secondary, applier, batch: Batch::default(), end: None, partial: false }
    }

    async fn run(mut self, mut came: mpsc::Receiver<Item>) -> Result<(), StreamEnd> {
        self.secondary.applied.send_replace(self.applier.complete_to());
        while let Some(item) = came.recv().await {
            let more = !came.is_empty();
            self.take(item, more).await?;
            if !more && !self.partial {
                self.flush().await?;
            }
        }
        // Not worth an error: a restart only begins a little earlier.
        if let Err(e) = self.applier.store_cursor().await {
            tracing::debug!("replication cursor not stored: {e}");
        }
        Ok(())
    }

    /// `more` is waiting behind this item.
    async fn take(&mut self, item: Item, more: bool) -> Result<(), StreamEnd> {
        match item {
            Item::Change(change) => self.add(change).await,
            // A commit for each level would hold a secondary up that is behind: the root is held
            // against the primary's where a transaction ends, and the last level always is.
            Item::Level(..) if more && self.end.is_some() && !self.partial => Ok(()),
            Item::Level(lsn, root) => {
                if self.partial {
                    return Err(StreamEnd::Protocol("a change without its last part"));
                }
                self.flush().await?;
                self.applier.level(lsn, root).await?;
                self.secondary.applied.send_replace(self.applier.complete_to());
                Ok(())
            }
        }
    }

    async fn add(&mut self, change: Change) -> Result<(), StreamEnd> {
        if change.end <= self.end.unwrap_or(self.applier.complete_to()) {
            return Err(StreamEnd::Protocol("changes out of order"));
        }
        if let Some(promise) = change.mark {
            self.applier.check(promise)?;
        }
        change.ops.into_iter().for_each(|op| self.batch.push(op));
        if self.batch.weight() > CHANGE_MAX {
            return Err(StreamEnd::Protocol("a change larger than any log frame"));
        }
        self.partial = change.more;
        if change.more {
            return Ok(());
        }
        self.end = Some(change.end);
        // What comes after a keyring may need it to be read, so it is taken into use first.
        if self.batch.weight() >= BATCH_MAX || self.batch.keyring().is_some() {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), StreamEnd> {
        let Some(end) = self.end.take() else { return Ok(()) };
        self.applier.apply(std::mem::take(&mut self.batch), end).await?;
        self.secondary.applied.send_replace(self.applier.complete_to());
        Ok(())
    }
}
