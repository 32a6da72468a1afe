//! Checks calls against what their routes take, before a handler runs.
//!
//! What has the wrong form is refused; what means nothing is told to the client.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::field::{Field, Kind};
use super::{ApiError, ApiResult, Operation, Params, parse_body};

/// Bytes: a larger body is for its handler alone to judge, so that no batch is read twice.
const CHECKED_MAX: usize = 16 << 10;
/// Query parameters that say what a call is, not what it is about.
const CONTROL: [&str; 4] = ["list", "scan", "help", "namespace"];

/// What a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Whatever comes: it is stored, or handed on.
    Anything,
    /// These; the client is told of others, which mean nothing.
    Only(&'static [Field]),
}

impl Takes {
    /// The empty value of a field that is an object or a list of words.
    pub(super) fn empty_of(self, name: &str) -> Option<&'static str> {
        let Self::Only(fields) = self else { return None };
        match fields.iter().find(|f| f.name == name)?.kind {
            Kind::Object | Kind::Pairs => Some("{}"),
            Kind::Words => Some("[]"),
            _ => None,
        }
    }

    /// Checks a call: what it gives must have the form of its field. What has no field, or has its
    /// place in the path, is told to the client by the warnings that come back.
    ///
    /// # Errors
    /// 400 that names the field, never its value.
    pub fn check(
        self,
        op: Operation,
        params: &Params<'_>,
        body: &[u8],
        query: &[(String, String)],
    ) -> ApiResult<Vec<String>> {
        let Self::Only(fields) = self else { return Ok(Vec::new()) };
        let mut seen =
            Seen { fields, params, ignored: Vec::new(), replaced: Vec::new(), bad: None };
        match op {
            Operation::Write | Operation::Patch => {
                if body.is_empty() || body.len() > CHECKED_MAX {
                    return Ok(Vec::new());
                }
                let mut reader = serde_json::Deserializer::from_slice(body);
                if reader.deserialize_map(&mut seen).and_then(|()| reader.end()).is_err() {
                    parse_body::<IgnoredAny>(body)?;
                }
            }
            Operation::Read
            | Operation::List
            | Operation::Scan
            | Operation::Delete
            | Operation::Head => {
                for (name, _) in query.iter().filter(|(name, _)| !CONTROL.contains(&&**name)) {
                    seen.name(name);
                }
            }
        }
        match seen.bad {
            Some(field) => Err(ApiError::bad_request(format!(
                "Field validation failed: error converting input for field {:?}: expected {}",
                field.name,
                field.kind.words()
            ))),
            None => Ok(seen.warnings()),
        }
    }
}

/// Reads the names of an object, and of its values what their forms need.
struct Seen<'a> {
    fields: &'static [Field],
    params: &'a Params<'a>,
    ignored: Vec<String>,
    replaced: Vec<String>,
    bad: Option<&'static Field>,
}

impl Seen<'_> {
    /// The field of that name; what has none is noted.
    fn name(&mut self, name: &str) -> Option<&'static Field> {
        let found = self.fields.iter().find(|f| f.name == name);
        if self.params.get(name).is_some() {
            self.replaced.push(name.to_owned());
        } else if found.is_none() {
            self.ignored.push(name.to_owned());
        }
        found
    }

    fn warnings(mut self) -> Vec<String> {
        let told = |names: &mut Vec<String>, what: &str| {
            names.sort();
            names.dedup();
            (!names.is_empty()).then(|| format!("Endpoint {what}: [{}]", names.join(" ")))
        };
        let ignored = told(&mut self.ignored, "ignored these unrecognized parameters");
        let replaced = told(
            &mut self.replaced,
            "replaced the value of these parameters with the values captured from the endpoint's \
             path",
        );
        ignored.into_iter().chain(replaced).collect()
    }
}

impl<'de> Visitor<'de> for &mut Seen<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Name<'_>>()? {
            let value: &RawValue = map.next_value()?;
            let field = self.name(&name.0).filter(|f| !f.kind.fits(value));
            self.bad = self.bad.or(field);
        }
        Ok(())
    }
}

/// A name, borrowed unless it has escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    static FIELDS: &[Field] = &[
        Field::text("policy", "What it says"),
        Field::seconds("ttl", "How long it lives"),
        Field::integer("cas", "Version that it replaces"),
        Field::flag("orphan", "Without a parent"),
        Field::words("keys", "Names"),
        Field::object("data", "Content"),
    ];

    fn check(body: &str) -> ApiResult<Vec<String>> {
        Takes::Only(FIELDS).check(Operation::Write, &Params::default(), body.as_bytes(), &[])
    }

    #[test]
    fn forms_are_checked_and_errors_never_show_values() {
        for good in [
            "",
            "{}",
            r#"{"policy":5,"ttl":"1h","cas":"7","orphan":"true","keys":"a,b","data":{}}"#,
            r#"{"policy":null,"ttl":null,"cas":null,"orphan":null,"keys":null,"data":null}"#,
        ] {
            assert_eq!(check(good).unwrap(), Vec::<String>::new(), "{good}");
        }
        for (bad, field) in [
            (r#"{"policy":["s3cret"]}"#, "policy"),
            (r#"{"ttl":"s3cret"}"#, "ttl"),
            (r#"{"cas":"s3cret"}"#, "cas"),
            (r#"{"orphan":"s3cret"}"#, "orphan"),
            (r#"{"keys":{"s3cret":1}}"#, "keys"),
            (r#"{"data":"s3cret"}"#, "data"),
        ] {
            let error = check(bad).unwrap_err();
            assert_eq!(error.status, 400);
            assert!(error.errors[0].contains(&format!("for field {field:?}")), "{error:?}");
            assert!(!error.errors[0].contains("s3cret"), "{error:?}");
        }
        assert!(check("{\"ttl\":").unwrap_err().errors[0].starts_with("failed to decode JSON"));
    }

    #[test]
    fn what_means_nothing_is_told() {
        let ignored = "Endpoint ignored these unrecognized parameters: [a z]";
        assert_eq!(check(r#"{"z":1,"ttl":5,"a":{"b":[1]},"\u007a":2}"#).unwrap(), [ignored]);
        let query = ["list", "z", "cas", "a"].map(|name| (name.to_owned(), String::new()));
        let none = Params::default();
        let told = Takes::Only(FIELDS).check(Operation::Read, &none, b"{}", &query).unwrap();
        assert_eq!(told, [ignored]);
        let all = Takes::Anything.check(Operation::Read, &none, b"", &query).unwrap();
        assert!(all.is_empty());
    }
}
