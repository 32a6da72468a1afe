//! The part of HCL that policies are written in, as forgiving as the form's first version: items
//! need no line of their own, keys may be quoted, commas between items are optional.
//!
//! A file is a list of items, `key "label" ... { items }` or `key = value`. Strings know the escapes
//! of JSON; `#`, `//` and `/* */` are comments. Nesting is bounded.

use std::iter::Peekable;
use std::str::CharIndices;

use serde_json::{Map, Value};

/// Objects and lists inside each other.
const DEPTH_MAX: usize = 32;

/// Why a text is not HCL.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line}: {what}")]
pub(crate) struct SyntaxError {
    /// From 1.
    pub line: usize,
    /// What is wrong there.
    pub what: &'static str,
}

/// One item of a file or of a block.
#[derive(Debug, PartialEq)]
pub(crate) struct Item {
    /// The first word.
    pub(crate) key: String,
    /// What stands between it and the block.
    pub(crate) labels: Vec<String>,
    /// A block is an object; of a key that comes twice the last value counts.
    pub(crate) value: Value,
}

/// The items of a text, in its order.
///
/// # Errors
/// [`SyntaxError`].
pub(crate) fn parse(text: &str) -> Result<Vec<Item>, SyntaxError> {
    let mut parser = Parser { text, chars: text.char_indices().peekable(), depth: 0 };
    let items = parser.items()?;
    match parser.next_token()? {
        None => Ok(items),
        Some(_) => Err(parser.error("unexpected '}'")),
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Sign(char),
}

struct Parser<'t> {
    text: &'t str,
    chars: Peekable<CharIndices<'t>>,
    depth: usize,
}

