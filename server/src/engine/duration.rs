//! Durations as the API takes and shows them.
//!
//! In: seconds as a number or digits, or text such as `1h30m`, `1.5h`, `2d`, `-1s`. Out: `1h30m0s`.

/// Longest duration accepted, in seconds (about 290 years), so that nanoseconds fit an `i64`.
const MAX_SECONDS: i64 = i64::MAX / 1_000_000_000;

/// Whole seconds of a duration in text; parts of a second are dropped. `None` if it is malformed.
pub(crate) fn parse_seconds(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.is_empty() {
        return Some(0);
    }
    if let Ok(seconds) = text.parse::<i64>() {
        return in_range(seconds);
    }
    let (negative, mut rest) = match text.as_bytes()[0] {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest.is_empty() {
        return None;
    }
    let mut nanos: i128 = 0;
    while !rest.is_empty() {
        let (part, tail) = take_part(rest)?;
        nanos = nanos.checked_add(part)?;
        rest = tail;
    }
    let seconds = i64::try_from(nanos / 1_000_000_000).ok()?;
    in_range(if negative { -seconds } else { seconds })
}

fn in_range(seconds: i64) -> Option<i64> {
    (-MAX_SECONDS..=MAX_SECONDS).contains(&seconds).then_some(seconds)
}

/// One `<number><unit>`: its nanoseconds and what follows.
fn take_part(text: &str) -> Option<(i128, &str)> {
    let number_len = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    let (number, rest) = text.split_at(number_len);
    let unit_len = rest.bytes().take_while(|b| !b.is_ascii_digit() && *b != b'.').count();
    let (unit, rest) = rest.split_at(unit_len);
    let scale: i128 = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60 * 1_000_000_000,
        "h" => 3_600 * 1_000_000_000,
        "d" => 86_400 * 1_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() + fraction.len() == 0 || whole.len() > 19 || fraction.len() > 12 {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut nanos = whole.checked_mul(scale)?;
    if !fraction.is_empty() {
        let digits = u32::try_from(fraction.len()).ok()?;
        nanos += fraction.parse::<i128>().ok()? * scale / 10_i128.pow(digits);
    }
    Some((nanos, rest))
}

/// `1h30m0s`, `45s`, `0s`, `-1s`.
pub(crate) fn format_seconds(seconds: i64) -> String {
    let sign = if seconds < 0 { "-" } else { "" };
    let s = seconds.unsigned_abs();
    let (hours, minutes, rest) = (s / 3600, s / 60 % 60, s % 60);
    match (hours, minutes) {
        (0, 0) => format!("{sign}{rest}s"),
        (0, _) => format!("{sign}{minutes}m{rest}s"),
        _ => format!("{sign}{hours}h{minutes}m{rest}s"),
    }
}

/// `1h30m`, `45s`, `768h`: without the smaller units that are 0.
pub(crate) fn format_short(seconds: u64) -> String {
    let whole = format_seconds(i64::try_from(seconds).unwrap_or(i64::MAX));
    let hours = whole.strip_suffix("m0s").map(|rest| format!("{rest}m")).unwrap_or(whole);
    match hours.strip_suffix("h0m") {
        Some(rest) => format!("{rest}h"),
        None => hours,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_documented() {
        for (text, want) in [
            ("", Some(0)),
            ("90", Some(90)),
            ("-5", Some(-5)),
            ("1h30m", Some(5400)),
            ("1.5h", Some(5400)),
            ("2d", Some(172_800)),
            ("-1s", Some(-1)),
            ("1500ms", Some(1)),
            ("0.5s", Some(0)),
            ("1", Some(1)),
            ("junk", None),
            ("h", None),
            ("1x", None),
            ("1h-5m", None),
            (".s", None),
            ("99999999999999999999h", None),
            ("9223372036854775807", None),
        ] {
            assert_eq!(parse_seconds(text), want, "{text:?}");
        }
    }

    #[test]
    fn short_durations_leave_out_what_is_nothing() {
        for (seconds, want) in
            [(0, "0s"), (60, "1m"), (3600, "1h"), (5400, "1h30m"), (3601, "1h0m1s"), (7, "7s")]
        {
            assert_eq!(format_short(seconds), want);
        }
    }

    #[test]
    fn durations_are_shown_with_the_smaller_units() {
        for (seconds, want) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m0s"),
            (5400, "1h30m0s"),
            (90_000, "25h0m0s"),
            (-1, "-1s"),
        ] {
            assert_eq!(format_seconds(seconds), want);
        }
    }
}
