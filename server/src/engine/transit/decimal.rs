//! Large numbers in decimal, as backups write them.

use zeroize::Zeroizing;

/// Digits that one step takes: 10^9 fits 32 bits, and so a step fits 64.
const STEP: usize = 9;
const BASE: u64 = 1_000_000_000;
/// Longest number that is read, in digits: 16,384 bits.
const DIGITS_MAX: usize = 4_933;

/// The number of these bytes, highest first.
pub(super) fn encode(bytes: &[u8]) -> Zeroizing<String> {
    // Groups of nine digits, lowest first.
    let mut groups: Zeroizing<Vec<u32>> = Zeroizing::new(Vec::with_capacity(bytes.len() / 3 + 2));
    for byte in bytes {
        let mut carry = u64::from(*byte);
        for group in groups.iter_mut() {
            let value = (u64::from(*group) << 8) + carry;
            *group = u32::try_from(value % BASE).unwrap_or(0);
            carry = value / BASE;
        }
        if carry > 0 {
            groups.push(u32::try_from(carry).unwrap_or(0));
        }
    }
    let mut text = Zeroizing::new(String::with_capacity(groups.len() * STEP + 1));
    for (i, group) in groups.iter().rev().enumerate() {
        let digits = Zeroizing::new(if i == 0 { group.to_string() } else { format!("{group:09}") });
        text.push_str(&digits);
    }
    if text.is_empty() {
        text.push('0');
    }
    text
}

/// The bytes of a number, highest first, without leading zeros; `None` if it is none.
pub(super) fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    if text.is_empty() || text.len() > DIGITS_MAX || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // Lowest first.
    let mut bytes: Zeroizing<Vec<u8>> = Zeroizing::new(Vec::with_capacity(text.len() / 2 + 8));
    let (head, rest) = text.split_at(text.len() % STEP);
    let groups = std::iter::once(head)
        .chain((0..rest.len() / STEP).map(|i| &rest[i * STEP..(i + 1) * STEP]));
    for group in groups.filter(|group| !group.is_empty()) {
        let mut carry: u64 = group.parse().ok()?;
        for byte in bytes.iter_mut() {
            let value = u64::from(*byte) * BASE + carry;
            *byte = u8::try_from(value & 0xff).unwrap_or(0);
            carry = value >> 8;
        }
        while carry > 0 {
            bytes.push(u8::try_from(carry & 0xff).unwrap_or(0));
            carry >>= 8;
        }
    }
    bytes.reverse();
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_both_ways() {
        for (text, bytes) in [
            ("0", &[][..]),
            ("7", &[7]),
            ("255", &[255]),
            ("256", &[1, 0]),
            ("65537", &[1, 0, 1]),
            ("1000000000", &[0x3b, 0x9a, 0xca, 0x00]),
            ("18446744073709551616", &[1, 0, 0, 0, 0, 0, 0, 0, 0]),
        ] {
            assert_eq!(*encode(bytes), text);
            assert_eq!(**decode(text).unwrap(), *bytes, "{text}");
        }
        let long: Vec<u8> = (1..=200).collect();
        assert_eq!(**decode(&encode(&long)).unwrap(), *long);
        for text in ["", "-1", "1.5", "1e5", "x", &"9".repeat(DIGITS_MAX + 1)] {
            assert!(decode(text).is_none(), "{text}");
        }
    }
}
