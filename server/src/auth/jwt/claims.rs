//! What a role expects of a token's claims.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::auth::glob::fits;

/// The claim of a name, or behind a JSON pointer (RFC 6901) when it begins with a slash.
pub(super) fn find<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c Value> {
    let Some(rest) = name.strip_prefix('/') else { return claims.get(name) };
    let unescape = |part: &str| part.replace("~1", "/").replace("~0", "~");
    let (first, rest) = match rest.split_once('/') {
        Some((first, rest)) => (first, format!("/{rest}")),
        None => (rest, String::new()),
    };
    claims.get(&unescape(first))?.pointer(&rest)
}

/// The parts of a list, or a lone value as a list of one.
fn list(value: &Value) -> &[Value] {
    match value {
        Value::Array(all) => all,
        one => std::slice::from_ref(one),
    }
}

/// Whether each bound claim has one of the values bound to it.
///
/// # Errors
/// The text for the client.
pub(super) fn check_bound(
    claims: &Map<String, Value>,
    bound: &Map<String, Value>,
    globs: bool,
) -> Result<(), String> {
    for (name, wanted) in bound {
        let found = find(claims, name).ok_or_else(|| format!("claim {name:?} is missing"))?;
        let same = |wanted: &Value, found: &Value| match (wanted, found) {
            (Value::String(pattern), Value::String(text)) if globs => fits(pattern, text),
            (wanted, found) => !globs && wanted == found,
        };
        if !list(found).iter().any(|found| list(wanted).iter().any(|wanted| same(wanted, found))) {
            return Err(format!("claim {name:?} does not match any associated bound claim values"));
        }
    }
    Ok(())
}

/// Whether a token is for one of those that a role is bound to.
///
/// # Errors
/// The text for the client.
pub(super) fn check_audience(
    claims: &Map<String, Value>,
    bound: &[String],
) -> Result<(), &'static str> {
    let audience: Vec<&str> = match claims.get("aud") {
        None | Some(Value::Null) => Vec::new(),
        Some(given) => list(given)
            .iter()
            .map(Value::as_str)
            .collect::<Option<_>>()
            .ok_or("the audience (aud) claim is neither a string nor a list of strings")?,
    };
    if bound.is_empty() {
        let silent = audience.iter().all(|a| a.is_empty());
        return if silent { Ok(()) } else { Err(UNBOUND) };
    }
    if audience.iter().any(|a| bound.iter().any(|b| b == a)) {
        return Ok(());
    }
    Err("invalid audience (aud) claim: audience claim does not match any expected audience")
}

/// A token says for whom it is, and the role does not.
pub(super) const UNBOUND: &str = "audience claim found in JWT but no audiences bound to the role";

/// The groups in a claim.
///
/// # Errors
/// The text for the client.
pub(super) fn groups(claims: &Map<String, Value>, name: &str) -> Result<Vec<String>, String> {
    let found = find(claims, name)
        .filter(|found| !found.is_null())
        .ok_or_else(|| format!("failed to fetch groups: {name:?} claim not found in token"))?;
    let text = |value: &Value| {
        let text = value.as_str().map(str::to_owned);
        text.ok_or_else(|| format!("value {value} in groups claim could not be parsed as string"))
    };
    list(found).iter().map(text).collect()
}

/// The claims that become metadata.
///
/// # Errors
/// The text for the client.
pub(super) fn metadata(
    claims: &Map<String, Value>,
    mappings: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, String> {
    let mut all = BTreeMap::new();
    for (name, to) in mappings {
        // Null is as good as no claim.
        let Some(found) = find(claims, name).filter(|found| !found.is_null()) else { continue };
        let text =
            found.as_str().ok_or_else(|| format!("error converting claim '{name}' to string"))?;
        all.insert(to.clone(), text.to_owned());
    }
    Ok(all)
}
