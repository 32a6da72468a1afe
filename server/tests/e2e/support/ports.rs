//! Ports for the servers of one test process.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range that the kernel hands out to outgoing connections.
const FIRST: u16 = 10_000;
const LAST: u16 = 30_000;

/// `count` neighbouring ports that nobody listens on; no two calls in a process give the same.
pub(crate) fn free_ports(count: u16) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes that run side by side start at different places.
    let start = u16::try_from(std::process::id() % 97).unwrap() * 200;
    for _ in 0..500 {
        let offset = (start + NEXT.fetch_add(count, Ordering::Relaxed)) % (LAST - FIRST - count);
        let first = FIRST + offset;
        if (first..first + count).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            return first;
        }
    }
    panic!("no free ports between {FIRST} and {LAST}");
}
