//! KV version 1: a map per path, kept as it was written.
//!
//! The keyspace holds one entry per secret under its own path; the value is the JSON object.
//! A field `ttl` (or the older `lease`) only sets the advisory `lease_duration` of the answer.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::duration::parse_seconds;
use super::fields::{folder, is_flag, list, scalar, scan, writable};
use crate::barrier::View;
use crate::logical::{ApiError, ApiResult, Call, EngineRoute, Json, Method, Operation, Response};

pub(super) static ROUTES: &[EngineRoute] = &[EngineRoute::new(
    "{path..}",
    "Read, write, list and delete secrets.",
    &[
        Method::local(Operation::Read, read),
        Method::local(Operation::List, list_folder),
        Method::local(Operation::Scan, scan_folder),
        Method::primary(Operation::Write, write),
        Method::primary(Operation::Delete, delete),
    ],
)
.creates(exists)];

type Secret<'a> = BTreeMap<String, &'a RawValue>;

fn exists(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<bool> {
    Ok(view.exists(call.path)?)
}

fn read(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let mut response = read_object(call.path, view)?;
    let own = response.data.as_ref().and_then(advisory_lease);
    response.lease_duration = own.unwrap_or(call.mount.default_lease_ttl);
    Ok(response)
}

fn advisory_lease(data: &Json) -> Option<u64> {
    let secret: Secret<'_> = serde_json::from_str(data.get()).ok()?;
    let field = secret.get("ttl").or_else(|| secret.get("lease"))?;
    // A flag is no duration; digits and text are.
    let text = scalar(field).filter(|text| !text.is_empty() && !is_flag(field))?;
    u64::try_from(parse_seconds(&text)?).ok()
}

fn list_folder(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    list(call, view, &folder("", call.path))
}

fn scan_folder(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    scan(call, view, &folder("", call.path))
}

fn write(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    write_object(call, writable(call.path)?, view)
}

#[expect(clippy::unnecessary_wraps, reason = "the type of every handler")]
fn delete(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    view.delete(call.path);
    Ok(Response::empty())
}

/// The stored object as an answer; shared with the cubbyhole.
pub(super) fn read_object(key: &str, view: &mut View<'_>) -> ApiResult<Response> {
    let stored = view.get(key)?.ok_or_else(ApiError::not_found)?;
    let data: Box<RawValue> = serde_json::from_slice(&stored).map_err(ApiError::internal)?;
    Ok(Response::json(data.into()))
}

/// Stores the body at `key`; shared with the cubbyhole.
pub(super) fn write_object(call: &Call<'_>, key: &str, view: &mut View<'_>) -> ApiResult<Response> {
    let secret: Secret<'_> = call.parse()?;
    if secret.is_empty() {
        return Err(ApiError::bad_request("missing data fields"));
    }
    view.put_json(key, &secret)?;
    Ok(Response::empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::engine::testing::Harness;
    use crate::logical::Operation::{Delete, List, Read, Write};

    #[test]
    fn secrets_are_kept_as_written_listed_and_deleted() {
        let mut kv = Harness::new("kv", &[]);
        assert_eq!(kv.status(Read, "a", json!({})), 404);
        assert_eq!(kv.status(List, "", json!({})), 404);
        // A number beyond 64 bits must come back as it went in.
        kv.raw(Write, "a", r#"{"x":"1","n":123456789012345678901234567890,"deep":{"y":[1,null]}}"#)
            .unwrap();
        let got = kv.raw(Read, "a", "").unwrap().data.unwrap();
        assert_eq!(
            got.get(),
            r#"{"deep":{"y":[1,null]},"n":123456789012345678901234567890,"x":"1"}"#
        );
        kv.ok(Write, "a/sub", json!({"y": 1}));
        kv.ok(Write, "b", json!({"y": 1}));
        assert_eq!(kv.ok(List, "", json!({}))["keys"], json!(["a", "a/", "b"]));
        assert_eq!(kv.ok(List, "a", json!({}))["keys"], json!(["sub"]));
        assert_eq!(kv.ok(List, "?after=a&limit=1", json!({}))["keys"], json!(["a/"]));
        kv.ok(Delete, "a", json!({}));
        assert_eq!(kv.status(Read, "a", json!({})), 404);
        assert_eq!(kv.status(Delete, "a", json!({})), 204);
        assert_eq!(kv.status(Read, "a/sub", json!({})), 200);
    }

    #[test]
    fn bad_writes_are_refused_and_change_nothing() {
        let mut kv = Harness::new("kv", &[]);
        assert_eq!(kv.error(Write, "a", json!({})), (400, "missing data fields".into()));
        assert_eq!(kv.status(Write, "a/", json!({"x": 1})), 400);
        assert_eq!(kv.status(Write, "", json!({"x": 1})), 400);
        assert_eq!(kv.raw(Write, "a", "{").unwrap_err().status, 400);
        assert_eq!(kv.raw(Write, "a", "[1]").unwrap_err().status, 400);
        assert_eq!(kv.status(Read, "a", json!({})), 404);
    }

    #[test]
    fn a_ttl_sets_the_advisory_lease() {
        let mut kv = Harness::new("kv", &[]);
        for (body, want) in [
            (json!({"v": 1}), 2_764_800),
            (json!({"ttl": "1h"}), 3600),
            (json!({"ttl": 30}), 30),
            (json!({"lease": "5m"}), 300),
            (json!({"ttl": "1h", "lease": "5m"}), 3600),
            (json!({"ttl": "junk"}), 2_764_800),
            (json!({"ttl": true}), 2_764_800),
        ] {
            kv.ok(Write, "a", body.clone());
            assert_eq!(kv.raw(Read, "a", "").unwrap().lease_duration, want, "{body}");
        }
    }

    #[test]
    fn create_and_update_are_told_apart() {
        let mut kv = Harness::new("kv", &[]);
        assert!(!kv.exists("a"));
        kv.ok(Write, "a", json!({"x": 1}));
        assert!(kv.exists("a"));
    }
}
