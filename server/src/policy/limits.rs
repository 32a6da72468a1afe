//! What a rule asks of a call beyond its capability: parameters and wrapping.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Names (in lower case, `*` for all others) with the values in question; no values mean any.
pub(super) type Parameters = BTreeMap<String, Vec<Value>>;

/// The limits of one rule. Each part that is absent limits nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// If there are any, only these parameters with these values.
    pub(super) allowed: Parameters,
    /// Never these parameters with these values.
    pub(super) denied: Parameters,
    /// All of these parameters.
    pub(super) required: Vec<String>,
    /// Seconds; the answer has to be wrapped for at least so long.
    pub(super) min_wrapping_ttl: Option<u64>,
    /// Seconds; the answer has to be wrapped for at most so long.
    pub(super) max_wrapping_ttl: Option<u64>,
    /// Keys that a LIST answers at most.
    pub(super) page_max: Option<usize>,
}

impl Limits {
    /// Both, as the same pattern in two policies means it: names are united, a name without values
    /// stays without, and the lower wrapping times count.
    #[must_use]
    pub(super) fn union(&self, other: &Self) -> Self {
        let mut required = self.required.clone();
        required.extend(other.required.iter().filter(|r| !self.required.contains(r)).cloned());
        Self {
            allowed: unite(&self.allowed, &other.allowed),
            denied: unite(&self.denied, &other.denied),
            required,
            min_wrapping_ttl: lower(self.min_wrapping_ttl, other.min_wrapping_ttl),
            max_wrapping_ttl: lower(self.max_wrapping_ttl, other.max_wrapping_ttl),
            page_max: lower(self.page_max, other.page_max),
        }
    }

    /// Whether parameters matter at all.
    pub(super) fn about_parameters(&self) -> bool {
        !(self.allowed.is_empty() && self.denied.is_empty() && self.required.is_empty())
    }

    /// Whether a write or a read with these parameters is within the limits.
    pub(super) fn allow_parameters(&self, given: &Map<String, Value>) -> bool {
        if !self.required.iter().all(|name| given.contains_key(name)) {
            return false;
        }
        let others_denied = !given.is_empty() && self.denied.contains_key("*");
        !others_denied && given.iter().all(|(name, value)| self.allow(&name.to_lowercase(), value))
    }

    fn allow(&self, name: &str, value: &Value) -> bool {
        if self.denied.get(name).is_some_and(|values| holds(values, value)) {
            return false;
        }
        if self.allowed.is_empty() {
            return true;
        }
        let values = self.allowed.get(name).or_else(|| self.allowed.get("*"));
        values.is_some_and(|values| holds(values, value))
    }

    /// Whether an answer that is wrapped for so many seconds, or not at all, is within the limits.
    pub(super) fn allow_wrapping(&self, ttl: Option<u64>) -> bool {
        if self.min_wrapping_ttl.is_none() && self.max_wrapping_ttl.is_none() {
            return true;
        }
        let Some(ttl) = ttl else { return false };
        self.min_wrapping_ttl.is_none_or(|min| ttl >= min)
            && self.max_wrapping_ttl.is_none_or(|max| ttl <= max)
    }
}

fn unite(a: &Parameters, b: &Parameters) -> Parameters {
    let mut all = a.clone();
    for (name, values) in b {
        match all.get_mut(name) {
            None => {
                all.insert(name.clone(), values.clone());
            }
            Some(known) if known.is_empty() || values.is_empty() => known.clear(),
            Some(known) => known.extend(values.iter().cloned()),
        }
    }
    all
}

fn lower<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn holds(values: &[Value], value: &Value) -> bool {
    values.is_empty() || values.iter().any(|pattern| fits(pattern, value))
}

/// Text may have a `*` at either end; everything else has to be equal.
fn fits(pattern: &Value, value: &Value) -> bool {
    let (Value::String(pattern), Value::String(text)) = (pattern, value) else {
        return pattern == value;
    };
    glob(pattern, text)
}

