//! Claims from a template: a JSON object in which `{{...}}` stands for what is known of someone.
//!
//! | template | stands for |
//! |---|---|
//! | `identity.entity.id`, `.name`, `.metadata.<key>` | text |
//! | `identity.entity.metadata` | an object |
//! | `identity.entity.groups.ids`, `.groups.names` | a list |
//! | `identity.entity.aliases.<mount accessor>.id`, `.name`, `.metadata.<key>`, `.custom_metadata.<key>` | text |
//! | `identity.entity.aliases.<mount accessor>.metadata`, `.custom_metadata` | an object |
//! | `time.now`, `time.now.plus.<duration>`, `time.now.minus.<duration>` | seconds since the epoch |
//!
//! What someone does not have is empty: text, object or list.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::engine::duration::parse_seconds;
use crate::engine::stamp::Stamp;
use crate::identity::{Metadata, Subject};

/// Claims that a template may not make: they say who signed what for whom.
const RESERVED: [&str; 10] =
    ["iat", "aud", "exp", "iss", "sub", "namespace", "nonce", "auth_time", "at_hash", "c_hash"];

/// A template as it is meant: base64 is taken for what it decodes to.
pub(super) fn plain(given: String) -> String {
    let decoded = STANDARD.decode(&given).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.unwrap_or(given)
}

/// The claims of a template for someone; for nobody, to see whether it is one.
///
/// # Errors
/// What is wrong with the template.
pub(super) fn fill(
    template: &str,
    subject: Option<&Subject>,
    now: Stamp,
) -> Result<Map<String, Value>, String> {
    if template.is_empty() {
        return Ok(Map::new());
    }
    let text = expand(template, |name| value(name, subject, now))
        .map_err(|e| format!("error parsing template: {e}"))?;
    let claims: Map<String, Value> =
        serde_json::from_str(&text).map_err(|e| format!("error parsing template JSON: {e}"))?;
    match claims.keys().find(|name| RESERVED.contains(&name.as_str())) {
        Some(name) => Err(format!(
            "top level key {name:?} not allowed. Restricted keys: {}",
            RESERVED.join(", ")
        )),
        None => Ok(claims),
    }
}

fn expand(template: &str, value: impl Fn(&str) -> Result<Value, String>) -> Result<String, String> {
    let unbalanced = || "unbalanced templating characters".to_owned();
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").ok_or_else(unbalanced)?;
        if before.contains("}}") || name.contains("{{") {
            return Err(unbalanced());
        }
        filled.push_str(before);
        filled.push_str(&value(name.trim())?.to_string());
        rest = after;
    }
    if rest.contains("}}") {
        return Err(unbalanced());
    }
    Ok(filled + rest)
}

fn value(name: &str, subject: Option<&Subject>, now: Stamp) -> Result<Value, String> {
    let unknown = || "no value could be found for one of the template directives".to_owned();
    if let Some(rest) = name.strip_prefix("time.now") {
        return time(rest, now);
    }
    if name.starts_with("identity.groups.") {
        return Err(
            "string contains groups template directives but no groups were provided".to_owned()
        );
    }
    let rest = name.strip_prefix("identity.entity.").ok_or_else(unknown)?;
    let entity = subject.map(Subject::entity);
    if let Some(rest) = rest.strip_prefix("aliases.") {
        let (accessor, field) = rest.split_once('.').ok_or_else(unknown)?;
        let alias = entity.and_then(|e| e.aliases.iter().find(|a| a.mount_accessor == accessor));
        return match field {
            "id" => Ok(json!(alias.map_or("", |a| &a.id))),
            "name" => Ok(json!(alias.map_or("", |a| &a.name))),
            field => metadata("metadata", field, alias.map(|a| &a.metadata))
                .or_else(|| metadata("custom_metadata", field, alias.map(|a| &a.custom_metadata)))
                .ok_or_else(unknown),
        };
    }
    let groups = || subject.into_iter().flat_map(Subject::groups);
    match rest {
        "id" => Ok(json!(entity.map_or("", |e| &e.id))),
        "name" => Ok(json!(entity.map_or("", |e| &e.name))),
        "groups.ids" => Ok(groups().map(|g| g.id.as_str()).collect()),
        "groups.names" => Ok(groups().map(|g| g.name.as_str()).collect()),
        rest => metadata("metadata", rest, entity.map(|e| &e.metadata)).ok_or_else(unknown),
    }
}

/// All metadata, or one text of it; `None` when `field` asks for something else.
fn metadata(all: &str, field: &str, from: Option<&Metadata>) -> Option<Value> {
    if field == all {
        return Some(from.map_or_else(|| json!({}), |m| json!(m)));
    }
    let key = field.strip_prefix(all)?.strip_prefix('.')?;
    Some(json!(from.and_then(|m| m.get(key)).map_or("", String::as_str)))
}

fn time(rest: &str, now: Stamp) -> Result<Value, String> {
    let duration = |text: &str| {
        parse_seconds(text).ok_or_else(|| format!("invalid duration: {text:?} is not one"))
    };
    let seconds = match rest.split_once('.').map(|(_, op)| op.split_once('.')) {
        None if rest.is_empty() => 0,
        Some(Some(("plus", text))) => duration(text)?,
        Some(Some(("minus", text))) => duration(text)?.saturating_neg(),
        Some(None) => return Err("missing time operand".to_owned()),
        _ => return Err("invalid time operator: plus and minus are the ones there are".to_owned()),
    };
    Ok(json!(now.plus_seconds(seconds).unix()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_looked_at_before_they_are_kept() {
        let now = Stamp::from_unix(1000);
        let fill = |text: &str| fill(text, None, now);
        let claims = fill(
            r#"{"a": {{ identity.entity.name }}, "b": {"sub": {{identity.entity.metadata}} },
                "c": {{identity.entity.groups.names}}, "d": {{time.now.plus.1m}},
                "e": {{identity.entity.aliases.x.custom_metadata.k}}}"#,
        );
        let want = json!({"a": "", "b": {"sub": {}}, "c": [], "d": 1060, "e": ""});
        assert_eq!(Value::Object(claims.unwrap()), want);
        assert!(fill("").unwrap().is_empty());
        for (text, part) in [
            ("{ bad", "error parsing template JSON"),
            ("[1]", "error parsing template JSON"),
            (r#"{"a":"{{identity.entity.name}}"}"#, "error parsing template JSON"),
            (r#"{"aud":"x"}"#, r#"top level key "aud" not allowed"#),
            (r#"{"a":{{identity.entity.id}"#, "unbalanced"),
            (r#"{"a":{{identity.entity.nope}} }"#, "no value could be found"),
            (r#"{"a":{{identity.entity.aliases.x}} }"#, "no value could be found"),
            (r#"{"a":{{identity.groups.names.g.id}} }"#, "no groups"),
            (r#"{"a":{{time.now.plus.x}} }"#, "invalid duration"),
            (r#"{"a":{{time.now.plus}} }"#, "missing time operand"),
            (r#"{"a":{{time.nowhere}} }"#, "invalid time operator"),
        ] {
            let error = fill(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert_eq!(plain("eyJhIjogMX0=".to_owned()), r#"{"a": 1}"#);
    }
}
