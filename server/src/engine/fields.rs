//! Request fields, typed as loosely as the API takes them: numbers and flags may come as text.
//!
//! [`Fields`] reads a body field by field and names the field that is wrong; [`Text`] and
//! [`Integer`] are for typed bodies on hot paths and borrow from the body where they can.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde_json::value::RawValue;

use super::duration::parse_seconds;
use crate::barrier::View;
use crate::logical::{ApiError, ApiResult, Call, Response, parse_flag};

/// Names in one LIST answer; a longer folder is answered in part, with a warning.
const LIST_MAX: usize = 1_000_000;

/// A JSON object whose fields are read one by one.
#[derive(Debug)]
pub(super) struct Fields<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Fields<'a> {
    /// The body of a call; an empty body has no fields.
    pub(super) fn of(call: &Call<'a>) -> ApiResult<Self> {
        call.parse().map(Self)
    }

    /// The fields of a nested object; `None` when it is not an object.
    pub(super) fn nested(raw: &'a RawValue) -> Option<Self> {
        serde_json::from_str(raw.get()).ok().map(Self)
    }

    /// The field as it came, null included.
    pub(super) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.0.get(name).copied()
    }

    /// Whether the field is there and null.
    pub(super) fn is_null(&self, name: &str) -> bool {
        self.raw(name).is_some_and(|raw| raw.get() == "null")
    }

    /// An integer, or digits as text; nothing is 0.
    pub(super) fn integer(&self, name: &str) -> ApiResult<Option<i64>> {
        self.read(name, "an integer", integer)
    }

    /// A flag; `"true"`, `1` and the like are taken too.
    pub(super) fn flag(&self, name: &str) -> ApiResult<Option<bool>> {
        self.read(name, "true or false", parse_flag)
    }

    /// A duration in seconds.
    pub(super) fn seconds(&self, name: &str) -> ApiResult<Option<i64>> {
        if self.raw(name).is_some_and(is_flag) {
            return Err(invalid(name, "a duration"));
        }
        self.read(name, "a duration such as 90, \"90s\" or \"1h30m\"", parse_seconds)
    }

    /// Text; numbers are taken as they are written, flags as 1 and 0.
    pub(super) fn text(&self, name: &str) -> ApiResult<Option<String>> {
        self.read(name, "a string", |text| Some(text.to_owned()))
    }

    /// A list of integers of which the positive ones count; a lone number and `"1,2"` are taken too.
    pub(super) fn integers(&self, name: &str) -> ApiResult<Option<Vec<u64>>> {
        let Some(raw) = self.raw(name).filter(|raw| raw.get() != "null") else { return Ok(None) };
        let items: Option<Vec<Integer>> = match serde_json::from_str::<Vec<Integer>>(raw.get()) {
            Ok(items) => Some(items),
            Err(_) => scalar(raw).and_then(|text| {
                text.split(',').map(|part| part.trim().parse().ok().map(Integer)).collect()
            }),
        };
        // Nothing has a negative number.
        let items = items.map(|all| all.iter().filter_map(|n| u64::try_from(n.0).ok()).collect());
        items.map(Some).ok_or_else(|| invalid(name, "a list of version numbers"))
    }

    fn read<T>(
        &self,
        name: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> ApiResult<Option<T>> {
        let Some(raw) = self.raw(name).filter(|raw| raw.get() != "null") else { return Ok(None) };
        let value = scalar(raw).and_then(|text| parse(&text));
        value.map(Some).ok_or_else(|| invalid(name, expected))
    }
}

/// A string's content, a number as it is written, 1 or 0 for a flag; `None` for null, lists and objects.
pub(super) fn scalar(raw: &RawValue) -> Option<Cow<'_, str>> {
    match serde_json::from_str::<Text<'_>>(raw.get()) {
        Ok(Text(text)) => Some(text),
        Err(_) => None,
    }
}

/// Whether this is `true` or `false`, not in quotes.
pub(super) fn is_flag(raw: &RawValue) -> bool {
    matches!(raw.get(), "true" | "false")
}

fn integer(text: &str) -> Option<i64> {
    if text.is_empty() { Some(0) } else { text.parse().ok() }
}

/// 400 that names the field and what it should be.
pub(super) fn invalid(name: &str, expected: &str) -> ApiError {
    ApiError::bad_request(format!(
        "Field validation failed: error converting input for field {name:?}: expected {expected}"
    ))
}

/// An integer query parameter.
pub(super) fn query_integer(call: &Call<'_>, name: &str) -> ApiResult<Option<i64>> {
    let Some(text) = call.query(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| invalid(name, "an integer"))
}

/// Answers a LIST of the names below `prefix`, by the query parameters `after` and `limit`.
pub(super) fn list(call: &Call<'_>, view: &mut View<'_>, prefix: &str) -> ApiResult<Response> {
    list_of(&listed(call, view, prefix)?)
}

/// Answers a LIST with these names.
pub(super) fn list_of(names: &[String]) -> ApiResult<Response> {
    let cut = names.len() >= LIST_MAX;
    let response = Response::list(names)?;
    Ok(if cut {
        response.warn(format!("only the first {LIST_MAX} names are listed; go on with 'after'"))
    } else {
        response
    })
}

