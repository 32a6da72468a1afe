//! What the cell between writer and readers stands on. The crate `storage/models` compiles it with loom's
//! primitives in their place.

pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
