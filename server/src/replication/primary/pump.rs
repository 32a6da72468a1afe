//! Sends what is committed as it comes, no faster than it is applied.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use strongroom_storage::{Change, ChangeReader, Lsn, Published};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use super::Primary;
use super::error::SessionError;
use super::log::{Batch, read_batch, reason, wire_op};
use crate::replication::beat::{Beat, HEARTBEAT};
use crate::replication::wire::{self, FrameWriter, Message, Reconcile, TransportError};

/// Sent and not yet applied, at most, bytes.
const WINDOW: u64 = 16 << 20;
/// A full window must shrink within this.
const STALL: Duration = Duration::from_mins(1);
/// Longest message of a change that is split, bytes; one operation is never split.
const PART_MAX: usize = 4 << 20;

/// Changes in flight, oldest first, with their bytes.
#[derive(Default)]
struct Window {
    sent: VecDeque<(Lsn, u64)>,
    bytes: u64,
}

impl Window {
    fn sent(&mut self, end: Lsn, bytes: u64) {
        self.sent.push_back((end, bytes));
        self.bytes += bytes;
    }

    fn applied(&mut self, up_to: Lsn) {
        while let Some((end, bytes)) = self.sent.front()
            && *end <= up_to
        {
            self.bytes -= bytes;
            self.sent.pop_front();
        }
    }

    fn has_room(&self) -> bool {
        self.bytes < WINDOW
    }
}

/// One stream at work.
pub(super) struct Pump<'a, W> {
    primary: &'a Primary,
    writer: &'a mut FrameWriter<W>,
    /// `None` only while a blocking thread has it.
    reader: Option<ChangeReader>,
    /// Up to where the log was read.
    position: Lsn,
    acks: watch::Receiver<Lsn>,
    window: Window,
    beat: &'a Beat,
}

impl<'a, W: tokio::io::AsyncWrite + Unpin> Pump<'a, W> {
    /// Goes on from `position`, up to which everything is applied; `acks` says how far that is later.
    pub(super) fn new(
        primary: &'a Primary,
        writer: &'a mut FrameWriter<W>,
        reader: ChangeReader,
        position: Lsn,
        acks: watch::Receiver<Lsn>,
        beat: &'a Beat,
    ) -> Self {
        let window = Window::default();
        Self { primary, writer, reader: Some(reader), position, acks, window, beat }
    }

    pub(super) async fn run(mut self) -> Result<(), SessionError> {
        let mut news = self.primary.context.store.watch();
        let mut tick = interval(HEARTBEAT);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let published = *news.borrow_and_update();
            self.catch_up(published).await?;
            tokio::select! {
                changed = news.changed() => if changed.is_err() {
                    return Err(SessionError::Failed("the store was closed".to_owned()));
                },
                _ = tick.tick() => self.heartbeat(published).await?,
            }
        }
    }

    /// Sends everything up to the published end, and the root there.
    async fn catch_up(&mut self, published: Published) -> Result<(), SessionError> {
        let mut last_beat = Instant::now();
        while self.position < published.lsn {
            let batch = match self.read(published.lsn).await? {
                Ok(batch) => batch,
                Err(why) => {
                    self.writer.send(&Message::NeedReconcile(why)).await?;
                    return Err(SessionError::LeftBehind);
                }
            };
            for change in batch.changes {
                let end = change.end;
                let bytes = self.queue(change);
                self.window.sent(end, bytes);
            }
            self.position = batch.position;
            if batch.level {
                self.position = published.lsn;
                let level = Message::Level { lsn: published.lsn, root: published.replicated_root };
                let bytes = self.writer.queue(&level);
                self.window.sent(published.lsn, bytes);
            }
            self.writer.flush().await?;
            if last_beat.elapsed() >= HEARTBEAT {
                last_beat = Instant::now();
                self.heartbeat(published).await?;
            }
            self.wait_for_room().await?;
        }
        Ok(())
    }

    async fn read(&mut self, up_to: Lsn) -> Result<Result<Batch, Reconcile>, SessionError> {
        let mut reader = self.reader.take().ok_or(SessionError::Protocol("reader in use"))?;
        let position = self.position;
        let (reader, batch) = spawn_blocking(move || {
            let batch = read_batch(&mut reader, position, up_to);
            (reader, batch)
        })
        .await
        .map_err(|e| SessionError::Failed(e.to_string()))?;
        self.reader = Some(reader);
        match batch {
            Ok(batch) => Ok(Ok(batch)),
            Err(e) => reason(&e).map(Err),
        }
    }

    /// Queues a change, in parts if it is long; returns its bytes.
    fn queue(&mut self, change: Change) -> u64 {
        let mut bytes = 0;
        let mut part = wire::Change {
            start: change.start,
            end: change.end,
            mark: change.mark,
            more: true,
            ops: Vec::new(),
        };
        let mut weight = 0;
        for op in change.ops.into_iter().filter_map(wire_op) {
            if weight > 0 && weight + op.weight() > PART_MAX {
                let full = wire::Change { ops: std::mem::take(&mut part.ops), ..part };
                bytes += self.writer.queue(&Message::Change(full));
                weight = 0;
            }
            weight += op.weight();
            part.ops.push(op);
        }
        part.more = false;
        bytes + self.writer.queue(&Message::Change(part))
    }

    async fn heartbeat(&mut self, published: Published) -> Result<(), TransportError> {
        let beat = self.beat.next(published.lsn, published.replicated_root);
        self.writer.send(&Message::Heartbeat(beat)).await
    }

    /// Waits until the window has room; cuts a secondary off that applies nothing.
    async fn wait_for_room(&mut self) -> Result<(), SessionError> {
        loop {
            let applied = *self.acks.borrow_and_update();
            self.window.applied(applied);
            if self.window.has_room() {
                return Ok(());
            }
            let published = *self.primary.context.store.watch().borrow();
            let deadline = Instant::now() + STALL;
            loop {
                tokio::select! {
                    changed = self.acks.changed() => {
                        changed.map_err(|_| SessionError::Cut)?;
                        if *self.acks.borrow() != applied {
                            break;
                        }
                    }
                    () = tokio::time::sleep(HEARTBEAT) => self.heartbeat(published).await?,
                }
                if Instant::now() >= deadline {
                    return Err(SessionError::Stalled(STALL.as_secs()));
                }
            }
        }
    }
}
