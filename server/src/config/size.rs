//! Sizes as people write them: `1073741824`, `"512mb"`, `"1 GiB"`.

/// Bytes of a size; units are powers of 1024 (`kb` and `kib` alike, as in Vault), case does not
/// matter. `None` when it is not a size or does not fit 64 bits.
pub(super) fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::parse_bytes;

    #[test]
    fn sizes_with_and_without_units() {
        for (text, bytes) in [
            ("0", 0),
            ("1024", 1024),
            ("512kb", 512 << 10),
            ("64MiB", 64 << 20),
            (" 1 GB ", 1 << 30),
            ("2tib", 2 << 40),
        ] {
            assert_eq!(parse_bytes(text), Some(bytes), "{text}");
        }
        for text in ["", "gb", "-1", "1.5gb", "1xb", "99999999999tb", "18446744073709551616"] {
            assert_eq!(parse_bytes(text), None, "{text}");
        }
    }
}
