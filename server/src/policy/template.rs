//! `{{...}}` in the paths of rules: who calls, filled in at every request.
//!
//! | template | stands for |
//! |---|---|
//! | `identity.entity.id`, `.name`, `.metadata.<key>` | the caller's entity |
//! | `identity.entity.aliases.<mount accessor>.id`, `.name`, `.metadata.<key>`, `.custom_metadata.<key>` | its alias there |
//! | `identity.groups.ids.<id>.name`, `.metadata.<key>` | a group that it is in |
//! | `identity.groups.names.<name>.id`, `.metadata.<key>` | the same by name |
//!
//! A path with a template that has no value for the caller grants nothing. So does one whose value
//! holds `+`, `*` or `/`: whoever may set metadata must not widen a policy.

/// Why a path is not a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unbalanced;

/// Whether the path holds templates.
///
/// # Errors
/// [`Unbalanced`].
pub(super) fn is_template(path: &str) -> Result<bool, Unbalanced> {
    expand(path, |_| Some(String::new())).map(|_| path.contains("{{"))
}

/// The path with its templates filled in; `None` when one of them has no usable value.
///
/// # Errors
/// [`Unbalanced`].
pub(super) fn expand(
    path: &str,
    value: impl Fn(&str) -> Option<String>,
) -> Result<Option<String>, Unbalanced> {
    let mut filled = Some(String::with_capacity(path.len()));
    let mut rest = path;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").ok_or(Unbalanced)?;
        if before.contains("}}") || name.contains("{{") {
            return Err(Unbalanced);
        }
        let usable = |v: &String| !v.contains(['+', '*', '/']);
        filled = match (filled, value(name.trim()).filter(usable)) {
            (Some(mut text), Some(value)) => {
                text.push_str(before);
                text.push_str(&value);
                Some(text)
            }
            _ => None,
        };
        rest = after;
    }
    if rest.contains("}}") {
        return Err(Unbalanced);
    }
    Ok(filled.map(|text| text + rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled_in_or_void() {
        let value = |name: &str| match name {
            "a" => Some("1".to_owned()),
            "evil" => Some("x/*".to_owned()),
            _ => None,
        };
        for (path, want) in [
            ("x/{{a}}/y", Some("x/1/y")),
            ("{{ a }}{{a}}*", Some("11*")),
            ("plain", Some("plain")),
            ("x/{{b}}/y", None),
            ("x/{{evil}}", None),
        ] {
            assert_eq!(expand(path, value).unwrap().as_deref(), want, "{path}");
        }
        for path in ["x/{{a", "x/a}}", "{{a{{b}}", "}}{{a}}", "{{a}}}}"] {
            assert_eq!(expand(path, value), Err(Unbalanced), "{path}");
        }
        assert_eq!(is_template("x/{{a}}"), Ok(true));
        assert_eq!(is_template("x/{a}"), Ok(false));
    }
}
