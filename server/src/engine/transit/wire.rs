//! Text forms: base64 as clients write it, and `vault:v<N>:<base64>`.

use base64::DecodeError;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, Engine, GeneralPurpose, GeneralPurposeConfig};

use crate::logical::{ApiError, ApiResult};

/// Standard base64. Stray bits in the last symbol are taken, as other servers do.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// Where base64 text is wrong; the text itself is a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("illegal base64 data at input byte {0}")]
pub(super) struct BadBase64(usize);

impl From<BadBase64> for ApiError {
    fn from(e: BadBase64) -> Self {
        Self::bad_request(e.to_string())
    }
}

/// Appends what `text` encodes to `out`. Line breaks within the text are passed over.
pub(super) fn decode_into(text: &str, out: &mut Vec<u8>) -> Result<(), BadBase64> {
    let start = out.len();
    let Err(error) = BASE64.decode_vec(text, out) else { return Ok(()) };
    out.truncate(start);
    if text.contains(['\r', '\n']) {
        let joined: zeroize::Zeroizing<String> =
            text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect::<String>().into();
        return decode_into(&joined, out);
    }
    Err(BadBase64(match error {
        DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol(at, _) => at,
        DecodeError::InvalidLength(len) => len / 4 * 4,
        DecodeError::InvalidPadding => text.len() / 4 * 4,
    }))
}

/// What `text` encodes.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, BadBase64> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    decode_into(text, &mut out)?;
    Ok(out)
}

/// Appends `vault:v<version>:`.
pub(super) fn push_prefix(version: u32, out: &mut String) {
    out.push_str("vault:v");
    push_version(version, out);
    out.push(':');
}

/// Appends the digits of a version; most have one.
pub(super) fn push_version(version: u32, out: &mut String) {
    match u8::try_from(version) {
        Ok(digit @ 0..10) => out.push(char::from(b'0' + digit)),
        _ => out.push_str(&version.to_string()),
    }
}

/// Version and body of `vault:v<N>:<body>`. `what` names the text in errors. Version 0 is what very
/// old servers wrote for the first.
pub(super) fn split<'a>(text: &'a str, what: &str) -> ApiResult<(i64, &'a str)> {
    let (version, body) = split_exactly(text, what)?;
    Ok((if version == 0 { 1 } else { version }, body))
}

/// As [`split`], with the version as it stands.
pub(super) fn split_exactly<'a>(text: &'a str, what: &str) -> ApiResult<(i64, &'a str)> {
    let bad = |why: &str| ApiError::bad_request(format!("{what}: {why}"));
    let rest = text.strip_prefix("vault:v").ok_or_else(|| bad("no prefix"))?;
    let (version, body) = rest.split_once(':').ok_or_else(|| bad("wrong number of fields"))?;
    let version: i64 = version.parse().map_err(|_| bad("version number could not be decoded"))?;
    Ok((version, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_as_clients_write_it() {
        assert_eq!(decode("aGVsbG8=").unwrap(), b"hello");
        assert_eq!(decode("aGVs\r\nbG8=\n").unwrap(), b"hello");
        assert_eq!(decode("aGVsbG9=").unwrap(), b"hello");
        assert_eq!(decode("").unwrap(), b"");
        assert_eq!(decode("!!"), Err(BadBase64(0)));
        assert_eq!(decode("aGVsbG8"), Err(BadBase64(4)));
        assert!(decode("aGVs\nbG8").is_err());
        let mut out = b"kept".to_vec();
        assert!(decode_into("aGV!", &mut out).is_err());
        assert_eq!(out, b"kept");
    }

    #[test]
    fn prefixes_are_written_and_read() {
        for version in [1, 9, 10, 4_000_000_000] {
            let mut text = String::new();
            push_prefix(version, &mut text);
            text.push_str("AAAA");
            assert_eq!(split(&text, "x").unwrap(), (i64::from(version), "AAAA"));
        }
        assert_eq!(split("vault:v0:", "x").unwrap(), (1, ""));
        for (text, why) in [
            ("junk", "x: no prefix"),
            ("vault:1:AA", "x: no prefix"),
            ("vault:v1", "x: wrong number of fields"),
            ("vault:vx:AA", "x: version number could not be decoded"),
        ] {
            assert_eq!(split(text, "x").unwrap_err().errors, [why]);
        }
    }
}
