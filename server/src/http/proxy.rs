//! Who is really at the other end, when a proxy stands between.
//!
//! Two ways in which proxies say so, both off until the listener names the proxies that may:
//! the PROXY protocol in front of a connection (versions 1 and 2), and `X-Forwarded-For` in a request.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hyper::header::HeaderMap;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::{ForwardedFor, Network, ProxyBehavior, ProxyProtocol};
use crate::logical::ApiError;

/// A proxy that has not sent its header by then is cut off.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of the longest header of version 1.
const V1_MAX: usize = 107;
/// In front of a header of version 1.
const V1_START: &[u8] = b"PROXY ";
/// In front of a header of version 2.
const V2_START: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes after the fixed part of a header of version 2 that are read at most.
const V2_REST_MAX: usize = 4096;

/// The client's address: what the PROXY header says, where one is to be expected.
///
/// # Errors
/// The connection must be closed: a header is malformed or did not come, or the peer may not
/// connect. On an error some bytes of the stream may be gone.
pub(super) async fn client(
    stream: &mut TcpStream,
    peer: SocketAddr,
    settings: &ProxyProtocol,
) -> io::Result<SocketAddr> {
    let authorised = settings.authorized.iter().any(|network| network.contains(peer.ip()));
    match settings.behavior {
        ProxyBehavior::AllowAuthorized if !authorised => return Ok(peer),
        ProxyBehavior::DenyUnauthorized if !authorised => {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "no authorised proxy"));
        }
        _ => {}
    }
    timeout(HEADER_TIMEOUT, header(stream, peer)).await?
}

