//! Lets long options have one dash, as users of Vault's client write them: `-format=json`.

use std::ffi::OsString;

/// Rewrites `-name` and `-name=value` to `--name`; single letters, numbers, `-` and whatever follows
/// `--` stay as they are.
pub(super) fn with_two_dashes(
    arguments: impl Iterator<Item = OsString>,
) -> impl Iterator<Item = OsString> {
    let mut literal = false;
    arguments.map(move |argument| {
        literal |= argument == "--";
        match argument.to_str() {
            Some(text) if !literal && is_long(text) => format!("-{text}").into(),
            _ => argument,
        }
    })
}

/// One dash, then a name of two letters or more.
fn is_long(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('-') else { return false };
    let name = rest.split_once('=').map_or(rest, |(name, _)| name);
    name.len() > 1 && name.starts_with(|c: char| c.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::with_two_dashes;

    #[test]
    fn only_long_names_gain_a_dash() {
        let given = [
            "strongroom",
            "kv",
            "put",
            "-mount=secret",
            "-cas",
            "3",
            "-f",
            "-h",
            "--field=x",
            "a=-b",
            "-",
            "-5",
            "--",
            "-format=json",
        ];
        let wanted = [
            "strongroom",
            "kv",
            "put",
            "--mount=secret",
            "--cas",
            "3",
            "-f",
            "-h",
            "--field=x",
            "a=-b",
            "-",
            "-5",
            "--",
            "-format=json",
        ];
        let rewritten: Vec<_> = with_two_dashes(given.iter().map(OsString::from)).collect();
        assert_eq!(rewritten, wanted);
    }
}