/// Answers a SCAN: the paths of all entries below `prefix`, by the query parameters `after` and
/// `limit`. Unlike a LIST, it answers with nothing when there is nothing.
pub(super) fn scan(call: &Call<'_>, view: &mut View<'_>, prefix: &str) -> ApiResult<Response> {
    let keys = scanned(call, view, prefix)?;
    if keys.is_empty() {
        return Response::data(&serde_json::json!({}));
    }
    let cut = keys.len() == LIST_MAX;
    let response = Response::list(&keys)?;
    Ok(if cut {
        response.warn(format!("only the first {LIST_MAX} paths are listed; go on with 'after'"))
    } else {
        response
    })
}

/// The paths of a SCAN.
pub(super) fn scanned(
    call: &Call<'_>,
    view: &mut View<'_>,
    prefix: &str,
) -> ApiResult<Vec<String>> {
    let (after, limit) = call.page(LIST_MAX)?;
    let after = after.map(|path| format!("{prefix}{path}"));
    let keys = view.scan(prefix, after.as_deref(), limit);
    Ok(keys.into_iter().filter_map(|k| k.strip_prefix(prefix).map(str::to_owned)).collect())
}

/// The names of a LIST.
pub(super) fn listed(call: &Call<'_>, view: &mut View<'_>, prefix: &str) -> ApiResult<Vec<String>> {
    let (after, limit) = call.page(LIST_MAX)?;
    Ok(view.list(prefix, after, limit))
}

/// The prefix that LIST of `path` reads below `root`: with one slash at the end.
pub(super) fn folder(root: &str, path: &str) -> String {
    let path = path.trim_end_matches('/');
    if path.is_empty() { root.to_owned() } else { format!("{root}{path}/") }
}

/// Refuses to write to a folder, as the API does.
pub(super) fn writable(path: &str) -> ApiResult<&str> {
    if path.is_empty() || path.ends_with('/') {
        return Err(ApiError::bad_request("cannot write to a path ending in '/'"));
    }
    Ok(path)
}

/// Text, borrowed from the body unless it has escapes. Takes numbers as they are written, and flags
/// as 1 and 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Borrowed(v)))
    }

    fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(v.to_owned())))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(v.to_string())))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(v.to_string())))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(v.to_string())))
    }

    fn visit_bool<E>(self, v: bool) -> Result<Self::Value, E> {
        Ok(Text(Cow::Borrowed(if v { "1" } else { "0" })))
    }
}

/// An integer, or digits as text; nothing is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Integer(pub(super) i64);

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Text(text) = Text::deserialize(deserializer)?;
        integer(&text).map(Self).ok_or_else(|| de::Error::custom("expected an integer"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(body: &str) -> Fields<'_> {
        Fields(serde_json::from_str(body).unwrap())
    }

    #[test]
    fn fields_are_taken_loosely_and_errors_name_them() {
        let f = fields(
            r#"{"n":"7","m":-3,"b":"true","c":1,"d":"90m","s":5,"z":null,"l":[1,"2"],"k":"3,4"}"#,
        );
        assert_eq!(f.integer("n").unwrap(), Some(7));
        assert_eq!(f.integer("m").unwrap(), Some(-3));
        assert_eq!(f.flag("b").unwrap(), Some(true));
        assert_eq!(f.flag("c").unwrap(), Some(true));
        assert_eq!(f.seconds("d").unwrap(), Some(5400));
        assert_eq!(f.text("s").unwrap().as_deref(), Some("5"));
        assert_eq!(f.integer("z").unwrap(), None);
        assert!(f.is_null("z"));
        assert_eq!(f.integers("l").unwrap(), Some(vec![1, 2]));
        assert_eq!(f.integers("k").unwrap(), Some(vec![3, 4]));
        assert_eq!(f.integers("n").unwrap(), Some(vec![7]));
        assert_eq!(f.integer("missing").unwrap(), None);
        let odd = fields(r#"{"n":"","d":true,"t":false}"#);
        assert_eq!(odd.integer("n").unwrap(), Some(0));
        assert!(odd.seconds("d").is_err());
        assert_eq!(odd.text("t").unwrap().as_deref(), Some("0"));
        let error = f.integer("d").unwrap_err();
        assert_eq!(error.status, 400);
        assert!(error.errors[0].contains("\"d\"") && !error.errors[0].contains("90m"));
        assert!(fields(r#"{"l":["x"]}"#).integers("l").is_err());
        assert!(fields(r#"{"l":{}}"#).text("l").is_err());
    }

    #[test]
    fn text_borrows_unless_it_has_escapes() {
        let plain: Text<'_> = serde_json::from_str(r#""abc""#).unwrap();
        assert!(matches!(plain.0, Cow::Borrowed("abc")));
        let escaped: Text<'_> = serde_json::from_str(r#""a\/c""#).unwrap();
        assert_eq!(escaped.0, "a/c");
    }
}
