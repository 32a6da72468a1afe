//! What the tools share.

pub mod folder;
pub mod format;
pub mod progress;
