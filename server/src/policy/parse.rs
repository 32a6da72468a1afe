//! The text of a policy, HCL or JSON.
//!
//! Only what is enforced is accepted: a key that this version does not know is an error, so that no
//! rule is ever weaker than it reads.

use serde_json::Value;

use super::Capabilities;
use super::hcl::{self, Item};
use super::limits::{Limits, Parameters};
use super::template;
use crate::engine::duration::parse_seconds;
use crate::engine::stamp::Stamp;

/// Why a text is not a policy.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParseError {
    /// Neither HCL nor JSON.
    #[error("{0}")]
    Syntax(String),
    /// A key that is not known at this place.
    #[error("{place}invalid key {key:?}")]
    Key {
        /// `path "...": ` or empty.
        place: String,
        /// The key.
        key: String,
    },
    /// A key with a value of the wrong type.
    #[error("path {path:?}: {what}")]
    Value {
        /// The rule's path.
        path: String,
        /// What is expected.
        what: &'static str,
    },
    /// Not a capability.
    #[error("path {path:?}: invalid capability {name:?}")]
    Capability {
        /// The rule's path.
        path: String,
        /// The word.
        name: String,
    },
    /// `+*` has no meaning.
    #[error("path {0:?}: invalid use of wildcards ('+*' is forbidden)")]
    Wildcards(String),
    /// A `{{` without its `}}`, or the other way round.
    #[error("path {0:?}: failed to validate policy templating: unbalanced templating characters")]
    Template(String),
}

/// One `path` block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// Without leading slash; may end in `*` and hold `+` segments.
    pub path: String,
    /// What it grants.
    pub capabilities: Capabilities,
    /// What it asks of calls.
    pub limits: Limits,
    /// `path` holds templates.
    pub template: bool,
    /// It grants nothing from then on.
    pub expires: Option<Stamp>,
}

/// The rules of a policy text, in its order.
///
/// # Errors
/// [`ParseError`].
pub fn parse(text: &str) -> Result<Vec<Rule>, ParseError> {
    if text.trim_start().starts_with('{') {
        return parse_json(text);
    }
    let mut rules = Vec::new();
    for item in hcl::parse(text).map_err(|e| ParseError::Syntax(e.to_string()))? {
        match item.key.as_str() {
            "path" => rules_of_item(item, &mut rules)?,
            "name" => {}
            key => return Err(unknown("", key)),
        }
    }
    Ok(rules)
}

fn rules_of_item(item: Item, rules: &mut Vec<Rule>) -> Result<(), ParseError> {
    let Value::Object(fields) = item.value else {
        return Err(ParseError::Syntax("path is a block".to_owned()));
    };
    match item.labels.as_slice() {
        [path] => {
            let mut draft = Draft::new(path);
            for (key, value) in &fields {
                draft.set(key, value)?;
            }
            rules.push(draft.finish()?);
            Ok(())
        }
        // path = { "a" = { ... } }
        [] => rules_of_paths(&fields, rules),
        _ => Err(ParseError::Syntax("a path block has one path".to_owned())),
    }
}

fn parse_json(text: &str) -> Result<Vec<Rule>, ParseError> {
    let value: Value = serde_json::from_str(text).map_err(|e| ParseError::Syntax(e.to_string()))?;
    let Value::Object(top) = value else {
        return Err(ParseError::Syntax("a policy in JSON is an object".to_owned()));
    };
    let mut rules = Vec::new();
    for (key, value) in &top {
        match (key.as_str(), value) {
            ("name", _) => {}
            ("path", Value::Object(paths)) => rules_of_paths(paths, &mut rules)?,
            ("path", Value::Array(list)) => {
                for item in list {
                    let Value::Object(paths) = item else {
                        return Err(ParseError::Syntax("path is a list of objects".to_owned()));
                    };
                    rules_of_paths(paths, &mut rules)?;
                }
            }
            _ => return Err(unknown("", key)),
        }
    }
    Ok(rules)
}

fn rules_of_paths(
    paths: &serde_json::Map<String, Value>,
    rules: &mut Vec<Rule>,
) -> Result<(), ParseError> {
    for (path, value) in paths {
        let mut draft = Draft::new(path);
        let fields = value.as_object().ok_or_else(|| draft.wrong("an object is expected"))?;
        for (key, value) in fields {
            draft.set(key, value)?;
        }
        rules.push(draft.finish()?);
    }
    Ok(())
}

