//! `sys/storage/strongroom/backup`: the store as it is now, in one stream, while the server goes on.
//!
//! What is in it is encrypted as it is in the data folder: whoever restores it needs the unseal keys.

use std::io::{self, Write};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::handler::{SysCall, SysFuture, SysRoute};
use crate::logical::{Method, Operation, PartSender, Parts, Response};

/// Bytes that go out together.
const PART: usize = 64 << 10;
/// A client that takes nothing for so long is given up: the log is kept for as long as a backup takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// The routes; each cluster backs up its own store.
pub(super) static ROUTES: &[SysRoute] = &[SysRoute::new(
    "storage/strongroom/backup",
    "Back up the store",
    &[Method::local(Operation::Read, backup)],
)
.sudo()
.takes(&[])];

fn backup(call: SysCall) -> SysFuture {
    Box::pin(async move {
        let store = call.cluster.unsealed()?.store.clone();
        let (sender, parts) = Parts::channel("application/octet-stream");
        let (stopping, runtime) = (call.cluster.stopping(), Handle::current());
        tokio::task::spawn_blocking(move || {
            let mut out = Outlet { part: Vec::with_capacity(PART), sender, stopping, runtime };
            match store.backup(&mut out) {
                Ok(done) => tracing::info!(
                    "a backup of {} entries at position {} went out",
                    done.entries(),
                    done.position
                ),
                Err(e) => {
                    tracing::warn!("a backup was cut off: {e}");
                    let _ = out.send(Err(io::Error::other("the backup was cut off")));
                }
            }
        });
        Ok(Response { parts: Some(parts), ..Response::empty() })
    })
}

/// Hands a stream of bytes to a client, from a thread that may block.
struct Outlet {
    part: Vec<u8>,
    sender: PartSender,
    stopping: watch::Receiver<bool>,
    runtime: Handle,
}

impl Outlet {
    /// Waits for room, not for ever.
    fn send(&mut self, part: io::Result<Bytes>) -> io::Result<()> {
        let (sender, stopping) = (&self.sender, &mut self.stopping);
        self.runtime.block_on(async {
            tokio::select! {
                sent = sender.send_timeout(part, PATIENCE) => {
                    sent.map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the client is gone or too slow"))
                }
                _ = stopping.wait_for(|stopping| *stopping) => {
                    Err(io::Error::new(io::ErrorKind::BrokenPipe, "the server is stopping"))
                }
            }
        })
    }
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.part.extend_from_slice(bytes);
        if self.part.len() >= PART {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.part.is_empty() {
            return Ok(());
        }
        let part = std::mem::replace(&mut self.part, Vec::with_capacity(PART));
        self.send(Ok(part.into()))
    }
}
