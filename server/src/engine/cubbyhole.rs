//! Cubbyhole: KV that each token has for itself, and that goes with the token.
//!
//! Entries are at `<token storage id>/<path>` in the local keyspace; whoever revokes a token deletes
//! what is below its id.

use super::fields::{folder, list, writable};
use super::kv1::{read_object, write_object};
use crate::barrier::View;
use crate::logical::{ApiError, ApiResult, Call, EngineRoute, Method, Operation, Response};

pub(super) static ROUTES: &[EngineRoute] = &[EngineRoute::new(
    "{path..}",
    "Read, write, list and delete what belongs to the calling token.",
    &[
        Method::local(Operation::Read, read),
        Method::local(Operation::List, list_folder),
        Method::local(Operation::Write, write),
        Method::local(Operation::Delete, delete),
    ],
)
.creates(exists)];

/// The prefix of the caller's entries. A call without a token of this cluster has no cubbyhole.
fn root(call: &Call<'_>) -> ApiResult<String> {
    if call.caller.batch {
        return Err(ApiError::bad_request(
            "cubbyhole operations are only supported by 'service' type tokens",
        ));
    }
    if call.caller.token_id.is_empty() {
        return Err(ApiError::permission_denied());
    }
    Ok(format!("{}/", call.caller.token_id))
}

fn exists(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<bool> {
    Ok(view.exists(&format!("{}{}", root(call)?, call.path))?)
}

fn read(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    read_object(&format!("{}{}", root(call)?, call.path), view)
}

fn list_folder(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    list(call, view, &folder(&root(call)?, call.path))
}

fn write(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let key = format!("{}{}", root(call)?, writable(call.path)?);
    // Engines of old wrap what they refuse.
    write_object(call, &key, view).map_err(ApiError::in_list)
}

fn delete(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    view.delete(&format!("{}{}", root(call)?, call.path));
    Ok(Response::empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::engine::testing::Harness;
    use crate::logical::Operation::{Delete, List, Read, Write};

    #[test]
    fn every_token_has_its_own() {
        let mut hole = Harness::new("cubbyhole", &[]);
        hole.caller.token_id = "alice".into();
        hole.ok(Write, "x", json!({"a": 1}));
        hole.ok(Write, "d/e", json!({"a": 2}));
        assert_eq!(hole.ok(List, "", json!({}))["keys"], json!(["d/", "x"]));
        assert_eq!(hole.ok(Read, "x", json!({})), json!({"a": 1}));
        hole.caller.token_id = "bob".into();
        assert_eq!(hole.status(Read, "x", json!({})), 404);
        assert_eq!(hole.status(List, "", json!({})), 404);
        hole.ok(Delete, "x", json!({}));
        hole.caller.token_id = "alice".into();
        assert_eq!(hole.ok(Read, "x", json!({})), json!({"a": 1}));
        hole.caller.token_id.clear();
        assert_eq!(hole.status(Read, "alice/x", json!({})), 403);
        assert_eq!(hole.status(Write, "x", json!({"a": 1})), 403);
    }
}
