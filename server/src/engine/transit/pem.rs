//! PEM (RFC 7468): writing it, and reading the first block of a kind.

use base64::Engine;
use rustls_pki_types::pem::{PemObject, SectionKind};
use zeroize::Zeroizing;

use super::wire::BASE64;

/// Characters of a line.
const LINE: usize = 64;

/// A block with a line break at its end.
pub(super) fn encode(label: &str, der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(BASE64.encode(der));
    let mut text = Zeroizing::new(String::with_capacity(body.len() / LINE * 65 + 128));
    text.push_str("-----BEGIN ");
    text.push_str(label);
    text.push_str("-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(LINE));
        text.push_str(line);
        text.push('\n');
        rest = tail;
    }
    text.push_str("-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    text
}

/// The content of the first block, which must be of this kind.
pub(super) fn decode(text: &str, kind: SectionKind) -> Option<Vec<u8>> {
    let block = <(SectionKind, Vec<u8>)>::pem_slice_iter(text.as_bytes()).next()?.ok()?;
    (block.0 == kind).then_some(block.1)
}

/// The contents of all blocks, which must be of this kind, in order; `None` when one is not.
pub(super) fn decode_all(text: &str, kind: SectionKind) -> Option<Vec<Vec<u8>>> {
    <(SectionKind, Vec<u8>)>::pem_slice_iter(text.as_bytes())
        .map(|block| block.ok().filter(|(found, _)| *found == kind).map(|(_, der)| der))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read_as_they_were_written() {
        for len in [1, 47, 48, 49, 500] {
            let der = vec![9; len];
            let text = encode("PUBLIC KEY", &der);
            assert!(text.lines().all(|line| line.len() <= LINE));
            assert_eq!(decode(&text, SectionKind::PublicKey), Some(der), "{len}");
            assert_eq!(decode(&text, SectionKind::PrivateKey), None);
        }
        assert_eq!(decode("junk", SectionKind::PublicKey), None);
        let two = [encode("CERTIFICATE", &[1]).as_str(), &encode("CERTIFICATE", &[2])].concat();
        assert_eq!(decode_all(&two, SectionKind::Certificate), Some(vec![vec![1], vec![2]]));
    }
}
