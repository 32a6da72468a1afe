//! What a device has written so far.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counted by a device's thread, read by anybody.
#[derive(Default)]
pub(super) struct Counts {
    records: AtomicU64,
    bytes: AtomicU64,
    batches: AtomicU64,
}

/// A device's figures as they were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The device's path.
    pub device: String,
    /// Records written.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Batches that they went out in: writes, and syncs where the device is durable.
    pub batches: u64,
    /// Whether it is.
    pub durable: bool,
}

impl Counts {
    /// A batch is written.
    pub(super) fn batch(&self, records: usize, bytes: usize) {
        let add = |to: &AtomicU64, n: usize| {
            to.fetch_add(u64::try_from(n).unwrap_or(0), Ordering::Relaxed);
        };
        add(&self.records, records);
        add(&self.bytes, bytes);
        add(&self.batches, 1);
    }

    /// What they stand at; they may be a batch apart.
    pub(super) fn read(&self, device: &str, durable: bool) -> Counted {
        Counted {
            device: device.to_owned(),
            records: self.records.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            batches: self.batches.load(Ordering::Relaxed),
            durable,
        }
    }
}
