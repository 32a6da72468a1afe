//! A configuration in JSON, as the HCL that means the same.
//!
//! `{"listener": {"tcp": {...}}}` is `listener "tcp" {...}`; a list stands for several blocks. Whatever
//! else is an object is a block without a label. Each line of that HCL knows the line of the JSON that
//! it comes from, so that messages name lines which the file has.

use std::fmt;

use hcl::edit::Ident;
use hcl::edit::expr::{Array, Expression};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// Blocks whose first word says of which kind they are.
const LABELLED: [&str; 7] =
    ["listener", "storage", "backend", "ha_storage", "ha_backend", "seal", "service_registration"];

/// Whether a file is meant to be JSON.
pub(super) fn is_json(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// HCL, and for each of its lines the one of the JSON, from 1.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) text: String,
    pub(super) lines: Vec<usize>,
}

/// The same as HCL.
pub(super) fn as_hcl(json: &str) -> Result<Written, serde_json::Error> {
    let top: Object<'_> = serde_json::from_str(json)?;
    let mut writer = Writer { json, written: Written::default() };
    for (name, raw) in &top.0 {
        if LABELLED.contains(&name.as_str()) {
            writer.labelled(name, raw)?;
        } else {
            writer.item(name, raw)?;
        }
    }
    Ok(writer.written)
}

/// Names and values in the order of the text; a name may be there twice.
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Named;
        impl<'de> Visitor<'de> for Named {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut named = Vec::new();
                while let Some((name, value)) = map.next_entry()? {
                    named.push((name, value));
                }
                Ok(Object(named))
            }
        }
        from.deserialize_map(Named)
    }
}

struct Writer<'a> {
    json: &'a str,
    written: Written,
}

impl<'a> Writer<'a> {
    /// Writes one line that comes from where `from` begins.
    fn line(&mut self, text: &str, from: &RawValue) {
        let begins = from.get().as_ptr().addr().saturating_sub(self.json.as_ptr().addr());
        let above = self.json.as_bytes().iter().take(begins).filter(|b| **b == b'\n');
        self.written.lines.push(1 + above.count());
        self.written.text.push_str(text);
        self.written.text.push('\n');
    }

    fn labelled(&mut self, name: &str, value: &'a RawValue) -> Result<(), serde_json::Error> {
        for kinds in each(value)?.into_iter().filter(|v| is_object(v)) {
            let kinds: Object<'_> = serde_json::from_str(kinds.get())?;
            for (kind, blocks) in &kinds.0 {
                for block in each(blocks)? {
                    let label = Expression::from(kind.as_str());
                    self.block(&format!("{} {label}", ident(name)), block)?;
                }
            }
        }
        Ok(())
    }

    fn item(&mut self, name: &str, value: &'a RawValue) -> Result<(), serde_json::Error> {
        let items = each(value)?;
        if !items.is_empty() && items.iter().all(|v| is_object(v)) {
            for block in items {
                self.block(&ident(name), block)?;
            }
        } else if let Some(expression) = expression(&serde_json::from_str(value.get())?) {
            self.line(&format!("{} = {expression}", ident(name)), value);
        }
        Ok(())
    }

    fn block(&mut self, head: &str, value: &'a RawValue) -> Result<(), serde_json::Error> {
        self.line(&format!("{head} {{"), value);
        if is_object(value) {
            let inner: Object<'_> = serde_json::from_str(value.get())?;
            for (name, value) in &inner.0 {
                self.item(name, value)?;
            }
        }
        self.line("}", value);
        Ok(())
    }
}

/// The items of a list, or the one value.
fn each(value: &RawValue) -> Result<Vec<&RawValue>, serde_json::Error> {
    if value.get().starts_with('[') { serde_json::from_str(value.get()) } else { Ok(vec![value]) }
}

fn is_object(value: &RawValue) -> bool {
    value.get().starts_with('{')
}

/// A name; no setting has one that HCL would not allow.
fn ident(name: &str) -> String {
    Ident::new_sanitized(name).to_string()
}

/// `None` for null, which stands for nothing given.
fn expression(value: &Value) -> Option<Expression> {
    Some(match value {
        Value::Null | Value::Object(_) => return None,
        Value::Bool(flag) => Expression::from(*flag),
        Value::Number(number) => {
            if let Some(n) = number.as_u64() {
                Expression::from(n)
            } else if let Some(n) = number.as_i64() {
                Expression::from(n)
            } else {
                Expression::from(number.as_f64()?)
            }
        }
        Value::String(text) => Expression::from(text.as_str()),
        Value::Array(items) => {
            let mut array = Array::new();
            items.iter().filter_map(expression).for_each(|item| array.push(item));
            Expression::Array(array)
        }
    })
}
