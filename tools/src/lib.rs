//! What the tools share.

pub mod folder;
