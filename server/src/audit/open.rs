//! Which sink a device's place has.

use std::io;

use super::durable::DurableSink;
use super::entry::Place;
use super::file::FileSink;
use super::sink::Sink;
use super::socket::SocketSink;
use super::syslog::SyslogSink;

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
