//! Streams committed changes to one secondary.
//!
//! Changes are read from the log, not from a queue, so a slow secondary costs the primary neither
//! memory nor waiting: what is sent and not yet applied is bounded by [`WINDOW`], and a secondary
//! that applies nothing of a full window for [`STALL`] is cut off; it comes back by itself.
//! After each run of changes that reached the published end goes a `Level` with the root there.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use strongroom_storage::{Change, ChangeOp, ChangeReader, ChangesError, Class, Lsn, Published};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use super::Primary;
use super::registry::Session;
use super::session::SessionError;
use crate::replication::beat::Beat;
use crate::replication::wire::{
    self, Connection, FrameWriter, Message, Op, Reconcile, Start, TransportError,
};

/// Sent and not yet applied, at most, bytes.
const WINDOW: u64 = 16 << 20;
/// A full window must shrink within this.
const STALL: Duration = Duration::from_mins(1);
/// Read from the log at once, bytes.
const READ_MAX: usize = 1 << 20;
/// Longest message of a change that is split, bytes; one operation is never split.
const PART_MAX: usize = 4 << 20;
/// How often each side shows that it lives.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(1);

/// Serves a stream connection.
pub(crate) async fn serve(
    primary: &Primary,
    connection: &mut Connection,
    session: &Session,
) -> Result<(), SessionError> {
    let Message::Start(start) = connection.reader.next().await? else {
        return Err(SessionError::Protocol("a stream begins with a start"));
    };
    let reader = match open(primary, start).await? {
        Ok(reader) => reader,
        Err(why) => {
            connection.writer.send(&Message::NeedReconcile(why)).await?;
            return Ok(());
        }
    };
    connection.writer.send(&Message::Accepted).await?;
    let beat = Beat::default();
    let (applied, acks) = watch::channel(start.lsn);
    let Connection { reader: input, writer } = connection;
    let read = async {
        loop {
            match input.next().await? {
                Message::Heartbeat(heartbeat) => {
                    session.heartbeat(&heartbeat, beat.came(heartbeat.clock_ms));
                    applied.send_replace(heartbeat.lsn);
                }
                _ => return Err(SessionError::Protocol("only heartbeats come this way")),
            }
        }
    };
    let pump = Pump {
        primary,
        writer,
        reader: Some(reader),
        position: start.lsn,
        acks,
        window: Window::default(),
        beat: &beat,
    };
    tokio::select! {
        ended = read => ended,
        ended = pump.run() => ended,
    }
}

/// A reader of the log from there on, or why there is none.
async fn open(
    primary: &Primary,
    start: Start,
) -> Result<Result<ChangeReader, Reconcile>, SessionError> {
    let store = primary.context.store.clone();
    if start.log_id != store.log_id() {
        return Ok(Err(Reconcile::UnknownLog));
    }
    let published = *store.watch().borrow();
    if published.lsn == start.lsn && published.replicated_root != start.root {
        return Ok(Err(Reconcile::GuardMismatch));
    }
    let opened = spawn_blocking(move || store.changes(start.lsn)).await;
    match opened.map_err(|e| SessionError::Failed(e.to_string()))? {
        Ok(reader) => Ok(Ok(reader)),
        Err(e) => reason(&e).map(Err),
    }
}

fn reason(e: &ChangesError) -> Result<Reconcile, SessionError> {
    match e {
        ChangesError::Behind { .. } => Ok(Reconcile::Behind),
        ChangesError::Ahead { .. } => Ok(Reconcile::Ahead),
        // The position is none of this log's any more, or the log is damaged there: the data itself
        // is read from where it lies.
        ChangesError::Read { .. } => Ok(Reconcile::GuardMismatch),
        other => Err(SessionError::Failed(other.to_string())),
    }
}

/// What is sent and not yet applied.
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
}

struct Pump<'a, W> {
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

/// What one look into the log gave.
struct Batch {
    changes: Vec<Change>,
    position: Lsn,
    /// Everything up to the published end was read.
    level: bool,
}

impl<W: tokio::io::AsyncWrite + Unpin> Pump<'_, W> {
    async fn run(mut self) -> Result<(), SessionError> {
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
            if self.window.bytes < WINDOW {
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

/// Reads changes up to a published position, [`READ_MAX`] bytes at once.
fn read_batch(
    reader: &mut ChangeReader,
    mut position: Lsn,
    up_to: Lsn,
) -> Result<Batch, ChangesError> {
    let mut changes = Vec::new();
    let mut bytes = 0;
    while position < up_to {
        if bytes >= READ_MAX {
            return Ok(Batch { changes, position, level: false });
        }
        let Some(change) = reader.next()? else { break };
        position = change.end;
        let weight: usize = change.ops.iter().map(op_weight).sum();
        bytes += weight;
        if weight > 0 {
            changes.push(change);
        }
    }
    Ok(Batch { changes, position, level: true })
}

fn op_weight(op: &ChangeOp) -> usize {
    match op {
        ChangeOp::CreateKeyspace { class, .. } if *class != Class::Replicated => 0,
        ChangeOp::CreateKeyspace { .. } | ChangeOp::DropKeyspace { .. } => 17,
        ChangeOp::Put { key, value, .. } => 25 + key.len() + value.len(),
        ChangeOp::Delete { key, .. } => 21 + key.len(),
    }
}

fn wire_op(op: ChangeOp) -> Option<Op> {
    Some(match op {
        ChangeOp::CreateKeyspace { class, .. } if class != Class::Replicated => return None,
        ChangeOp::CreateKeyspace { id, .. } => Op::CreateKeyspace(id),
        ChangeOp::DropKeyspace { id } => Op::DropKeyspace(id),
        ChangeOp::Put { keyspace, key, value } => Op::Put { keyspace, key, value },
        ChangeOp::Delete { keyspace, key } => Op::Delete { keyspace, key },
    })
}
