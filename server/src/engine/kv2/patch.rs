//! JSON merge patch (RFC 7396) on JSON in text, so that what is not touched stays byte for byte:
//! numbers beyond 64 bits or with many digits keep them.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::logical::{ApiError, ApiResult};

/// Deepest nesting of objects that a patch may touch.
const DEPTH_MAX: usize = 128;

type Object<'a> = BTreeMap<String, &'a RawValue>;

/// `target` changed by `patch`; both are JSON.
///
/// # Errors
/// 400 when the patch is nested too deeply.
pub(super) fn merge(target: &str, patch: &str) -> ApiResult<String> {
    let mut out = String::with_capacity(target.len() + patch.len());
    merge_into(&mut out, Some(target), patch, DEPTH_MAX)?;
    Ok(out)
}

fn merge_into(out: &mut String, target: Option<&str>, patch: &str, depth: usize) -> ApiResult<()> {
    let Some(patch_fields) = object(patch) else {
        out.push_str(patch);
        return Ok(());
    };
    if depth == 0 {
        return Err(ApiError::bad_request(format!("patch is nested deeper than {DEPTH_MAX}")));
    }
    // What is not an object is replaced by an empty one, as the RFC says.
    let mut fields = target.and_then(object).unwrap_or_default();
    let mut merged: BTreeMap<String, String> = BTreeMap::new();
    for (name, change) in patch_fields {
        let old = fields.remove(&name).map(RawValue::get);
        if change.get() != "null" {
            let mut value = String::new();
            merge_into(&mut value, old, change.get(), depth - 1)?;
            merged.insert(name, value);
        }
    }
    merged.extend(fields.into_iter().map(|(name, value)| (name, value.get().to_owned())));
    write_object(out, &merged)
}

fn object(json: &str) -> Option<Object<'_>> {
    json.starts_with('{').then(|| serde_json::from_str(json).ok()).flatten()
}

fn write_object(out: &mut String, fields: &BTreeMap<String, String>) -> ApiResult<()> {
    out.push('{');
    for (i, (name, value)) in fields.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        out.push_str(&serde_json::to_string(name).map_err(ApiError::internal)?);
        out.push(':');
        out.push_str(value);
    }
    out.push('}');
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn merged(target: &Value, patch: &Value) -> Value {
        serde_json::from_str(&merge(&target.to_string(), &patch.to_string()).unwrap()).unwrap()
    }

    /// The test cases of RFC 7396, appendix A.
    #[test]
    fn the_vectors_of_rfc_7396() {
        for (target, patch, want) in [
            (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
            (json!({"a":"b"}), json!({"a":null}), json!({})),
            (json!({"a":"b","b":"c"}), json!({"a":null}), json!({"b":"c"})),
            (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
            (json!({"a":{"b":"c"}}), json!({"a":{"b":"d","c":null}}), json!({"a":{"b":"d"}})),
            (json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a":"b"}), json!(["c"]), json!(["c"])),
            (json!({"a":"foo"}), json!(null), json!(null)),
            (json!({"a":"foo"}), json!("bar"), json!("bar")),
            (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
            (json!([1, 2]), json!({"a":"b","c":null}), json!({"a":"b"})),
            (json!({}), json!({"a":{"bb":{"ccc":null}}}), json!({"a":{"bb":{}}})),
        ] {
            assert_eq!(merged(&target, &patch), want, "{target} patched by {patch}");
        }
    }

    #[test]
    fn what_is_not_touched_keeps_its_digits() {
        let out = merge(r#"{"n":12345678901234567890123,"x":1.10}"#, r#"{"y":0.1000}"#).unwrap();
        assert_eq!(out, r#"{"n":12345678901234567890123,"x":1.10,"y":0.1000}"#);
    }

    #[test]
    fn a_deep_patch_is_refused_and_does_not_overflow() {
        let deep = format!("{}1{}", r#"{"a":"#.repeat(20_000), "}".repeat(20_000));
        assert_eq!(merge("{}", &deep).unwrap_err().status, 400);
    }

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i32>().prop_map(Value::from),
            "[ab\"]{0,2}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[abc\"]{1,2}", inner, 0..4)
                    .prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    /// The RFC's pseudo code on parsed values.
    fn model(target: Option<Value>, patch: &Value) -> Value {
        let Value::Object(patch) = patch else { return patch.clone() };
        let mut fields = match target {
            Some(Value::Object(fields)) => fields,
            _ => serde_json::Map::new(),
        };
        for (name, change) in patch {
            let old = fields.remove(name);
            if !change.is_null() {
                fields.insert(name.clone(), model(old, change));
            }
        }
        Value::Object(fields)
    }

    proptest! {
        #[test]
        fn merging_text_equals_merging_values(target in json_value(), patch in json_value()) {
            prop_assert_eq!(merged(&target, &patch), model(Some(target.clone()), &patch));
        }
    }
}
