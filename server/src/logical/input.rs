//! Typed request fields, as loose as the API is: numbers and flags may come as text, a list as one
//! string with commas, a duration as seconds or as `1h30m`.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::engine::duration::parse_seconds;

/// A duration in whole seconds; negative ones and flags are refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seconds(pub u64);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let kinds = ListVisitor { lists: false, flags: false };
        let text = from.deserialize_any(kinds)?.pop().unwrap_or_default();
        parse_seconds(&text)
            .and_then(|s| u64::try_from(s).ok())
            .map(Self)
            .ok_or_else(|| de::Error::custom("not a duration such as 90, \"90s\" or \"1h30m\""))
    }
}

/// A flag, or `"true"`, `1` and the like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flag(pub bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Scalar::deserialize(from)?.0;
        parse_flag(&text).map(Self).ok_or_else(|| de::Error::custom("neither true nor false"))
    }
}

/// A flag in text; nothing is false.
pub(crate) fn parse_flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "t" | "true" => Some(true),
        "0" | "f" | "false" | "" => Some(false),
        _ => None,
    }
}

/// An integer, or its digits as text; nothing is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Integer(pub i64);

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Scalar::deserialize(from)?.0;
        if text.is_empty() {
            return Ok(Self(0));
        }
        text.parse().map(Self).map_err(|_| de::Error::custom("not an integer"))
    }
}

/// Text; numbers and flags are taken as they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Scalar(pub String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ListVisitor { lists: false, flags: true })
            .map(|mut list| Self(list.pop().unwrap_or_default()))
    }
}

/// Text that is wiped when it is dropped.
#[derive(Default)]
pub struct Secret(pub Zeroizing<String>);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Scalar::deserialize(from).map(|text| Self(Zeroizing::new(text.0)))
    }
}

/// A list of words; one string with commas is taken too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words(pub Vec<String>);

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let items = from.deserialize_any(ListVisitor { lists: true, flags: true })?;
        let words = items.iter().flat_map(|item| item.split(','));
        Ok(Self(words.map(|w| w.trim().to_owned()).filter(|w| !w.is_empty()).collect()))
    }
}

/// A list of texts, commas and all, without white space around them; a text alone is a list of one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts(pub Vec<String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let items = from.deserialize_any(ListVisitor { lists: true, flags: true })?;
        let texts = items.iter().map(|item| item.trim()).filter(|item| !item.is_empty());
        Ok(Self(texts.map(str::to_owned).collect()))
    }
}

/// Text by name: an object, or a list of `name=value`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pairs(pub BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Object(BTreeMap<String, Scalar>),
            List(Words),
        }
        match Form::deserialize(from) {
            Ok(Form::Object(map)) => Ok(Self(map.into_iter().map(|(k, v)| (k, v.0)).collect())),
            Ok(Form::List(Words(list))) => list
                .iter()
                .map(|pair| pair.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())))
                .collect::<Option<_>>()
                .map(Self)
                .ok_or_else(|| de::Error::custom("not a list of name=value")),
            Err(_) => Err(de::Error::custom("not an object of strings")),
        }
    }
}

struct ListVisitor {
    lists: bool,
    flags: bool,
}

impl<'de> Visitor<'de> for ListVisitor {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.lists { "a list of strings" } else { "a string" })
    }

    fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
        Ok(vec![v.to_owned()])
    }

    fn visit_u64<E>(self, v: u64) -> Result<Self::Value, E> {
        Ok(vec![v.to_string()])
    }

    fn visit_i64<E>(self, v: i64) -> Result<Self::Value, E> {
        Ok(vec![v.to_string()])
    }

    fn visit_f64<E>(self, v: f64) -> Result<Self::Value, E> {
        Ok(vec![v.to_string()])
    }

    fn visit_bool<E: de::Error>(self, v: bool) -> Result<Self::Value, E> {
        if !self.flags {
            return Err(E::invalid_type(de::Unexpected::Bool(v), &self));
        }
        Ok(vec![u8::from(v).to_string()])
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        if !self.lists {
            return Err(de::Error::invalid_type(de::Unexpected::Seq, &self));
        }
        let mut all = Vec::new();
        while let Some(Scalar(item)) = items.next_element()? {
            all.push(item);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loose_forms_are_taken_and_wrong_ones_refused() {
        #[derive(Deserialize)]
        struct Body {
            s: Seconds,
            f: Flag,
            n: Integer,
            w: Words,
        }
        let body: Body =
            serde_json::from_str(r#"{"s": "1h", "f": "true", "n": "-3", "w": "a, b,,c"}"#).unwrap();
        assert_eq!((body.s, body.f, body.n), (Seconds(3600), Flag(true), Integer(-3)));
        assert_eq!(body.w.0, ["a", "b", "c"]);
        let body: Body =
            serde_json::from_str(r#"{"s": 5, "f": 0, "n": 7, "w": ["a", 5]}"#).unwrap();
        assert_eq!((body.s, body.f, body.n), (Seconds(5), Flag(false), Integer(7)));
        assert_eq!(body.w.0, ["a", "5"]);
        assert!(serde_json::from_str::<Seconds>("\"-5s\"").is_err());
        assert!(serde_json::from_str::<Seconds>("\"abc\"").is_err());
        assert!(serde_json::from_str::<Seconds>("true").is_err());
        assert!(serde_json::from_str::<Flag>("\"maybe\"").is_err());
        assert!(serde_json::from_str::<Integer>("[1]").is_err());
        assert!(serde_json::from_str::<Words>("{}").is_err());
        let pairs = |text: &str| serde_json::from_str::<Pairs>(text).map(|p| p.0);
        let want = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
        for text in [r#"{"a": 1}"#, r#"["a=1"]"#, r#""a=1""#] {
            assert_eq!(pairs(text).unwrap(), want, "{text}");
        }
        assert!(pairs(r#"{"a": {}}"#).is_err() && pairs(r#"["a"]"#).is_err());
    }
}
