//! Servers as processes, and clients to drive them.

mod clients;
mod level;
mod ports;
mod reference;
mod server;
mod set;

pub(crate) use clients::{Run, bao, client, python, strongroom};
pub(crate) use level::{BASE, status, wait_until_level};
pub(crate) use ports::free_ports;
pub(crate) use reference::Reference;
pub(crate) use server::{ROOT, Server, http};
pub(crate) use set::Set;

use std::time::{Duration, Instant};

/// Longest wait for anything that a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(50);

/// Polls until `done` gives a value.
pub(crate) fn eventually<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited too long: {what}");
        std::thread::sleep(POLL);
    }
}
