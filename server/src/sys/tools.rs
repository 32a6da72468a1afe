//! `sys/tools`: random bytes and hashes, the same as transit's.

use crate::barrier::Session;
use crate::engine;
use crate::handler::{CoreCall, CoreHandler, CoreRoute};
use crate::keyspace::CORE;
use crate::logical::{ApiResult, Field, Method, Operation, Response};

const RANDOM: &[Method<CoreHandler>] = &[Method::local(Operation::Write, random)];
const HASH: &[Method<CoreHandler>] = &[Method::local(Operation::Write, hash)];

const TOOLS_RANDOM: &[Field] = &[
    Field::integer("bytes", "How many bytes"),
    Field::text("format", "Form of the output"),
    Field::text("source", "Source of the bytes"),
];
const TOOLS_HASH: &[Field] = &[
    Field::text("algorithm", "Hash function"),
    Field::text("format", "Form of the output"),
    Field::text("input", "The input"),
];

/// The routes.
pub(super) static ROUTES: &[CoreRoute] = &[
    CoreRoute::new("tools/random", "Give random bytes", RANDOM).takes(TOOLS_RANDOM),
    CoreRoute::new("tools/random/{first}", "Give random bytes, as many as the path says", RANDOM)
        .takes(TOOLS_RANDOM),
    CoreRoute::new("tools/random/{first}/{urlbytes}", "Give random bytes of a source", RANDOM)
        .takes(TOOLS_RANDOM),
    CoreRoute::new("tools/hash", "Hash a text", HASH).takes(TOOLS_HASH),
    CoreRoute::new("tools/hash/{urlalgorithm}", "Hash a text by an algorithm", HASH)
        .takes(TOOLS_HASH),
];

fn random(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    engine::random(&core.call, &mut session.view(CORE))
}

fn hash(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    engine::hash(&core.call, &mut session.view(CORE))
}
