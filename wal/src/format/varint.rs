//! Unsigned LEB128 for record lengths, canonical: one encoding per number.

/// Most bytes that a 32-bit number takes.
pub(crate) const VARINT_BYTES_MAX: usize = 5;

/// Bytes that `value` takes.
pub(crate) fn encoded_len(value: u32) -> usize {
    match value {
        0..=0x7f => 1,
        0x80..=0x3fff => 2,
        0x4000..=0x1f_ffff => 3,
        0x20_0000..=0xfff_ffff => 4,
        _ => 5,
    }
}

/// Appends `value`.
pub(crate) fn encode(mut value: u32, out: &mut Vec<u8>) {
    loop {
        let low = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Reads a number off the front. `None` when it is cut short, longer than needed or over 32 bits.
pub(crate) fn decode(bytes: &mut &[u8]) -> Option<u32> {
    let mut value = 0u64;
    for index in 0..VARINT_BYTES_MAX {
        let byte = *bytes.get(index)?;
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            if index > 0 && byte == 0 {
                return None;
            }
            *bytes = &bytes[index + 1..];
            return u32::try_from(value).ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(value: u32, rest: Vec<u8>) {
            let mut bytes = Vec::new();
            encode(value, &mut bytes);
            prop_assert_eq!(bytes.len(), encoded_len(value));
            bytes.extend_from_slice(&rest);
            let mut slice = bytes.as_slice();
            prop_assert_eq!(decode(&mut slice), Some(value));
            prop_assert_eq!(slice, rest.as_slice());
        }

        #[test]
        fn any_bytes_decode_to_their_only_encoding_or_nothing(bytes: Vec<u8>) {
            let mut slice = bytes.as_slice();
            if let Some(value) = decode(&mut slice) {
                let mut again = Vec::new();
                encode(value, &mut again);
                prop_assert_eq!(&bytes[..bytes.len() - slice.len()], again.as_slice());
            }
        }
    }

    // Lengths are announced before anything is encoded: at the edges too they have to be right.
    #[test]
    fn the_announced_length_is_that_of_the_encoding() {
        for bits in 1..=32 {
            for value in [u32::MAX >> (32 - bits), 1 << (bits - 1)] {
                let mut bytes = Vec::new();
                encode(value, &mut bytes);
                assert_eq!(bytes.len(), encoded_len(value), "{value:#x}");
            }
        }
    }

    #[test]
    fn overlong_and_oversized_numbers_are_refused() {
        for bad in [&[0x80, 0x00][..], &[0xff; 5], &[0x80], &[], &[0xff, 0xff, 0xff, 0xff, 0x1f]] {
            assert_eq!(decode(&mut &bad[..]), None, "{bad:?}");
        }
    }

    #[test]
    fn the_smallest_and_the_largest_numbers_come_back() {
        for value in [0, 1, 0x7f, 0x80, 0x3fff, 0x4000, u32::MAX] {
            let mut bytes = Vec::new();
            encode(value, &mut bytes);
            assert_eq!(decode(&mut bytes.as_slice()), Some(value));
        }
    }
}
