//! Answers: status, and a body that has a length or comes in chunks.

use anyhow::{Context as _, Result};

/// An answer that has arrived.
pub struct Response<'b> {
    /// Status code.
    pub status: u16,
    body: &'b [u8],
    chunked: bool,
}

enum Length {
    Known(usize),
    Chunked,
}

impl<'b> Response<'b> {
    /// Whether these bytes are a whole answer. Nothing is sent before it is there, so nothing
    /// follows it.
    pub fn is_whole(bytes: &[u8]) -> Result<bool> {
        let Some(head) = head(bytes) else { return Ok(false) };
        Ok(match length(&bytes[..head])? {
            Length::Known(length) => bytes.len() >= head + length,
            Length::Chunked => bytes[head..].ends_with(b"0\r\n\r\n"),
        })
    }

    /// Takes a whole answer apart.
    pub fn of(bytes: &'b [u8]) -> Result<Self> {
        let head = head(bytes).context("an answer without an end of its headers")?;
        let status = bytes.get(9..12).context("a status line that is too short")?;
        Ok(Self {
            status: std::str::from_utf8(status)?.parse()?,
            body: &bytes[head..],
            chunked: matches!(length(&bytes[..head])?, Length::Chunked),
        })
    }

    /// The body, chunks put together.
    pub fn body(&self) -> Result<Vec<u8>> {
        if !self.chunked {
            return Ok(self.body.to_vec());
        }
        let (mut whole, mut rest) = (Vec::new(), self.body);
        loop {
            let line = rest.windows(2).position(|w| w == b"\r\n").context("a chunk's length")?;
            let length = usize::from_str_radix(std::str::from_utf8(&rest[..line])?.trim(), 16)?;
            if length == 0 {
                return Ok(whole);
            }
            let chunk = rest.get(line + 2..line + 2 + length).context("a chunk that is cut off")?;
            whole.extend_from_slice(chunk);
            rest = rest.get(line + 4 + length..).context("a chunk without an end")?;
        }
    }
}

/// Where the headers end.
fn head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4)
}

fn length(head: &[u8]) -> Result<Length> {
    for line in head.split(|b| *b == b'\n') {
        let Some(colon) = line.iter().position(|b| *b == b':') else { continue };
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if name.eq_ignore_ascii_case(b"content-length") {
            return Ok(Length::Known(std::str::from_utf8(value)?.trim().parse()?));
        }
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            return Ok(Length::Chunked);
        }
    }
    Ok(Length::Known(0))
}

#[cfg(test)]
mod tests {
    use super::Response;

    #[test]
    fn answers_with_a_length_in_chunks_and_without_a_body() {
        let known = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        assert!(!Response::is_whole(&known[..20]).unwrap());
        assert!(!Response::is_whole(&known[..known.len() - 1]).unwrap());
        assert!(Response::is_whole(known).unwrap());
        let answer = Response::of(known).unwrap();
        assert_eq!((answer.status, answer.body().unwrap().as_slice()), (200, &b"ok"[..]));
        let chunks = b"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\na\r\n0123456789\r\n0\r\n\r\n";
        assert!(Response::is_whole(chunks).unwrap());
        assert_eq!(Response::of(chunks).unwrap().body().unwrap(), b"ab0123456789");
        assert!(!Response::is_whole(&chunks[..chunks.len() - 5]).unwrap());
        assert!(Response::is_whole(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap());
    }
}
