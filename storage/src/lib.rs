//! The transactional key-value store of Strongroom.
pub mod dev; 
pub use dev::*;