/// A rule while its keys are read.
struct Draft(Rule);

impl Draft {
    fn new(path: &str) -> Self {
        let path = path.strip_prefix('/').unwrap_or(path).to_owned();
        Self(Rule { path, ..Rule::default() })
    }

    fn set(&mut self, key: &str, value: &Value) -> Result<(), ParseError> {
        match key {
            "comment" => {}
            "capabilities" => self.capabilities(value)?,
            "policy" => {
                let granted = shorthand(value.as_str().unwrap_or_default())
                    .ok_or_else(|| self.wrong("policy is one of deny, read, write and sudo"))?;
                self.0.capabilities = self.0.capabilities.union(granted);
            }
            "allowed_parameters" => self.0.limits.allowed = self.parameters(value)?,
            "denied_parameters" => self.0.limits.denied = self.parameters(value)?,
            "required_parameters" => {
                let names: Option<Vec<String>> = value
                    .as_array()
                    .and_then(|list| list.iter().map(|v| v.as_str().map(str::to_owned)).collect());
                self.0.limits.required =
                    names.ok_or_else(|| self.wrong("required_parameters is a list of names"))?;
            }
            "expiration" => self.0.expires = self.time(value)?,
            "min_wrapping_ttl" => self.0.limits.min_wrapping_ttl = self.seconds(value)?,
            "max_wrapping_ttl" => self.0.limits.max_wrapping_ttl = self.seconds(value)?,
            "pagination_limit" => self.0.limits.page_max = self.count(value)?,
            _ => return Err(self.unknown(key)),
        }
        Ok(())
    }

    fn capabilities(&mut self, value: &Value) -> Result<(), ParseError> {
        let list = value.as_array().ok_or_else(|| self.wrong("capabilities is a list"))?;
        for item in list {
            let name = item.as_str().ok_or_else(|| self.wrong("capabilities are words"))?;
            let one = Capabilities::by_name(name).ok_or_else(|| ParseError::Capability {
                path: self.0.path.clone(),
                name: name.to_owned(),
            })?;
            self.0.capabilities = self.0.capabilities.union(one);
        }
        Ok(())
    }

    fn parameters(&self, value: &Value) -> Result<Parameters, ParseError> {
        let wrong = || self.wrong("parameters are an object of lists");
        let object = value.as_object().ok_or_else(wrong)?;
        let mut parameters = Parameters::new();
        for (name, values) in object {
            let values = values.as_array().ok_or_else(wrong)?;
            parameters.insert(name.to_lowercase(), values.clone());
        }
        Ok(parameters)
    }

    /// 0 is as good as absent.
    fn seconds(&self, value: &Value) -> Result<Option<u64>, ParseError> {
        let seconds = match value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => parse_seconds(text),
            _ => None,
        };
        let seconds = seconds.and_then(|s| u64::try_from(s).ok());
        let seconds = seconds.ok_or_else(|| self.wrong("a wrapping TTL is a duration"))?;
        Ok((seconds > 0).then_some(seconds))
    }

    /// 0 and less are as good as absent.
    fn count(&self, value: &Value) -> Result<Option<usize>, ParseError> {
        let number = match value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        let number = number.ok_or_else(|| self.wrong("pagination_limit is a number"))?;
        Ok(usize::try_from(number).ok().filter(|n| *n > 0))
    }

    /// RFC 3339 or seconds since the epoch; nothing for never.
    fn time(&self, value: &Value) -> Result<Option<Stamp>, ParseError> {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(n) => n.to_string(),
            _ => return Err(self.wrong("expiration is a time such as 2030-01-31T12:00:00Z")),
        };
        if text.is_empty() {
            return Ok(None);
        }
        let time = Stamp::parse(&text).or_else(|| text.parse().ok().map(Stamp::from_unix));
        time.map(Some)
            .ok_or_else(|| self.wrong("expiration is a time such as 2030-01-31T12:00:00Z"))
    }

    fn finish(self) -> Result<Rule, ParseError> {
        let mut rule = self.0;
        if rule.path.contains("+*") {
            return Err(ParseError::Wildcards(rule.path));
        }
        if let (Some(min), Some(max)) = (rule.limits.min_wrapping_ttl, rule.limits.max_wrapping_ttl)
            && max < min
        {
            let what = "max_wrapping_ttl cannot be less than min_wrapping_ttl";
            return Err(ParseError::Value { path: rule.path, what });
        }
        rule.template = template::is_template(&rule.path)
            .map_err(|_| ParseError::Template(rule.path.clone()))?;
        Ok(rule)
    }

    fn wrong(&self, what: &'static str) -> ParseError {
        ParseError::Value { path: self.0.path.clone(), what }
    }

    fn unknown(&self, key: &str) -> ParseError {
        unknown(&format!("path {:?}: ", self.0.path), key)
    }
}