impl Parser<'_> {
    fn items(&mut self) -> Result<Vec<Item>, SyntaxError> {
        let mut items = Vec::new();
        loop {
            let before = self.chars.clone();
            let key = match self.next_token()? {
                Some(Token::Word(key) | Token::Text(key)) => key,
                Some(Token::Sign(',')) if !items.is_empty() => continue,
                Some(Token::Sign('}')) | None => {
                    self.chars = before;
                    return Ok(items);
                }
                Some(_) => return Err(self.error("a key is expected")),
            };
            items.push(self.item(key)?);
        }
    }

    fn item(&mut self, key: String) -> Result<Item, SyntaxError> {
        let mut labels = Vec::new();
        loop {
            match self.next_token()? {
                Some(Token::Word(label) | Token::Text(label)) => labels.push(label),
                Some(Token::Sign('{')) => {
                    let value = self.object()?;
                    return Ok(Item { key, labels, value });
                }
                Some(Token::Sign('=')) if labels.is_empty() => {
                    let value = self.value()?;
                    return Ok(Item { key, labels, value });
                }
                _ => return Err(self.error("'{' or '=' is expected")),
            }
        }
    }

    /// After the opening brace.
    fn object(&mut self) -> Result<Value, SyntaxError> {
        self.enter()?;
        let mut object = Map::new();
        for item in self.items()? {
            let mut value = item.value;
            for label in item.labels.into_iter().rev() {
                value = Value::Object(Map::from_iter([(label, value)]));
            }
            object.insert(item.key, value);
        }
        if self.next_token()? != Some(Token::Sign('}')) {
            return Err(self.error("'}' is missing"));
        }
        self.depth -= 1;
        Ok(Value::Object(object))
    }

    /// After the opening bracket.
    fn list(&mut self) -> Result<Value, SyntaxError> {
        self.enter()?;
        let mut list = Vec::new();
        loop {
            let before = self.chars.clone();
            match self.next_token()? {
                Some(Token::Sign(']')) => {
                    self.depth -= 1;
                    return Ok(Value::Array(list));
                }
                Some(Token::Sign(',')) if !list.is_empty() => {}
                Some(_) => {
                    self.chars = before;
                    list.push(self.value()?);
                }
                None => return Err(self.error("']' is missing")),
            }
        }
    }

    fn value(&mut self) -> Result<Value, SyntaxError> {
        match self.next_token()? {
            Some(Token::Text(text)) => Ok(Value::String(text)),
            Some(Token::Sign('{')) => self.object(),
            Some(Token::Sign('[')) => self.list(),
            Some(Token::Word(word)) => match word.as_str() {
                "true" => Ok(Value::Bool(true)),
                "false" => Ok(Value::Bool(false)),
                number => serde_json::from_str::<serde_json::Number>(number)
                    .map(Value::Number)
                    .map_err(|_| self.error("a value is expected")),
            },
            _ => Err(self.error("a value is expected")),
        }
    }

    fn enter(&mut self) -> Result<(), SyntaxError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(self.error("nested too deeply")) } else { Ok(()) }
    }

    fn next_token(&mut self) -> Result<Option<Token>, SyntaxError> {
        self.skip_blank()?;
        let Some((at, first)) = self.chars.next() else { return Ok(None) };
        match first {
            '{' | '}' | '[' | ']' | '=' | ',' | ':' => {
                // JSON's colon is an equals sign.
                Ok(Some(Token::Sign(if first == ':' { '=' } else { first })))
            }
            '"' => self.string(at).map(Some),
            c if is_word(c) => {
                let mut end = at + c.len_utf8();
                while let Some((next, c)) = self.chars.next_if(|(_, c)| is_word(*c)) {
                    end = next + c.len_utf8();
                }
                Ok(Some(Token::Word(self.text[at..end].to_owned())))
            }
            _ => Err(self.error("unexpected character")),
        }
    }

    fn string(&mut self, start: usize) -> Result<Token, SyntaxError> {
        let mut escaped = false;
        while let Some((at, c)) = self.chars.next() {
            match c {
                '\n' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    let text = &self.text[start..=at];
                    return serde_json::from_str(text)
                        .map(Token::Text)
                        .map_err(|_| self.error("unknown escape in a string"));
                }
                _ => {}
            }
        }
        Err(self.error("a string is not closed"))
    }

    fn skip_blank(&mut self) -> Result<(), SyntaxError> {
        loop {
            while self.chars.next_if(|(_, c)| c.is_whitespace()).is_some() {}
            let Some(&(at, _)) = self.chars.peek() else { return Ok(()) };
            let rest = &self.text[at..];
            let length = if rest.starts_with('#') || rest.starts_with("//") {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("/*") {
                rest.find("*/").ok_or_else(|| self.error("a comment is not closed"))? + 2
            } else {
                return Ok(());
            };
            while self.chars.next_if(|(i, _)| *i < at + length).is_some() {}
        }
    }

    fn error(&mut self, what: &'static str) -> SyntaxError {
        let at = self.chars.peek().map_or(self.text.len(), |(at, _)| *at);
        SyntaxError { line: self.text[..at].matches('\n').count() + 1, what }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '+')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn one(text: &str) -> Item {
        let mut items = parse(text).unwrap();
        assert_eq!(items.len(), 1, "{text}");
        items.remove(0)
    }

    #[test]
    fn the_forgiving_forms_are_read() {
        for text in [
            "path \"a\" { x = [\"r\", \"l\"] y = 5 }",
            "\"path\" \"a\" {\n x = [\"r\" \"l\",],\n y = 5,\n}",
            "# c\npath \"a\" { // c\n /* c */ \"x\" = [\"r\", # c\n \"l\"]; y = 5 }",
        ] {
            let text = text.replace(';', "\n");
            let item = one(&text);
            assert_eq!((item.key.as_str(), item.labels), ("path", vec!["a".to_owned()]), "{text}");
            assert_eq!(item.value, json!({"x": ["r", "l"], "y": 5}), "{text}");
        }
        assert_eq!(parse("path \"a\" {} path \"b\" {}").unwrap().len(), 2);
        assert_eq!(one("a = { b = true, c = -1.5 }").value, json!({"b": true, "c": -1.5}));
        assert_eq!(one("p \"a\\\"\\u00e9\" {}").labels, ["a\"\u{e9}"]);
        assert_eq!(parse(" # nothing").unwrap(), []);
    }

    #[test]
    fn errors_name_the_line() {
        for (text, line) in [
            ("path \"a\" {", 1),
            ("\n\npath \"a", 3),
            ("a =\n]", 2),
            ("}", 1),
            ("a = zzz", 1),
            ("path \"a\" = {}", 1),
            ("a = [1", 1),
            ("/* a", 1),
            ("a = \"\\q\"", 1),
            ("5 5", 1),
            (", a = 1", 1),
            ("a = \u{1}", 1),
        ] {
            assert_eq!(parse(text).unwrap_err().line, line, "{text}");
        }
        let deep = format!("a = {}", "[".repeat(100_000));
        assert_eq!(parse(&deep).unwrap_err().what, "nested too deeply");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a\"{}\\[\\]=,#/* \\n\\\\0-9é]{0,40}") {
            let _ = parse(&text);
        }
    }
}
