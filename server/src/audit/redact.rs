//! JSON as it goes on record: on one line, its strings hashed, long lists counted.

use std::fmt;

use serde::Serialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::hash::Hasher;
use crate::logical::push_quoted as quoted;

/// How the values of a JSON object go on record.
#[derive(Clone, Copy)]
pub(super) struct Style<'a> {
    /// `None`: as they are.
    pub(super) hasher: Option<&'a Hasher>,
    /// Fields at the top whose values stay as they are.
    pub(super) plain: &'a [String],
    /// `keys` and `key_info` as their counts.
    pub(super) elide: bool,
}

/// Appends the JSON text `body` on one line, its strings hashed as `style` says. On malformed JSON
/// nothing is appended and the answer is `false`.
pub(super) fn json(out: &mut Vec<u8>, body: &[u8], style: Style<'_>) -> bool {
    let start = out.len();
    let Ok(body) = std::str::from_utf8(body) else { return false };
    let mut from = serde_json::Deserializer::from_str(body);
    let seed = Value { out, style, depth: 0 };
    let done = seed.deserialize(&mut from).is_ok() && from.end().is_ok();
    if !done {
        out.truncate(start);
    }
    done
}

/// Appends a value whose JSON form holds no secret.
pub(super) fn number(out: &mut Vec<u8>, value: impl Serialize) {
    // Writing to a Vec does not fail, and neither does any of the types given.
    if serde_json::to_writer(&mut *out, &value).is_err() {
        out.extend_from_slice(b"null");
    }
}

struct Value<'o, 'a> {
    out: &'o mut Vec<u8>,
    style: Style<'a>,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Value<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        match self.style.hasher {
            Some(hasher) => hasher.string(self.out, text),
            None => quoted(self.out, text),
        }
        Ok(())
    }

    fn visit_bool<E>(self, flag: bool) -> Result<(), E> {
        number(self.out, flag);
        Ok(())
    }

    fn visit_u64<E>(self, n: u64) -> Result<(), E> {
        number(self.out, n);
        Ok(())
    }

    fn visit_i64<E>(self, n: i64) -> Result<(), E> {
        number(self.out, n);
        Ok(())
    }

    fn visit_f64<E>(self, n: f64) -> Result<(), E> {
        number(self.out, n);
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Value { out, style, depth } = self;
        out.push(b'[');
        let start = out.len();
        loop {
            let before = out.len();
            if before > start {
                out.push(b',');
            }
            let next = Value { out, style, depth: depth + 1 };
            if items.next_element_seed(next)?.is_none() {
                out.truncate(before);
                break;
            }
        }
        out.push(b']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let Value { out, style, depth } = self;
        out.push(b'{');
        let start = out.len();
        loop {
            let before = out.len();
            if before > start {
                out.push(b',');
            }
            let Some(how) = fields.next_key_seed(Name { out, style, top: depth == 0 })? else {
                out.truncate(before);
                break;
            };
            let hasher = match how {
                How::Counted => {
                    let Count(n) = fields.next_value()?;
                    number(out, n);
                    continue;
                }
                How::Plain => None,
                How::Styled => style.hasher,
            };
            let style = Style { hasher, ..style };
            fields.next_value_seed(Value { out, style, depth: depth + 1 })?;
        }
        out.push(b'}');
        Ok(())
    }
}

/// Appends the name of a field with its colon.
struct Name<'o, 'a> {
    out: &'o mut Vec<u8>,
    style: Style<'a>,
    /// In the outermost object.
    top: bool,
}

/// How the value of a field goes on record.
enum How {
    /// As its number of items.
    Counted,
    /// As it is.
    Plain,
    /// As the style says.
    Styled,
}

impl<'de> DeserializeSeed<'de> for Name<'_, '_> {
    type Value = How;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<How, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_, '_> {
    type Value = How;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<How, E> {
        quoted(self.out, name);
        self.out.push(b':');
        if self.top && self.style.elide && (name == "keys" || name == "key_info") {
            return Ok(How::Counted);
        }
        let plain = self.top && self.style.plain.iter().any(|p| *p == name);
        Ok(if plain { How::Plain } else { How::Styled })
    }
}

/// How many items a list or an object has.
struct Count(usize);

impl<'de> serde::Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(CountVisitor)
    }
}

struct CountVisitor;

impl<'de> Visitor<'de> for CountVisitor {
    type Value = Count;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or an object")
    }

    fn visit_unit<E>(self) -> Result<Count, E> {
        Ok(Count(0))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Count, A::Error> {
        let mut n = 0;
        while items.next_element::<serde::de::IgnoredAny>()?.is_some() {
            n += 1;
        }
        Ok(Count(n))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Count, A::Error> {
        let mut n = 0;
        while fields.next_entry::<serde::de::IgnoredAny, serde::de::IgnoredAny>()?.is_some() {
            n += 1;
        }
        Ok(Count(n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(body: &str, style: Style<'_>) -> String {
        let mut out = Vec::new();
        assert!(json(&mut out, body.as_bytes(), style));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings_are_hashed_wherever_they_stand_and_nothing_else_is() {
        let hasher = Hasher::new(b"key");
        let style = Style { hasher: Some(&hasher), plain: &[], elide: false };
        let body = "{\"a\":\"s3cret\",\n \"b\":[1,-2,2.5,true,null,\"s3\\u0063ret\",{\"c\":\"\"}]}";
        let (secret, empty) = (hasher.hash("s3cret"), hasher.hash(""));
        let want =
            format!(r#"{{"a":"{secret}","b":[1,-2,2.5,true,null,"{secret}",{{"c":"{empty}"}}]}}"#);
        assert_eq!(record(body, style), want);
        let raw = Style { hasher: None, ..style };
        assert_eq!(record("{ \"a\" : \"x\\ny\" }", raw), "{\"a\":\"x\\ny\"}");
        assert_eq!(record("{\"a\":[],\"b\":{}}", style), "{\"a\":[],\"b\":{}}");
    }

    #[test]
    fn plain_fields_and_elided_lists_are_those_at_the_top() {
        let hasher = Hasher::new(b"key");
        let plain = ["a".to_owned()];
        let style = Style { hasher: Some(&hasher), plain: &plain, elide: true };
        let x = hasher.hash("x");
        assert_eq!(
            record(r#"{"a":["x",{"b":"x"}],"b":{"a":"x"},"keys":["x","y"]}"#, style),
            format!(r#"{{"a":["x",{{"b":"x"}}],"b":{{"a":"{x}"}},"keys":2}}"#)
        );
    }

    #[test]
    fn malformed_text_leaves_nothing_behind() {
        let mut out = b"before".to_vec();
        let style = Style { hasher: None, plain: &[], elide: false };
        for body in ["{\"a\":\"b\"", "{\"a\":\"b\"} x", "", "{\"a\":\"\u{1}\"}"] {
            assert!(!json(&mut out, body.as_bytes(), style), "{body:?}");
            assert_eq!(out, b"before");
        }
    }
}
