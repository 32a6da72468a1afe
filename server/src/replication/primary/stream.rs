//! Streams committed changes to one secondary.
//!
//! Changes are read from the log, not from a queue, so a slow secondary costs the primary neither
//! memory nor waiting: what is sent and not yet applied is bounded by a window, and a secondary
//! that applies nothing of a full one for a minute is cut off; it comes back by itself.
//! After each run of changes that reached the published end goes a `Level` with the root there.

use strongroom_storage::ChangeReader;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::Primary;
use super::error::SessionError;
use super::log::reason;
use super::pump::Pump;
use super::registry::Session;
use crate::replication::beat::Beat;
use crate::replication::wire::{Connection, Message, Reconcile, Start};

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
    let pump = Pump::new(primary, writer, reader, start.lsn, acks, &beat);
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
