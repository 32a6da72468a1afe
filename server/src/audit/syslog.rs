//! The syslog device: RFC 3164 messages to the log daemon of this machine.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use super::sink::Sink;

/// Where log daemons listen.
const PATHS: [&str; 3] = ["/dev/log", "/var/run/syslog", "/var/run/log"];
/// Of every message.
const SEVERITY_INFO: u8 = 6;
/// Names in the order of their numbers.
const FACILITIES: [&str; 24] = [
    "KERN", "USER", "MAIL", "DAEMON", "AUTH", "SYSLOG", "LPR", "NEWS", "UUCP", "CRON", "AUTHPRIV",
    "FTP", "NTP", "AUDIT", "ALERT", "CLOCK", "LOCAL0", "LOCAL1", "LOCAL2", "LOCAL3", "LOCAL4",
    "LOCAL5", "LOCAL6", "LOCAL7",
];

/// The number of a facility.
pub(super) fn facility(name: &str) -> Option<u8> {
    let at = FACILITIES.iter().position(|f| f.eq_ignore_ascii_case(name))?;
    u8::try_from(at).ok()
}

/// Sends one datagram a record.
pub(super) struct SyslogSink {
    path: PathBuf,
    /// `<priority>tag[pid]: `
    head: String,
    socket: Option<UnixDatagram>,
}

impl SyslogSink {
    /// Connects to the daemon.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn open(facility: u8, tag: &str) -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for path in PATHS {
            match Self::at(Path::new(path), facility, tag) {
                Ok(sink) => return Ok(sink),
                Err(e) => last = e,
            }
        }
        Err(last)
    }

    fn at(path: &Path, facility: u8, tag: &str) -> io::Result<Self> {
        let priority = u16::from(facility) * 8 + u16::from(SEVERITY_INFO);
        let head = format!("<{priority}>{tag}[{}]: ", std::process::id());
        let socket = Some(connect(path)?);
        Ok(Self { path: path.to_owned(), head, socket })
    }

    fn send(&mut self, batch: &[u8], ends: &[usize]) -> io::Result<()> {
        let socket = match &mut self.socket {
            Some(socket) => socket,
            none => none.insert(connect(&self.path)?),
        };
        let mut start = 0;
        let mut message = Vec::new();
        for end in ends {
            message.clear();
            message.extend_from_slice(self.head.as_bytes());
            message.extend_from_slice(batch[start..*end].trim_ascii_end());
            socket.send(&message)?;
            start = *end;
        }
        Ok(())
    }
}

fn connect(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    Ok(socket)
}

impl Sink for SyslogSink {
    fn write(&mut self, batch: &[u8], ends: &[usize]) -> io::Result<()> {
        let done = self.send(batch, ends);
        if done.is_err() {
            // The daemon may have been restarted; the next batch finds out.
            self.socket = None;
        }
        done
    }

    fn reopen(&mut self) {
        self.socket = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_is_a_message_with_facility_and_tag() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let daemon = UnixDatagram::bind(&path).unwrap();
        let mut sink = SyslogSink::at(&path, facility("local3").unwrap(), "vault").unwrap();
        sink.write(b"one\ntwo\n", &[4, 8]).unwrap();
        let mut buffer = [0; 256];
        for want in ["one", "two"] {
            let n = daemon.recv(&mut buffer).unwrap();
            let text = std::str::from_utf8(&buffer[..n]).unwrap();
            // 19 * 8 + 6.
            assert_eq!(text, format!("<158>vault[{}]: {want}", std::process::id()));
        }
        assert_eq!(facility("nope"), None);
    }
}
