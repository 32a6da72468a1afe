//! Prints answers: as a table, as JSON, or one field bare.

use std::io::{IsTerminal, Write};

use clap::ValueEnum;
use serde_json::Value;

use super::client::Answer;
use super::error::CliError;
use super::table::{self, Rows};

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Two columns.
    Table,
    /// The server's JSON, indented.
    Json,
}

/// Where and how answers are printed.
pub(super) struct Output {
    format: Format,
    field: Option<String>,
}

impl Output {
    /// One field, if given, wins over the format.
    pub(super) fn new(format: Format, field: Option<String>) -> Self {
        Self { format, field }
    }

    /// Whether the user wants JSON.
    pub(super) fn is_json(&self) -> bool {
        self.format == Format::Json && self.field.is_none()
    }

    /// The field that the user wants bare.
    pub(super) fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// An answer of any path.
    pub(super) fn answer(&self, answer: &Answer) -> Result<(), CliError> {
        if let Some(name) = &self.field {
            return self.one_field(&answer.body, name);
        }
        if self.is_json() {
            return self.json(&answer.body);
        }
        self.warnings(&answer.body);
        self.rows(&rows(&answer.body))
    }

    /// A list of names under `data.keys`.
    pub(super) fn keys(&self, answer: &Answer) -> Result<(), CliError> {
        let keys = &answer.body["data"]["keys"];
        if self.is_json() {
            return self.json(keys);
        }
        self.warnings(&answer.body);
        let names: Vec<String> =
            keys.as_array().map_or_else(Vec::new, |k| k.iter().map(table::plain).collect());
        let cells: Vec<[&str; 1]> = names.iter().map(|name| [name.as_str()]).collect();
        self.text(&table::columns(["Keys"], &cells))
    }

    /// A two-column table, or one row's value when the user asked for a field.
    pub(super) fn rows(&self, rows: &Rows) -> Result<(), CliError> {
        if let Some(name) = &self.field {
            let found = rows.iter().find(|(key, _)| key.trim_end_matches(':') == name);
            let (_, value) = found.ok_or_else(|| CliError::NoField(name.clone()))?;
            return self.bare(value);
        }
        self.text(&table::two_columns(rows))
    }

    /// Indented JSON.
    pub(super) fn json(&self, value: &Value) -> Result<(), CliError> {
        self.text(&format!("{value:#}\n"))
    }

    /// Text as it is.
    #[expect(clippy::unused_self, reason = "all printing goes through the output")]
    pub(super) fn text(&self, text: &str) -> Result<(), CliError> {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }

    /// A sentence about what was done; left out where a program reads.
    pub(super) fn done(&self, text: &str) -> Result<(), CliError> {
        if self.is_json() { Ok(()) } else { self.text(&format!("{text}\n")) }
    }

    /// The server's warnings, on standard error.
    #[expect(clippy::unused_self, reason = "all printing goes through the output")]
    pub(super) fn warnings(&self, body: &Value) {
        let warnings = body["warnings"].as_array().map_or(&[][..], Vec::as_slice);
        if !warnings.is_empty() {
            eprintln!("WARNING! The following warnings were returned from the server:\n");
            for warning in warnings {
                eprintln!("  * {}", table::plain(warning));
            }
            eprintln!();
        }
    }

    /// One value without a line end, unless a person reads it.
    pub(super) fn bare(&self, value: &str) -> Result<(), CliError> {
        let end = if std::io::stdout().is_terminal() { "\n" } else { "" };
        self.text(&format!("{value}{end}"))
    }

    /// A field of `data`, or of what stands beside it.
    pub(super) fn one_field(&self, body: &Value, name: &str) -> Result<(), CliError> {
        match body["data"].get(name).or_else(|| body["data"]["data"].get(name)) {
            Some(Value::String(text)) => self.bare(text),
            Some(value @ (Value::Array(_) | Value::Object(_))) => self.bare(&format!("{value:#}")),
            Some(value) => self.bare(&table::plain(value)),
            None => self.rows(&beside_data(body)),
        }
    }
}

/// All rows of an answer: lease, token and wrapping first, data after them.
fn rows(body: &Value) -> Rows {
    let mut rows = beside_data(body);
    rows.extend(table::rows_of(&body["data"]));
    rows
}

fn beside_data(body: &Value) -> Rows {
    let mut rows = Rows::new();
    let seconds = body["lease_duration"].as_u64().unwrap_or(0);
    if let Some(id) = body["lease_id"].as_str().filter(|id| !id.is_empty()) {
        rows.push(("lease_id".into(), id.to_owned()));
        rows.push(("lease_duration".into(), table::duration(seconds)));
        rows.push(("lease_renewable".into(), table::plain(&body["renewable"])));
    } else if seconds > 0 {
        rows.push(("refresh_interval".into(), table::duration(seconds)));
    }
    if body["auth"].is_object() {
        rows.extend(auth_rows(&body["auth"]));
    }
    if body["wrap_info"].is_object() {
        let wrap = &body["wrap_info"];
        let ttl = table::duration(wrap["ttl"].as_u64().unwrap_or(0));
        rows.push(("wrapping_token:".into(), table::plain(&wrap["token"])));
        rows.push(("wrapping_accessor:".into(), table::plain(&wrap["accessor"])));
        rows.push(("wrapping_token_ttl:".into(), ttl));
        for name in ["creation_time", "creation_path"] {
            rows.push((format!("wrapping_token_{name}:"), table::plain(&wrap[name])));
        }
        if let Some(accessor) = wrap["wrapped_accessor"].as_str() {
            rows.push(("wrapped_accessor:".into(), accessor.to_owned()));
        }
    }
    rows
}

/// A token as `login` and `token create` show it.
pub(super) fn auth_rows(auth: &Value) -> Rows {
    let seconds = auth["lease_duration"].as_u64().unwrap_or(0);
    let lives = if seconds == 0 { "\u{221e}".to_owned() } else { table::duration(seconds) };
    let list = |name: &str| match &auth[name] {
        Value::Null => "[]".to_owned(),
        list => list.to_string(),
    };
    let mut rows = vec![
        ("token".into(), table::plain(&auth["client_token"])),
        ("token_accessor".into(), table::plain(&auth["accessor"])),
        ("token_duration".into(), lives),
        ("token_renewable".into(), table::plain(&auth["renewable"])),
        ("token_policies".into(), list("token_policies")),
        ("identity_policies".into(), list("identity_policies")),
        ("policies".into(), list("policies")),
    ];
    if let Some(metadata) = auth["metadata"].as_object() {
        for (key, value) in metadata {
            rows.push((format!("token_meta_{key}"), table::plain(value)));
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::rows;

    #[test]
    fn a_token_and_a_wrapped_answer_have_their_rows() {
        let body = json!({"lease_id": "", "lease_duration": 0, "data": null,
            "auth": {"client_token": "t", "accessor": "a", "lease_duration": 3600,
                "renewable": true, "token_policies": ["default"], "policies": ["default"]},
            "wrap_info": {"token": "w", "accessor": "x", "ttl": 1800, "creation_time": "now",
                "creation_path": "p"}});
        let text: Vec<_> = rows(&body).into_iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(text.len(), 12);
        assert_eq!(text[2], "token_duration=1h");
        assert_eq!(text[4], "token_policies=[\"default\"]");
        assert_eq!(text[9], "wrapping_token_ttl:=30m");
    }
}
