//! Request paths: what is a clean one, and what becomes of the others.
//!
//! A path decides about rights, so it has one form only. Dots and empty segments that are written
//! plainly are answered with a redirect to the clean path, as clients of the API expect; the same
//! in percent-encoding is refused.

use crate::logical::ApiError;

/// What became of a request's path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// Decoded, without `/v1/`.
    Path(String),
    /// Ask for this one instead, `/v1/` included.
    Redirect(String),
}

/// The path of a request.
///
/// # Errors
/// 404 outside `/v1/`, 400 for what has no clean form.
pub(super) fn parse(raw: &str) -> Result<Parsed, ApiError> {
    if let Some(path) = plain(raw) {
        return Ok(Parsed::Path(path.to_owned()));
    }
    if let Some(clean) = cleaned(raw) {
        return Ok(Parsed::Redirect(clean));
    }
    let Some(path) = raw.strip_prefix("/v1/") else {
        return Err(ApiError { status: 404, errors: Vec::new(), data: None });
    };
    let path = decode(path, false).ok_or_else(|| ApiError::bad_request("malformed path"))?;
    if path.split('/').any(|s| s == ".." || s == ".") {
        return Err(ApiError::bad_request("relative paths not supported"));
    }
    if path.contains("//") || path.starts_with('/') || path.chars().any(char::is_control) {
        return Err(ApiError::bad_request("the path has an empty segment or a control character"));
    }
    Ok(Parsed::Path(path))
}

/// Most paths hold nothing that needs a second look: the same as all of the below, in one pass.
fn plain(raw: &str) -> Option<&str> {
    let path = raw.strip_prefix("/v1/")?;
    let mut before = b'/';
    for byte in path.bytes() {
        let fits = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'_')
            || (byte == b'/' && before != b'/');
        if !fits {
            return None;
        }
        before = byte;
    }
    Some(path)
}

/// The clean form, if `raw` is not in it. The slash at the end stays.
fn cleaned(raw: &str) -> Option<String> {
    let dirty = raw.contains("//") || raw.split('/').any(|s| s == "." || s == "..");
    if !dirty {
        return None;
    }
    let mut segments = Vec::new();
    for segment in raw.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    let mut clean = format!("/{}", segments.join("/"));
    if raw.ends_with('/') && clean != "/" {
        clean.push('/');
    }
    Some(clean)
}

/// Percent-decoding; `plus` turns `+` into a space, as in query strings.
pub(super) fn decode(text: &str, plus: bool) -> Option<String> {
    if !text.bytes().any(|b| b == b'%' || (plus && b == b'+')) {
        return Some(text.to_owned());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            b'+' if plus => b' ',
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

/// Decoded query parameters; what cannot be decoded is left out.
pub(super) fn query(raw: &str) -> Vec<(String, String)> {
    raw.split('&')
        .filter(|pair| !pair.is_empty())
        .filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(name, true)?, decode(value, true)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clean_paths_are_decoded() {
        for (raw, want) in [
            ("/v1/secret/data/a%2fb", "secret/data/a/b"),
            ("/v1/secret/a%20b+c", "secret/a b+c"),
            ("/v1/secret/", "secret/"),
            ("/v1/", ""),
            ("/v1/a..b", "a..b"),
            ("/v1/a.", "a."),
            ("/v1/%C3%A9", "\u{e9}"),
        ] {
            assert_eq!(parse(raw).unwrap(), Parsed::Path(want.to_owned()), "{raw}");
        }
    }

    #[test]
    fn tricks_are_redirected_or_refused() {
        for (raw, want) in [
            ("/v1/secret/../sys/mounts", "/v1/sys/mounts"),
            ("/v1/secret//x", "/v1/secret/x"),
            ("/v1/secret/./x/", "/v1/secret/x/"),
            ("/v1/../../etc", "/etc"),
        ] {
            assert_eq!(parse(raw).unwrap(), Parsed::Redirect(want.to_owned()), "{raw}");
        }
        for (raw, status) in [
            ("/v1/a%2f..%2fb", 400),
            ("/v1/%2e%2e/b", 400),
            ("/v1/a/%2e/b", 400),
            ("/v1/a%2f%2fb", 400),
            ("/v1/%2fa", 400),
            ("/v1/a%00b", 400),
            ("/v1/a%zz", 400),
            ("/v1/a%f", 400),
            ("/v1/%ff", 400),
            ("/v2/a", 404),
            ("/", 404),
            ("/v1", 404),
        ] {
            assert_eq!(parse(raw).unwrap_err().status, status, "{raw}");
        }
    }

    #[test]
    fn queries_are_decoded() {
        let pairs = query("list=true&a=b+c%2B&flag&bad=%zz");
        let want = [("list", "true"), ("a", "b c+"), ("flag", "")];
        assert_eq!(pairs, want.map(|(k, v)| (k.to_owned(), v.to_owned())));
    }
}
