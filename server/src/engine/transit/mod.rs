//! Transit.
use crate::logical::{EngineHandler, Route};
pub(super) static ROUTES: &[Route<EngineHandler>] = &[];