fn unknown(place: &str, key: &str) -> ParseError {
    ParseError::Key { place: place.to_owned(), key: key.to_owned() }
}

/// The old form `policy = "write"`.
fn shorthand(word: &str) -> Option<Capabilities> {
    use Capabilities as C;
    let read = C::READ.union(C::LIST);
    let write = read.union(C::CREATE).union(C::UPDATE).union(C::DELETE);
    match word {
        "deny" => Some(C::DENY),
        "read" => Some(read),
        "write" => Some(write),
        "sudo" => Some(write.union(C::SUDO)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hcl_and_json_say_the_same() {
        let hcl = "# comment\npath \"a/*\" {\n capabilities = [\"read\", \"list\"]\n}\n\
                   path \"/b/+/c\" { policy = \"write\" }";
        let json = r#"{"path": {"a/*": {"capabilities": ["list", "read"]},
                                "b/+/c": {"policy": "write"}}}"#;
        let rules = parse(hcl).unwrap();
        assert_eq!(rules, parse(json).unwrap());
        assert_eq!(rules[0].capabilities.names(), ["list", "read"]);
        assert_eq!(rules[1].path, "b/+/c");
        assert!(rules[1].capabilities.allows(Capabilities::UPDATE));
        assert_eq!(parse("").unwrap(), []);
        let line = r#"path "a" { capabilities = ["read"] } path "b" { policy = "read" }"#;
        assert_eq!(parse(line).unwrap().len(), 2, "blocks need no line of their own");
    }

    #[test]
    fn limits_and_templates_are_read() {
        let rules = parse(
            "path \"a/{{identity.entity.id}}/*\" { capabilities = [\"update\"]\n\
             allowed_parameters = { \"X\" = [1, \"b*\"], \"*\" = [] }\n\
             denied_parameters = { y = [] }\n required_parameters = [\"x\"]\n\
             min_wrapping_ttl = \"1m\"\n max_wrapping_ttl = 90 }",
        )
        .unwrap();
        let [rule] = rules.as_slice() else { panic!("one rule is expected") };
        assert!(rule.template);
        let limits = &rule.limits;
        assert_eq!(limits.allowed["x"], [Value::from(1), Value::from("b*")]);
        assert!(limits.allowed["*"].is_empty() && limits.denied["y"].is_empty());
        assert_eq!(limits.required, ["x"]);
        assert_eq!((limits.min_wrapping_ttl, limits.max_wrapping_ttl), (Some(60), Some(90)));
    }

    #[test]
    fn what_is_not_enforced_is_refused() {
        for (text, part) in [
            ("path \"a\" {", ""),
            ("foo = 1", "invalid key \"foo\""),
            ("path \"a\" { capabilitie = [\"read\"] }", "invalid key \"capabilitie\""),
            ("path \"a\" { allowed_parameters = [\"b\"] }", "object of lists"),
            ("path \"a\" { required_parameters = \"b\" }", "list of names"),
            ("path \"a\" { min_wrapping_ttl = \"x\" }", "duration"),
            ("path \"a\" { min_wrapping_ttl = \"2s\" max_wrapping_ttl = 1 }", "less than"),
            ("path \"a\" { pagination_limit = \"x\" }", "a number"),
            ("path \"a\" { mfa_methods = [\"b\"] }", "invalid key \"mfa_methods\""),
            ("path \"a/{{identity.entity.id\" { policy = \"read\" }", "unbalanced"),
            ("path \"a\" { capabilities = [\"zap\"] }", "invalid capability \"zap\""),
            ("path \"a\" { capabilities = \"read\" }", "is a list"),
            ("path \"a/+*\" { capabilities = [\"read\"] }", "'+*' is forbidden"),
            ("path { capabilities = [\"read\"] }", "object"),
            ("path \"a\" \"b\" { }", "one path"),
            ("{\"path\": 1}", "invalid key"),
            ("{\"path\": {\"a\": []}}", "object"),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
