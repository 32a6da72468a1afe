//! `sys/tools`: random bytes and hashes, the same as transit's.

use super::{CoreCall, CoreHandler};
use crate::barrier::Session;
use crate::engine;
use crate::keyspace::CORE;
use crate::logical::{Access, ApiResult, Method, Operation, Response, Route};

const RANDOM: &[Method<CoreHandler>] = &[Method::local(Operation::Write, random)];
const HASH: &[Method<CoreHandler>] = &[Method::local(Operation::Write, hash)];

const fn route(
    pattern: &'static str,
    summary: &'static str,
    methods: &'static [Method<CoreHandler>],
) -> Route<CoreHandler> {
    Route { pattern, summary, access: Access::Token, exists: None, methods }
}

/// The routes.
pub(super) static ROUTES: &[Route<CoreHandler>] = &[
    route("tools/random", "Give random bytes", RANDOM),
    route("tools/random/{first}", "Give random bytes, as many as the path says", RANDOM),
    route("tools/random/{first}/{bytes}", "Give random bytes of a source", RANDOM),
    route("tools/hash", "Hash a text", HASH),
    route("tools/hash/{algorithm}", "Hash a text by an algorithm", HASH),
];

fn random(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    engine::random(&core.call, &mut session.view(CORE))
}

fn hash(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    engine::hash(&core.call, &mut session.view(CORE))
}
