//! The text of a policy, HCL or JSON.
//!
//! Only what is enforced is accepted: a key that this version does not know is an error, so that no
//! rule is ever weaker than it reads.

use super::Capabilities;
use super::hcl::{self, Item};

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
}

/// One `path` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Without leading slash; may end in `*` and hold `+` segments.
    pub path: String,
    /// What it grants.
    pub capabilities: Capabilities,
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
    let serde_json::Value::Object(fields) = item.value else {
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
    use serde_json::Value;
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
    paths: &serde_json::Map<String, serde_json::Value>,
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
struct Draft {
    path: String,
    capabilities: Capabilities,
}

impl Draft {
    fn new(path: &str) -> Self {
        let path = path.strip_prefix('/').unwrap_or(path).to_owned();
        Self { path, capabilities: Capabilities::NONE }
    }

    fn set(&mut self, key: &str, value: &serde_json::Value) -> Result<(), ParseError> {
        let granted = match key {
            "comment" => return Ok(()),
            "capabilities" => {
                let list = value.as_array().ok_or_else(|| self.wrong("capabilities is a list"))?;
                let mut set = Capabilities::NONE;
                for item in list {
                    let name = item.as_str().ok_or_else(|| self.wrong("capabilities are words"))?;
                    let one = Capabilities::by_name(name).ok_or_else(|| {
                        ParseError::Capability { path: self.path.clone(), name: name.to_owned() }
                    })?;
                    set = set.union(one);
                }
                set
            }
            "policy" => shorthand(value.as_str().unwrap_or_default())
                .ok_or_else(|| self.wrong("policy is one of deny, read, write and sudo"))?,
            _ => return Err(self.unknown(key)),
        };
        self.capabilities = self.capabilities.union(granted);
        Ok(())
    }

    fn finish(self) -> Result<Rule, ParseError> {
        if self.path.contains("+*") {
            return Err(ParseError::Wildcards(self.path));
        }
        Ok(Rule { path: self.path, capabilities: self.capabilities })
    }

    fn wrong(&self, what: &'static str) -> ParseError {
        ParseError::Value { path: self.path.clone(), what }
    }

    fn unknown(&self, key: &str) -> ParseError {
        unknown(&format!("path {:?}: ", self.path), key)
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
    fn what_is_not_enforced_is_refused() {
        for (text, part) in [
            ("path \"a\" {", ""),
            ("foo = 1", "invalid key \"foo\""),
            ("path \"a\" { capabilitie = [\"read\"] }", "invalid key \"capabilitie\""),
            ("path \"a\" { allowed_parameters = { \"b\" = [] } }", ""),
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
