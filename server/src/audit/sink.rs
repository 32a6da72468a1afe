//! What a device writes to.

use std::io;

use super::durable::DurableSink;
use super::entry::Place;
use super::file::FileSink;
use super::socket::SocketSink;
use super::syslog::SyslogSink;

/// Takes batches of records on a thread of its own; every call may block.
pub(super) trait Sink: Send {
    /// Writes whole records, `ends` being where each ends in `batch`. When it answers, all of them
    /// are where the device promises.
    ///
    /// # Errors
    /// Some may not have been written; the next batch must start on a line of its own.
    fn write(&mut self, batch: &[u8], ends: &[usize]) -> io::Result<()>;

    /// The next write opens what it writes to anew.
    fn reopen(&mut self);
}

/// The sink for a place; opens it.
///
/// # Errors
/// It cannot be opened now.
pub(super) fn open(place: &Place) -> io::Result<Box<dyn Sink>> {
    Ok(match place {
        Place::Discard => Box::new(Discard),
        Place::File { path: Some(path), mode, durable: true } => {
            Box::new(DurableSink::open(path.clone(), *mode)?)
        }
        Place::File { path, mode, .. } => Box::new(FileSink::open(path.clone(), *mode)?),
        Place::Syslog { facility, tag } => Box::new(SyslogSink::open(*facility, tag)?),
        Place::Socket { kind, address, timeout } => {
            Box::new(SocketSink::open(*kind, address, *timeout)?)
        }
    })
}

/// Drops everything.
struct Discard;

impl Sink for Discard {
    fn write(&mut self, _batch: &[u8], _ends: &[usize]) -> io::Result<()> {
        Ok(())
    }

    fn reopen(&mut self) {}
}
