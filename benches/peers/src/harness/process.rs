//! What the operating system counts of this process.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use rustix::time::{ClockId, clock_gettime};

/// CPU time of the whole process so far, user and system, in us.
pub fn cpu_us() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

/// Resident memory, bytes: file pages mapped by a store count as its own.
pub fn resident_bytes() -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kib = field(&status, "VmRSS:").context("VmRSS is not in /proc/self/status")?;
    Ok(kib * 1024.0)
}

/// Bytes that this process made the system write to devices.
pub fn written_bytes() -> Result<f64> {
    let io = fs::read_to_string("/proc/self/io")?;
    field(&io, "write_bytes:").context("write_bytes is not in /proc/self/io")
}

fn field(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Bytes that a folder takes on disk, holes not counted.
pub fn folder_bytes(dir: &Path) -> Result<f64> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0.0;
    for entry in fs::read_dir(dir)? {
        // A file may be recycled while we look.
        let entry = entry?;
        match entry.metadata() {
            Ok(data) if data.is_dir() => bytes += folder_bytes(&entry.path())?,
            Ok(data) => bytes += data.blocks() as f64 * 512.0,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(bytes)
}
