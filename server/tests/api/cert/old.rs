//! Certificates of version 1, which nothing that is in use makes any more.

/// The certificate as one of version 1, which has neither version nor extensions; whoever signed it
/// signed something else.
pub(super) fn of_version_1(der: &[u8]) -> Vec<u8> {
    let (tbs, rest) = element(inside(der));
    let (_version, mut fields) = element(inside(tbs));
    let mut kept = Vec::new();
    while !fields.is_empty() {
        let (field, after) = element(fields);
        // [3] are the extensions.
        kept.extend((field[0] != 0xa3).then_some(field));
        fields = after;
    }
    sequence(&[&sequence(&kept), rest])
}

/// One element of DER: its length with the bytes in front, and the rest.
fn element(der: &[u8]) -> (&[u8], &[u8]) {
    let (head, len) = match der[1] {
        short @ ..=0x7f => (2, usize::from(short)),
        0x81 => (3, usize::from(der[2])),
        _ => (4, usize::from(der[2]) << 8 | usize::from(der[3])),
    };
    der.split_at(head + len)
}

fn inside(element: &[u8]) -> &[u8] {
    let head = if element[1] < 0x80 { 2 } else { 2 + usize::from(element[1] & 0x7f) };
    &element[head..]
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let len = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&[0x30, 0x82, len[0], len[1]], body.as_slice()].concat()
}
