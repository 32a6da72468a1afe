//! A rule while the keys of its block are read.

use serde_json::Value;

use super::limits::Parameters;
use super::rule::Rule;
use super::{Capabilities, template};
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

/// What has been read so far.
pub(super) struct Draft(Rule);

impl Draft {
    pub(super) fn new(path: &str) -> Self {
        let path = path.strip_prefix('/').unwrap_or(path).to_owned();
        Self(Rule { path, ..Rule::default() })
    }

    pub(super) fn set(&mut self, key: &str, value: &Value) -> Result<(), ParseError> {
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

    pub(super) fn finish(self) -> Result<Rule, ParseError> {
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

    pub(super) fn wrong(&self, what: &'static str) -> ParseError {
        ParseError::Value { path: self.0.path.clone(), what }
    }

    fn unknown(&self, key: &str) -> ParseError {
        unknown(&format!("path {:?}: ", self.0.path), key)
    }
}

pub(super) fn unknown(place: &str, key: &str) -> ParseError {
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
