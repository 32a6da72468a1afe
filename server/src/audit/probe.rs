//! Whether a device can be opened, asked before it is enabled.

use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::sync::mpsc;

use super::device::STUCK_AFTER;
use super::entry::Place;
use super::open::open;

/// Opens and closes it, on a thread of its own, for a bounded time.
///
/// # Errors
/// It cannot be opened, or not in time.
pub(super) fn probe(place: &Place) -> io::Result<()> {
    if let Place::File { path: Some(path), .. } = place
        && std::fs::metadata(path).is_ok_and(|about| about.file_type().is_fifo())
    {
        // Opening a pipe waits for its reader, who may well come later.
        return Ok(());
    }
    let (answer, answered) = mpsc::channel();
    let place = place.clone();
    std::thread::Builder::new()
        .name("audit-probe".to_owned())
        .spawn(move || drop(answer.send(open(&place).map(drop))))?;
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "it does not answer");
    answered.recv_timeout(STUCK_AFTER).map_err(late)?
}
