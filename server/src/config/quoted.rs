//! Names in quotes: `"listener" "tcp" { "address" = ... }`, as the first version of HCL has them.
//!
//! The quotes become spaces, so that every place in the text stays where it is.

use std::borrow::Cow;

/// The same text without quotes around the names that begin an item.
pub(super) fn bare(text: &str) -> Cow<'_, str> {
    let mut bytes = Vec::new();
    let mut begins = true;
    let mut rest = text;
    let mut at = 0;
    while let Some(c) = rest.chars().next() {
        if begins && let Some(name) = quoted_name(rest) {
            if bytes.is_empty() {
                bytes = text.as_bytes().to_vec();
            }
            bytes[at] = b' ';
            bytes[at + 1 + name.len()] = b' ';
        }
        begins = matches!(c, '\n' | '{') || (begins && c.is_whitespace());
        at += c.len_utf8();
        rest = &text[at..];
    }
    match String::from_utf8(bytes) {
        Ok(changed) if !changed.is_empty() => Cow::Owned(changed),
        _ => Cow::Borrowed(text),
    }
}

/// The name in `"name" = ...`, `"name" { ...` or `"name" "label" ...`.
fn quoted_name(text: &str) -> Option<&str> {
    let (name, rest) = text.strip_prefix('"')?.split_once('"')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let named = name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(plain);
    let follows = rest.trim_start_matches([' ', '\t']).chars().next();
    (named && matches!(follows, Some('=' | '{' | '"'))).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::bare;

    #[test]
    fn only_names_that_begin_an_item_lose_their_quotes() {
        for (text, want) in [
            ("\"a\" = \"b\"\n", " a  = \"b\"\n"),
            ("\"x\" \"tcp\" { \"y\" = 1 }", " x  \"tcp\" {  y  = 1 }"),
            ("x \"tcp\" {\n  \"y-z\" {}\n}", "x \"tcp\" {\n   y-z  {}\n}"),
            ("a = [\n \"b\", \"c\"\n]", "a = [\n \"b\", \"c\"\n]"),
            ("a = \"{ \\\"b\\\" = 1\"", "a = \"{ \\\"b\\\" = 1\""),
            ("\"ä\" = 1", "\"ä\" = 1"),
            ("\"", "\""),
        ] {
            assert_eq!(bare(text), want);
        }
    }
}
