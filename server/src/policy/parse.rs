//! The text of a policy, HCL or JSON.
//!
//! Only what is enforced is accepted: a key that this version does not know is an error, so that no
//! rule is ever weaker than it reads.

use serde_json::Value;

use super::draft::{Draft, ParseError, unknown};
use super::hcl::{self, Item};
use super::rule::Rule;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Capabilities;

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
