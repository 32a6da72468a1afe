//! JSON text that is written by hand, where a serialiser would look at every byte of it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// A value as JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json(String);

impl Json {
    /// What `value` is in JSON.
    ///
    /// # Errors
    /// It has no form in JSON.
    pub fn of(value: &impl Serialize) -> serde_json::Result<Self> {
        serde_json::to_string(value).map(Self)
    }

    /// Text that was written as JSON; nobody looks at it again.
    pub(crate) fn written(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn get(&self) -> &str {
        &self.0
    }
}

impl From<Box<RawValue>> for Json {
    fn from(raw: Box<RawValue>) -> Self {
        Self(String::from(Box::<str>::from(raw)))
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue =
            serde_json::from_str(&self.0).map_err(|_| serde::ser::Error::custom("no JSON"))?;
        raw.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(from).map(Self::from)
    }
}

/// Appends `text` as a JSON string.
pub(crate) fn push_quoted(to: &mut Vec<u8>, text: &str) {
    if is_plain(text) {
        to.reserve(text.len() + 2);
        to.push(b'"');
        to.extend_from_slice(text.as_bytes());
        to.push(b'"');
    } else if serde_json::to_writer(&mut *to, text).is_err() {
        // Writing to a Vec does not fail.
        to.extend_from_slice(b"null");
    }
}

/// As [`push_quoted`].
pub(crate) fn quote(to: &mut String, text: &str) {
    if is_plain(text) {
        to.push('"');
        to.push_str(text);
        to.push('"');
    } else {
        to.push_str(&serde_json::to_string(text).unwrap_or_default());
    }
}

/// Whether a JSON string has `text` as it is. Written without a way out, so that many bytes are
/// looked at at once.
fn is_plain(text: &str) -> bool {
    let escaped = |byte: u8| matches!(byte, ..b' ' | b'"' | b'\\');
    !text.bytes().fold(false, |found, byte| found | escaped(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_those_of_the_serialiser() {
        let mut texts: Vec<String> =
            (0..=0x2000).filter_map(char::from_u32).map(|c| format!("a{c}b")).collect();
        texts.push("x".repeat(1000) + "\n" + &"y".repeat(1000));
        texts.push(String::new());
        for text in texts {
            let want = serde_json::to_string(&text).unwrap();
            let (mut bytes, mut quoted) = (Vec::new(), String::new());
            push_quoted(&mut bytes, &text);
            quote(&mut quoted, &text);
            assert_eq!((bytes, quoted.as_str()), (want.clone().into_bytes(), want.as_str()));
        }
    }

    #[test]
    fn text_stays_as_it_is_inside_of_other_values() {
        #[derive(Serialize, Deserialize)]
        struct Outer {
            data: Option<Json>,
        }
        for text in [r#"{"data":{"b": 1, "a":[ ]}}"#, r#"{"data":null}"#] {
            let outer: Outer = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&outer).unwrap(), text);
        }
        assert!(serde_json::to_string(&Json::written("{".to_owned())).is_err());
    }
}
