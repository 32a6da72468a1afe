//! Development mode: a server that needs no preparation, and a launcher for a primary with its
//! secondaries on one machine.
//!
//! Each cluster of the launcher is a process of its own, the same binary with `--dev`, so that one
//! can be killed and started again. All of them wait on a lock that the launcher holds: when it ends,
//! however it ends, the kernel releases the lock and they stop by themselves.

mod api;
mod error;
mod folder;
mod launch;
mod leftover;
mod lock;
mod member;
mod plan;
mod program;
mod settings;
mod text;
mod watch;
mod wiring;

pub use error::LaunchError;
pub use folder::DevFolder;
pub use launch::{LaunchOptions, launch};
pub use lock::LauncherGone;
pub use program::here;
pub use text::banner;
