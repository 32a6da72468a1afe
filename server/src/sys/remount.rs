//! `sys/remount`: a mount under another path, its data where it was.
//!
//! The move is one transaction, so it is over when it is answered; what `status` shows is kept for
//! the last [`KEPT`] moves.

use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::barrier::Session;
use crate::handler::{CoreCall, CoreRoute};
use crate::keyspace::{CORE, LOCAL};
use crate::logical::{ApiError, ApiResult, Field, Method, Operation, Response, Scalar};
use crate::mount::{self, LOCAL_AUTH_KEY, LOCAL_KEY};
use crate::token;

/// Moves whose outcome can be asked for.
const KEPT: usize = 64;
/// Where they are, in CORE and for local mounts in LOCAL.
const MOVES_KEY: &str = "moves";

const REMOUNT: &[Field] = &[Field::text("from", "Where it is"), Field::text("to", "Where it goes")];

/// The routes. Whether a mount is local is for the handler to find out.
pub(super) static ROUTES: &[CoreRoute] = &[
    CoreRoute::new(
        "remount",
        "Move a mount to another path",
        &[Method::local(Operation::Write, remount)],
    )
    .sudo()
    .takes(REMOUNT),
    CoreRoute::new(
        "remount/status/{id}",
        "Show what became of a move",
        &[Method::local(Operation::Read, status)],
    )
    .takes(&[]),
];

#[derive(Serialize, Deserialize)]
struct Move {
    id: String,
    from: String,
    to: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    from: Scalar,
    to: Scalar,
}

fn remount(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let body: Body = core.call.parse()?;
    let path = |text: &str| format!("{}/", text.trim_matches('/'));
    let (from, to) = (path(&body.from.0), path(&body.to.0));
    if from == "/" || to == "/" {
        return Err(ApiError::bad_request(
            "both 'from' and 'to' path must be specified as a string",
        ));
    }
    if from == to {
        return Err(ApiError::bad_request(format!("path already in use at {to:?}")));
    }
    let key = mount::remount(session, &from, &to)?;
    // Leases are named by paths; those of the old one end here.
    token::revoke_prefix(session, &from)?;
    let keyspace = if [LOCAL_KEY, LOCAL_AUTH_KEY].contains(&key) { LOCAL } else { CORE };
    let mut view = session.view(keyspace);
    let mut moves: Vec<Move> = view.get_json(MOVES_KEY)?.unwrap_or_default();
    let id = Uuid::new_v4().to_string();
    moves.push(Move { id: id.clone(), from, to });
    let surplus = moves.len().saturating_sub(KEPT);
    moves.drain(..surplus);
    view.put_json(MOVES_KEY, &moves)?;
    let answer = Response::data(&json!({ "migration_id": id }))?;
    let warning = format!("The mount was moved; sys/remount/status/{id} tells of it.");
    Ok(Response { flatten: true, ..answer }.warn(warning))
}

fn status(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let id = core.call.param("id");
    for keyspace in [CORE, LOCAL] {
        let moves: Vec<Move> = session.view(keyspace).get_json(MOVES_KEY)?.unwrap_or_default();
        if let Some(found) = moves.iter().find(|m| m.id == id) {
            let data = json!({
                "migration_id": id,
                "migration_info": {
                    "source_mount": found.from,
                    "target_mount": found.to,
                    "status": "success",
                },
            });
            return Response::data(&data);
        }
    }
    Err(ApiError::not_found())
}
