//! The text of a password policy.

use serde_json::Value;

use super::{PasswordPolicy, PasswordPolicyError, Set};
use crate::policy::hcl;

type Parsed<T> = Result<T, PasswordPolicyError>;

/// Length and sets as they are written; keys that are not known have no meaning.
pub(super) fn parse(text: &str) -> Parsed<PasswordPolicy> {
    let syntax = |e: &dyn std::fmt::Display| PasswordPolicyError::Syntax(e.to_string());
    let mut policy = PasswordPolicy { length: 0, sets: Vec::new() };
    if text.trim_start().starts_with('{') {
        let json: serde_json::Map<String, Value> =
            serde_json::from_str(text).map_err(|e| syntax(&e))?;
        for (key, value) in &json {
            item(&mut policy, key, value)?;
        }
        return Ok(policy);
    }
    for found in hcl::parse(text).map_err(|e| syntax(&e))? {
        match found.labels.as_slice() {
            [] => item(&mut policy, &found.key, &found.value)?,
            [kind] if found.key == "rule" => rule(&mut policy, kind, &found.value)?,
            _ => {}
        }
    }
    Ok(policy)
}

fn item(policy: &mut PasswordPolicy, key: &str, value: &Value) -> Parsed<()> {
    match (key, value) {
        ("length", value) => policy.length = count("length", value)?,
        ("rule", Value::Array(rules)) => {
            for named in rules {
                item(policy, "rule", named)?;
            }
        }
        ("rule", Value::Object(named)) => {
            for (kind, value) in named {
                rule(policy, kind, value)?;
            }
        }
        ("rule", _) => return Err(PasswordPolicyError::Value("rule", "a block")),
        _ => {}
    }
    Ok(())
}

fn rule(policy: &mut PasswordPolicy, kind: &str, value: &Value) -> Parsed<()> {
    if kind != "charset" {
        return Err(PasswordPolicyError::Rule(kind.to_owned()));
    }
    // JSON made from HCL has lists of one.
    if let Value::Array(several) = value {
        return several.iter().try_for_each(|one| rule(policy, kind, one));
    }
    let chars = match value.get("charset") {
        None => "",
        Some(Value::String(chars)) => chars.as_str(),
        Some(_) => return Err(PasswordPolicyError::Value("charset", "a string")),
    };
    let mut chars: Vec<char> = chars.chars().collect();
    chars.sort_unstable();
    chars.dedup();
    let min = value.get("min-chars").map_or(Ok(0), |n| count("min-chars", n))?;
    policy.sets.push(Set { chars, min });
    Ok(())
}

/// A whole number; what is negative counts as none.
fn count(name: &'static str, value: &Value) -> Parsed<usize> {
    let wrong = PasswordPolicyError::Value(name, "a whole number");
    let n = value.as_i64().ok_or(wrong)?;
    Ok(usize::try_from(n).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::super::PasswordPolicyError as E;
    use super::*;

    const SET: &str = "rule \"charset\" { charset = \"abc\" ";

    #[test]
    fn both_forms_say_the_same() {
        let hcl = format!("length = 20 # long\n{SET} min-chars = 2 }}\n{SET}}}");
        let json = r#"{"length":20,"rule":[{"charset":{"charset":"bcaa","min-chars":2}},
            {"charset":[{"charset":"abc"}]}]}"#;
        let policy = PasswordPolicy::parse(&hcl).unwrap();
        assert_eq!(policy, PasswordPolicy::parse(json).unwrap());
        assert_eq!((policy.length, policy.sets[0].min, policy.sets[1].min), (20, 2, 0));
    }

    #[test]
    fn what_no_password_can_follow_is_refused() {
        for (text, error) in [
            ("length = 20".to_owned(), E::NoChars),
            (format!("{SET}}}"), E::NoLength),
            (format!("length = -5\n{SET}}}"), E::NoLength),
            (format!("length = 3\n{SET}}}"), E::Length),
            (format!("length = 101\n{SET}}}"), E::Length),
            (
                format!("length = 5\n{SET} min-chars = 3 }}\n{SET} min-chars = 3 }}"),
                E::TooMany(6, 5),
            ),
            ("length = 20\nrule \"charset\" { charset = \"\" }".to_owned(), E::NoChars),
            ("length = 20\nrule \"charset\" { charset = \"a\\n\" }".to_owned(), E::Unprintable),
            ("length = 20\nrule \"nope\" {}".to_owned(), E::Rule("nope".to_owned())),
            (format!("length = \"20\"\n{SET}}}"), E::Value("length", "a whole number")),
        ] {
            assert_eq!(PasswordPolicy::parse(&text).unwrap_err(), error, "{text}");
        }
        for text in ["x", "{", "length", "length = 20 }"] {
            let error = PasswordPolicy::parse(text).unwrap_err();
            assert!(matches!(error, E::Syntax(_)), "{text}: {error}");
        }
    }
}
