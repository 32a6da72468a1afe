//! Plain text tables and the words that stand for JSON values in them.

use std::fmt::Write as _;

use serde_json::Value;

/// Spaces between columns.
const GAP: usize = 4;

/// Rows of a two-column table, in order.
pub(super) type Rows = Vec<(String, String)>;

/// `Key    Value` with a line of dashes below.
pub(super) fn two_columns(rows: &Rows) -> String {
    let rows: Vec<[&str; 2]> = rows.iter().map(|(k, v)| [k.as_str(), v.as_str()]).collect();
    columns(["Key", "Value"], &rows)
}

/// Any number of columns; dashes as long as the headings. The last column is not padded.
pub(super) fn columns<const N: usize>(heads: [&str; N], rows: &[[&str; N]]) -> String {
    let dashes = heads.map(|head| "-".repeat(head.len()));
    let dashes: [&str; N] = std::array::from_fn(|i| dashes[i].as_str());
    let all = [&heads, &dashes].into_iter().chain(rows);
    let widths: [usize; N] = std::array::from_fn(|i| {
        all.clone().map(|row| row[i].chars().count()).max().unwrap_or(0) + GAP
    });
    let mut text = String::new();
    for row in all {
        let mut line = String::new();
        for (i, cell) in row.iter().enumerate() {
            let width = if i + 1 == N { 0 } else { widths[i] };
            // Writing to a string cannot fail.
            let _ = write!(line, "{cell:<width$}");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A heading in the middle of `=` signs, as wide as the table below it.
pub(super) fn heading(title: &str, below: &str) -> String {
    let width = below.lines().map(|l| l.chars().count()).max().unwrap_or(0);
    let sides = width.saturating_sub(title.chars().count() + 2) / 2;
    let sides = "=".repeat(sides.max(1));
    format!("{sides} {title} {sides}\n{below}")
}

/// The fields of an object, sorted by name.
pub(super) fn rows_of(object: &Value) -> Rows {
    let Some(object) = object.as_object() else { return Rows::new() };
    let mut rows: Rows = object.iter().map(|(k, v)| (k.clone(), word(k, v))).collect();
    rows.sort();
    rows
}

/// One value as a word: nothing is `<nil>`, times to live read as durations.
fn word(key: &str, value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() && matches!(key, "deletion_time" | "entity_id") => {
            "n/a".to_owned()
        }
        Value::Number(seconds) if key == "ttl" || key.ends_with("_ttl") => {
            seconds.as_u64().map_or_else(|| seconds.to_string(), duration)
        }
        other => plain(other),
    }
}

/// A value without regard to its name.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(plain).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(fields) => {
            let mut fields: Vec<String> =
                fields.iter().map(|(k, v)| format!("{k}:{}", plain(v))).collect();
            fields.sort();
            format!("map[{}]", fields.join(" "))
        }
    }
}

/// Seconds as `768h`, `1h30m`, `45s`.
pub(super) fn duration(seconds: u64) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut text = String::new();
    for (count, unit) in [(hours, 'h'), (minutes, 'm'), (rest, 's')] {
        if count > 0 {
            let _ = write!(text, "{count}{unit}");
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{columns, duration, heading, rows_of, two_columns};

    #[test]
    fn tables_line_up() {
        let rows = vec![("a".to_owned(), "1".to_owned()), ("long key".to_owned(), String::new())];
        assert_eq!(
            two_columns(&rows),
            "Key         Value\n---         -----\na           1\nlong key\n"
        );
        assert_eq!(columns(["Keys"], &[["a"], ["b/"]]), "Keys\n----\na\nb/\n");
        assert_eq!(heading("Data", "Key    Value\n"), "=== Data ===\nKey    Value\n");
        assert_eq!(heading("Secret Path", "s/data/a\n"), "= Secret Path =\ns/data/a\n");
    }

    #[test]
    fn values_read_as_words() {
        let rows =
            rows_of(&json!({"n": null, "m": {"b": [1, "x"], "a": true}, "creation_ttl": 5400,
            "deletion_time": "", "empty": ""}));
        let text: Vec<_> = rows.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(
            text,
            [
                "creation_ttl=1h30m",
                "deletion_time=n/a",
                "empty=",
                "m=map[a:true b:[1 x]]",
                "n=<nil>"
            ]
        );
    }

    #[test]
    fn durations() {
        for (seconds, text) in [(0, "0s"), (59, "59s"), (2_764_800, "768h"), (3661, "1h1m1s")] {
            assert_eq!(duration(seconds), text);
        }
    }
}
