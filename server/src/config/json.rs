//! A configuration in JSON, as the HCL that means the same.
//!
//! `{"listener": {"tcp": {...}}}` is `listener "tcp" {...}`; a list stands for several blocks. Whatever
//! else is an object is a block without a label.

use hcl::edit::expr::{Array, Expression};
use hcl::edit::structure::{Attribute, Block, Body};
use hcl::edit::{Decorated, Ident};
use serde_json::{Map, Value};

/// Blocks whose first word says of which kind they are.
const LABELLED: [&str; 7] =
    ["listener", "storage", "backend", "ha_storage", "ha_backend", "seal", "service_registration"];

/// Whether a file is meant to be JSON.
pub(super) fn is_json(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// The same as HCL, without places in the text.
pub(super) fn parse(text: &str) -> Result<Body, serde_json::Error> {
    let top: Map<String, Value> = serde_json::from_str(text)?;
    let mut body = Body::new();
    for (name, value) in &top {
        if LABELLED.contains(&name.as_str()) {
            for kinds in each(value).filter_map(Value::as_object) {
                for (kind, value) in kinds {
                    each(value).for_each(|v| push_block(&mut body, name, Some(kind), v));
                }
            }
        } else {
            push(&mut body, name, value);
        }
    }
    Ok(body)
}

/// The items of a list, or the one value.
fn each(value: &Value) -> impl Iterator<Item = &Value> {
    match value {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    }
    .iter()
}

fn push(body: &mut Body, name: &str, value: &Value) {
    let blocks = match value {
        Value::Object(_) => true,
        Value::Array(items) => !items.is_empty() && items.iter().all(Value::is_object),
        _ => false,
    };
    if blocks {
        each(value).for_each(|v| push_block(body, name, None, v));
    } else if let Some(expression) = expression(value) {
        body.push(Attribute::new(ident(name), expression));
    }
}

fn push_block(body: &mut Body, name: &str, label: Option<&str>, value: &Value) {
    let mut inner = Body::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        push(&mut inner, name, value);
    }
    let mut block = Block::new(ident(name));
    if let Some(label) = label {
        block.labels.push(label.into());
    }
    block.body = inner;
    body.push(block);
}

/// A name; no setting has one that HCL would not allow.
fn ident(name: &str) -> Decorated<Ident> {
    Decorated::new(Ident::new_sanitized(name))
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
