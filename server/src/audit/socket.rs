//! The socket device: a TCP or Unix stream, or UDP datagrams.

use std::io::{self, Write};
use std::net::{TcpStream, ToSocketAddrs as _, UdpSocket};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::entry::SocketKind;
use super::sink::Sink;

enum Open {
    Stream(Box<dyn Write + Send>),
    Datagrams(UdpSocket),
}

/// Writes to a peer; connects again when it was cut off.
pub(super) struct SocketSink {
    kind: SocketKind,
    address: String,
    timeout: Duration,
    open: Option<Open>,
}

impl SocketSink {
    /// Connects.
    ///
    /// # Errors
    /// The peer cannot be reached.
    pub(super) fn open(kind: SocketKind, address: &str, timeout: Duration) -> io::Result<Self> {
        let open = Some(connect(kind, address, timeout)?);
        Ok(Self { kind, address: address.to_owned(), timeout, open })
    }

    fn send(&mut self, batch: &[u8], ends: &[usize]) -> io::Result<()> {
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(connect(self.kind, &self.address, self.timeout)?),
        };
        match open {
            Open::Stream(stream) => stream.write_all(batch),
            Open::Datagrams(socket) => {
                let mut start = 0;
                for end in ends {
                    socket.send(&batch[start..*end])?;
                    start = *end;
                }
                Ok(())
            }
        }
    }
}

impl Sink for SocketSink {
    fn write(&mut self, batch: &[u8], ends: &[usize]) -> io::Result<()> {
        let connected = self.open.is_some();
        let mut done = self.send(batch, ends);
        if done.is_err() {
            self.open = None;
            if connected {
                // The peer may have been restarted since the last batch.
                done = self.send(batch, ends);
            }
        }
        if done.is_err() {
            self.open = None;
        }
        done
    }

    fn reopen(&mut self) {
        self.open = None;
    }
}

fn connect(kind: SocketKind, address: &str, timeout: Duration) -> io::Result<Open> {
    let resolved = || {
        let none = || io::Error::new(io::ErrorKind::NotFound, "the address has no meaning here");
        address.to_socket_addrs()?.next().ok_or_else(none)
    };
    Ok(match kind {
        SocketKind::Tcp => {
            let stream = TcpStream::connect_timeout(&resolved()?, timeout)?;
            stream.set_write_timeout(Some(timeout))?;
            Open::Stream(Box::new(stream))
        }
        SocketKind::Unix => {
            let stream = UnixStream::connect(address)?;
            stream.set_write_timeout(Some(timeout))?;
            Open::Stream(Box::new(stream))
        }
        SocketKind::Udp => {
            let peer = resolved()?;
            let any: std::net::IpAddr = match peer {
                std::net::SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
                std::net::SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
            };
            let socket = UdpSocket::bind((any, 0))?;
            socket.connect(peer)?;
            socket.set_write_timeout(Some(timeout))?;
            Open::Datagrams(socket)
        }
    })
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::net::TcpListener;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(5);

    #[test]
    fn a_stream_is_opened_again_and_datagrams_are_one_a_record() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut sink = SocketSink::open(SocketKind::Tcp, &address, TIMEOUT).unwrap();
        sink.write(b"one\n", &[4]).unwrap();
        let line = |listener: &TcpListener| {
            let mut line = String::new();
            BufReader::new(listener.accept().unwrap().0).read_line(&mut line).unwrap();
            line
        };
        assert_eq!(line(&listener), "one\n");
        sink.reopen();
        sink.write(b"two\n", &[4]).unwrap();
        assert_eq!(line(&listener), "two\n");
        drop(listener);
        sink.reopen();
        assert!(sink.write(b"three\n", &[6]).is_err());

        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = peer.local_addr().unwrap().to_string();
        let mut sink = SocketSink::open(SocketKind::Udp, &address, TIMEOUT).unwrap();
        sink.write(b"one\ntwo\n", &[4, 8]).unwrap();
        let mut buffer = [0; 64];
        assert_eq!(peer.recv(&mut buffer).unwrap(), 4);
        assert_eq!(peer.recv(&mut buffer).unwrap(), 4);
        assert_eq!(&buffer[..4], b"two\n");
    }

    #[test]
    fn a_unix_socket_is_a_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let mut sink = SocketSink::open(SocketKind::Unix, path.to_str().unwrap(), TIMEOUT).unwrap();
        sink.write(b"one\n", &[4]).unwrap();
        let mut line = String::new();
        BufReader::new(listener.accept().unwrap().0).read_line(&mut line).unwrap();
        assert_eq!(line, "one\n");
    }
}
