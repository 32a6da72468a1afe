//! Who reads what is told, and whether anybody still does.

use std::cell::Cell;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Whether nobody reads any more what is told.
pub(crate) type Gone = Rc<Cell<bool>>;

/// Waits, but no longer than there is someone who reads from the other end: a pipe says so when its reader
/// is gone, also to who has nothing to write.
pub(crate) fn wait_while_read(out: impl AsFd, time: Duration, gone: &Gone) {
    // Nothing is asked for but what is told without being asked: errors and hangups.
    let mut fds = [PollFd::new(&out, PollFlags::empty())];
    let Ok(timeout) = Timespec::try_from(time) else { return };
    match poll(&mut fds, Some(&timeout)) {
        Ok(0) | Err(rustix::io::Errno::INTR) => {}
        Ok(_) => gone.set(true),
        // There is no such thing here: then a write has to tell.
        Err(_) => std::thread::sleep(time),
    }
}

/// A stream that may lose its reader: what is written from then on goes nowhere, and is no error.
pub(crate) struct WhileRead<W> {
    out: W,
    gone: Gone,
}

impl<W: Write> WhileRead<W> {
    pub(crate) fn new(out: W, gone: &Gone) -> Self {
        Self { out, gone: Rc::clone(gone) }
    }

    fn unless_gone<T>(
        &mut self,
        otherwise: T,
        write: impl FnOnce(&mut W) -> io::Result<T>,
    ) -> io::Result<T> {
        if self.gone.get() {
            return Ok(otherwise);
        }
        match write(&mut self.out) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.gone.set(true);
                Ok(otherwise)
            }
            written => written,
        }
    }
}

impl<W: Write> Write for WhileRead<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.unless_gone(bytes.len(), |out| out.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.unless_gone((), Write::flush)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_reader_that_is_gone_ends_the_wait() {
        let (reader, writer) = io::pipe().unwrap();
        let gone = Gone::default();
        let wait = |time| wait_while_read(&writer, time, &gone);
        wait(Duration::from_millis(1));
        assert!(!gone.get(), "somebody may still read");
        drop(reader);
        let began = Instant::now();
        wait(Duration::from_hours(1));
        assert!(gone.get() && began.elapsed() < Duration::from_hours(1));
    }

    #[test]
    fn a_file_has_no_reader_that_could_go() {
        let gone = Gone::default();
        wait_while_read(tempfile::tempfile().unwrap(), Duration::from_millis(1), &gone);
        assert!(!gone.get());
    }

    #[test]
    fn what_is_written_to_nobody_is_no_error() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let gone = Gone::default();
        let mut out = WhileRead::new(writer, &gone);
        out.write_all(b"a").unwrap();
        assert!(gone.get());
        out.write_all(b"b").unwrap();
        out.flush().unwrap();
    }
}
