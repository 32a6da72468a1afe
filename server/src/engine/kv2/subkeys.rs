//! `subkeys/:path`: the names in a secret, with null for every value.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::super::fields::query_integer;
use super::meta::VersionInfo;
use super::{Found, find_version, wanted_version};
use crate::barrier::View;
use crate::logical::{ApiError, ApiResult, Call, Response};

/// Deepest level shown.
const DEPTH_MAX: usize = 128;

#[derive(Serialize)]
struct Answer {
    subkeys: Option<Value>,
    metadata: VersionInfo,
}

pub(super) fn read(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let depth = match query_integer(call, "depth")? {
        None | Some(0) => DEPTH_MAX,
        Some(n) => usize::try_from(n).unwrap_or(1).min(DEPTH_MAX),
    };
    match find_version(view, call.param("path"), wanted_version(call)?, call.now.into())? {
        Found::Nothing => Err(ApiError::not_found()),
        Found::Gone(metadata) => {
            let response = Response::data(&Answer { subkeys: None, metadata })?;
            Ok(Response { status: Some(404), ..response })
        }
        Found::Here(metadata, data) => {
            let empty = || Value::Object(Map::new());
            let names = names(&data.0, depth);
            // A secret without fields has an empty structure; one of null has none.
            let bare = names.is_null() && data.0.starts_with('{');
            let subkeys = Some(if bare { empty() } else { names });
            Response::data(&Answer { subkeys, metadata })
        }
    }
}

/// An object's names down to `depth`; everything else, empty objects too, is null.
fn names(json: &str, depth: usize) -> Value {
    if depth == 0 || !json.starts_with('{') {
        return Value::Null;
    }
    let Ok(fields) = serde_json::from_str::<BTreeMap<String, &RawValue>>(json) else {
        return Value::Null;
    };
    if fields.is_empty() {
        return Value::Null;
    }
    let inner = |(name, value): (String, &RawValue)| (name, names(value.get(), depth - 1));
    Value::Object(fields.into_iter().map(inner).collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_shown_to_the_depth_asked_for() {
        let secret = r#"{"a":{"b":{"c":1,"d":[1,{"e":2}]},"f":{}},"g":"x","h":null}"#;
        let all = json!({"a":{"b":{"c":null,"d":null},"f":null},"g":null,"h":null});
        assert_eq!(names(secret, DEPTH_MAX), all);
        assert_eq!(names(secret, 1), json!({"a":null,"g":null,"h":null}));
        assert_eq!(names(secret, 2), json!({"a":{"b":null,"f":null},"g":null,"h":null}));
        assert_eq!(names("null", 5), Value::Null);
    }
}