async fn header(stream: &mut TcpStream, peer: SocketAddr) -> io::Result<SocketAddr> {
    let mut start = [0; V2_START.len()];
    loop {
        let seen = stream.peek(&mut start).await?;
        let seen = &start[..seen];
        if seen.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if seen.starts_with(V1_START) {
            return version_1(stream, peer).await;
        }
        if seen == V2_START {
            return version_2(stream, peer).await;
        }
        if !V1_START.starts_with(seen) && !V2_START.starts_with(seen) {
            // The proxy itself speaks: a health check, say.
            return Ok(peer);
        }
        // What is there is not enough to tell; nothing says when there is more.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn version_1(stream: &mut TcpStream, peer: SocketAddr) -> io::Result<SocketAddr> {
    let mut line = Vec::with_capacity(V1_MAX);
    while !line.ends_with(b"\r\n") {
        if line.len() == V1_MAX {
            return Err(malformed());
        }
        line.push(stream.read_u8().await?);
    }
    parse_1(&line, peer).ok_or_else(malformed)
}

/// `PROXY TCP4 <source> <destination> <source port> <destination port>\r\n`.
fn parse_1(line: &[u8], peer: SocketAddr) -> Option<SocketAddr> {
    let text = std::str::from_utf8(line).ok()?.strip_suffix("\r\n")?;
    let mut words = text.split(' ').skip(1);
    match words.next()? {
        "UNKNOWN" => Some(peer),
        "TCP4" | "TCP6" => {
            let source: IpAddr = words.next()?.parse().ok()?;
            let port = words.nth(1)?.parse().ok()?;
            Some(SocketAddr::new(source, port))
        }
        _ => None,
    }
}

async fn version_2(stream: &mut TcpStream, peer: SocketAddr) -> io::Result<SocketAddr> {
    let mut fixed = [0; 16];
    stream.read_exact(&mut fixed).await?;
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if length > V2_REST_MAX {
        return Err(malformed());
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    parse_2(fixed[12], fixed[13], &rest, peer).ok_or_else(malformed)
}

/// The byte of version and command, that of family and transport, and what follows the length.
fn parse_2(command: u8, family: u8, rest: &[u8], peer: SocketAddr) -> Option<SocketAddr> {
    match command {
        // LOCAL: the proxy itself.
        0x20 => return Some(peer),
        0x21 => {}
        _ => return None,
    }
    let port = |at: usize| Some(u16::from_be_bytes(rest.get(at..at + 2)?.try_into().ok()?));
    match family >> 4 {
        1 => {
            let source: [u8; 4] = rest.get(..4)?.try_into().ok()?;
            Some(SocketAddr::new(Ipv4Addr::from(source).into(), port(8)?))
        }
        2 => {
            let source: [u8; 16] = rest.get(..16)?.try_into().ok()?;
            Some(SocketAddr::new(Ipv6Addr::from(source).into(), port(32)?))
        }
        // Without an address, or of a socket in the file system.
        0 | 3 => Some(peer),
        _ => None,
    }
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "malformed PROXY header")
}

/// The client's address as `X-Forwarded-For` has it, where the peer may say so.
///
/// # Errors
/// 400: the header has to be there and is not, is malformed, or comes from whom it may not.
pub(super) fn forwarded_for(
    headers: &HeaderMap,
    peer: SocketAddr,
    settings: &ForwardedFor,
) -> Result<SocketAddr, ApiError> {
    if settings.authorized.is_empty() {
        return Ok(peer);
    }
    let wrong = |message: &str| Err(ApiError::bad_request(message));
    let mut hops = Vec::new();
    for value in headers.get_all("x-forwarded-for") {
        let Ok(text) = value.to_str() else { return wrong("malformed x-forwarded-for") };
        hops.extend(text.split(',').map(str::trim));
    }
    if hops.is_empty() {
        return if settings.reject_not_present {
            wrong("missing x-forwarded-for header and configured to reject when not present")
        } else {
            Ok(peer)
        };
    }
    if !settings.authorized.iter().any(|network: &Network| network.contains(peer.ip())) {
        return if settings.reject_not_authorized {
            wrong("client address not authorized for x-forwarded-for, rejecting connection")
        } else {
            Ok(peer)
        };
    }
    // The last hop is the one that the peer itself saw.
    let Some(at) = hops.len().checked_sub(1 + settings.hop_skips) else {
        return wrong("malformed x-forwarded-for: more hops are to be skipped than there are");
    };
    match hops[at].trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) => Ok(SocketAddr::new(address, peer.port())),
        Err(_) => wrong("malformed x-forwarded-for"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer() -> SocketAddr {
        "10.0.0.9:4711".parse().unwrap()
    }

    fn from(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn headers_of_version_1_are_read_to_the_letter() {
        let parse = |line: &str| parse_1(line.as_bytes(), peer());
        assert_eq!(
            parse("PROXY TCP4 192.0.2.1 10.0.0.1 5000 8200\r\n"),
            Some(from("192.0.2.1:5000"))
        );
        assert_eq!(
            parse("PROXY TCP6 2001:db8::1 ::1 5000 8200\r\n"),
            Some(from("[2001:db8::1]:5000"))
        );
        assert_eq!(parse("PROXY UNKNOWN\r\n"), Some(peer()));
        for bad in ["PROXY\r\n", "PROXY TCP4 x y 1 2\r\n", "PROXY TCP4 192.0.2.1\r\n", "PROXY TCP4"]
        {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn headers_of_version_2_are_read_to_the_byte() {
        let v4 = [192, 0, 2, 1, 10, 0, 0, 1, 0x13, 0x88, 0x20, 0x08];
        assert_eq!(parse_2(0x21, 0x11, &v4, peer()), Some(from("192.0.2.1:5000")));
        assert_eq!(parse_2(0x20, 0x00, &[], peer()), Some(peer()));
        assert_eq!(parse_2(0x21, 0x11, &v4[..9], peer()), None);
        assert_eq!(parse_2(0x22, 0x11, &v4, peer()), None);
        assert_eq!(parse_2(0x21, 0x51, &v4, peer()), None);
        let mut v6 = [0; 36];
        (v6[15], v6[32], v6[33]) = (1, 0x13, 0x88);
        assert_eq!(parse_2(0x21, 0x21, &v6, peer()), Some(from("[::1]:5000")));
    }

    #[test]
    fn forwarded_addresses_count_only_from_those_who_may_name_them() {
        let settings = ForwardedFor {
            authorized: vec![Network::parse("10.0.0.0/8").unwrap()],
            hop_skips: 0,
            reject_not_present: true,
            reject_not_authorized: true,
        };
        let headers = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-forwarded-for", value.parse().unwrap());
            }
            headers
        };
        let of = |values: &[&str], settings: &ForwardedFor| {
            forwarded_for(&headers(values), peer(), settings).map(|a| a.ip().to_string()).ok()
        };
        assert_eq!(of(&["192.0.2.1"], &ForwardedFor::default()).unwrap(), "10.0.0.9", "off");
        assert_eq!(of(&["192.0.2.1, 192.0.2.2"], &settings).unwrap(), "192.0.2.2");
        assert_eq!(of(&["192.0.2.1", "2001:db8::1"], &settings).unwrap(), "2001:db8::1");
        let skip = ForwardedFor { hop_skips: 1, ..settings.clone() };
        assert_eq!(of(&["192.0.2.1, 192.0.2.2"], &skip).unwrap(), "192.0.2.1");
        assert_eq!(of(&["192.0.2.1"], &skip), None);
        assert_eq!(of(&["nonsense"], &settings), None);
        assert_eq!(of(&[], &settings), None);
        let other = Network::parse("172.16.0.0/12").unwrap();
        let strict = ForwardedFor { authorized: vec![other], ..settings };
        assert_eq!(of(&["192.0.2.1"], &strict), None);
        let loose =
            ForwardedFor { reject_not_authorized: false, reject_not_present: false, ..strict };
        assert_eq!(of(&["192.0.2.1"], &loose).unwrap(), "10.0.0.9");
        assert_eq!(of(&[], &loose).unwrap(), "10.0.0.9");
    }
}
