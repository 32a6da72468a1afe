//! Servers as processes, and clients to drive them.

mod clients;
mod ports;
mod reference;
mod server;
mod set;

pub use clients::{Run, bao, python, strongroom};
pub use ports::free_ports;
pub use reference::Reference;
pub use server::{ROOT, Server, http};
pub use set::Set;

use std::time::{Duration, Instant};

/// Longest wait for anything that a test waits for.
pub const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// Polls until `done` gives a value.
pub fn eventually<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited too long: {what}");
        std::thread::sleep(POLL);
    }
}
