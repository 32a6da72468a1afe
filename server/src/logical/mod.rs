//! The language between HTTP and the engines: calls, responses, errors and route tables.
//!
//! An engine is a static table of [`Route`]s whose handlers are plain functions over a [`Call`] and
//! a [`View`](crate::barrier::View). A handler never waits and never commits: it reads, computes and
//! buffers writes; whoever dispatched it commits the view's transaction before the answer leaves,
//! runs it again on a conflict, or forwards the call to the primary.

mod call;
mod error;
mod field;
mod input;
mod parts;
mod response;
mod route;
mod takes;
mod text;

pub(crate) use call::mended;
pub use call::{Call, Caller, Certificates, MountInfo, Operation, Peer, parse_body};
pub use error::{ApiError, ApiResult};
pub use field::{Field, Kind};
pub(crate) use input::parse_flag;
pub use input::{Flag, Integer, Pairs, Scalar, Seconds, Secret, Texts, Words};
pub(crate) use parts::PartSender;
pub use parts::Parts;
pub use response::{Auth, Response, WrapInfo};
pub use route::{
    Access, Described, EngineHandler, EngineRoute, Exists, Method, Params, Route, Served,
    find_route, matches,
};
pub use takes::Takes;
pub use text::Json;
pub(crate) use text::{push_quoted, quote};