/// A pattern with a `*` at its start, its end, at both or at neither.
pub fn glob(pattern: &str, text: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(rest), Some(_)) => text.contains(rest.strip_suffix('*').unwrap_or("")),
        (Some(end), None) => text.ends_with(end),
        (None, Some(start)) => text.starts_with(start),
        (None, None) => pattern == text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parameters(value: &Value) -> Parameters {
        serde_json::from_value(value.clone()).unwrap()
    }

    fn allowed(value: &Value) -> Limits {
        Limits { allowed: parameters(value), ..Limits::default() }
    }

    fn denied(value: &Value) -> Limits {
        Limits { denied: parameters(value), ..Limits::default() }
    }

    fn allows(limits: &Limits, body: Value) -> bool {
        let Value::Object(map) = body else { panic!("an object is expected") };
        limits.allow_parameters(&map)
    }

    #[test]
    fn allowed_parameters_with_their_values() {
        let l = allowed(&json!({"x": ["1", "a*", true, 5], "y": []}));
        for (body, want) in [
            (json!({}), true),
            (json!({"x": "1"}), true),
            (json!({"X": "1"}), true),
            (json!({"x": "abc", "y": {"any": 1}}), true),
            (json!({"x": true}), true),
            (json!({"x": 5}), true),
            (json!({"x": "5"}), false),
            (json!({"x": ["1"]}), false),
            (json!({"z": 1}), false),
        ] {
            assert_eq!(allows(&l, body.clone()), want, "{body}");
        }
        let others = allowed(&json!({"x": ["1"], "*": ["q*"]}));
        assert!(allows(&others, json!({"x": "1", "z": "qq"})));
        assert!(!allows(&others, json!({"x": "q"})));
        assert!(!allows(&others, json!({"z": "r"})));
    }

    #[test]
    fn denied_beats_allowed_and_required_are_required() {
        let l = Limits {
            denied: parameters(&json!({"x": ["bad*"], "never": []})),
            required: vec!["must".to_owned()],
            ..allowed(&json!({"*": []}))
        };
        assert!(allows(&l, json!({"must": 1, "x": "good"})));
        assert!(!allows(&l, json!({"must": 1, "x": "badly"})));
        assert!(!allows(&l, json!({"must": 1, "never": null})));
        assert!(!allows(&l, json!({"x": "good"})));
        assert!(!allows(&denied(&json!({"*": []})), json!({"a": 1})));
        assert!(allows(&denied(&json!({"*": []})), json!({})));
    }

    #[test]
    fn the_same_pattern_twice() {
        let l = allowed(&json!({"x": ["1"], "y": ["2"]})).union(&allowed(&json!({"x": []})));
        assert!(allows(&l, json!({"x": "9", "y": "2"})));
        assert!(!allows(&l, json!({"y": "9"})));
        let l = l.union(&Limits::default());
        assert!(!allows(&l, json!({"z": "1"})), "no limits beside limits lift nothing");
        let l = denied(&json!({"x": ["1"]})).union(&denied(&json!({"x": []})));
        assert!(!allows(&l, json!({"x": "9"})));
    }

    #[test]
    fn wrapping_is_bound_by_the_lower_times() {
        let between =
            |min, max| Limits { min_wrapping_ttl: min, max_wrapping_ttl: max, ..Limits::default() };
        let l = between(Some(10), Some(60)).union(&between(Some(5), Some(90)));
        for (ttl, want) in
            [(None, false), (Some(4), false), (Some(5), true), (Some(60), true), (Some(61), false)]
        {
            assert_eq!(l.allow_wrapping(ttl), want, "{ttl:?}");
        }
        assert!(between(None, None).allow_wrapping(None));
        assert!(!between(None, Some(5)).allow_wrapping(None), "a longest time asks for wrapping");
    }

    #[test]
    fn globs() {
        for (pattern, text, want) in [
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("*b*", "abc", true),
            ("abc", "abc", true),
            ("*", "", true),
            ("a*c", "abc", false),
            ("b*", "abc", false),
        ] {
            assert_eq!(glob(pattern, text), want, "{pattern} {text}");
        }
    }
}
