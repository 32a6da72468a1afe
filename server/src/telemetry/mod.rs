//! The server's log: one line an event on standard error, with a level that can change while the
//! server runs. Secrets never go into events; nothing here would remove them.

mod lane;
pub(crate) mod levels;
mod meters;
mod tail;

use std::io::IsTerminal;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Layer as _, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

pub(crate) use lane::Lanes;
pub use meters::{Meters, Timed, Timer};
pub(crate) use tail::{Follow, Form};

/// Changes the level of a running log.
#[derive(Debug, Clone)]
pub struct LogHandle(());

/// Why the log cannot be used as asked.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Use one of the five levels.
    #[error("log level {0:?} is not one of trace, debug, info, warn, error")]
    Level(String),
    /// The process has a log already.
    #[error("the log was started twice")]
    Twice,
}

/// Starts the process's log.
///
/// # Errors
/// The level is none, or the process has a log already.
pub fn start(level: &str) -> Result<LogHandle, LogError> {
    let filter = levels::filter(parse_level(level)?);
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    let (tail, followed) = tail::layer();
    // Each with a filter of its own: who follows at `trace` does not fill standard error. A list, for of two
    // layers that are joined by `and_then` right above the registry only the outer one's level counts.
    let both = vec![lines.with_filter(filter).boxed(), tail.with_filter(followed).boxed()];
    tracing_subscriber::registry().with(both).try_init().map_err(|_| LogError::Twice)?;
    Ok(LogHandle(()))
}

impl LogHandle {
    /// From now on only events of this level and above are written.
    ///
    /// # Errors
    /// The level is none; the old one stays.
    pub fn set_level(&self, level: &str) -> Result<(), LogError> {
        levels::configure(parse_level(level)?);
        Ok(())
    }
}

/// A level by its name.
///
/// # Errors
/// [`LogError::Level`].
pub(crate) fn parse_level(level: &str) -> Result<LevelFilter, LogError> {
    match level.to_ascii_lowercase().as_str() {
        "trace" => Ok(LevelFilter::TRACE),
        "debug" => Ok(LevelFilter::DEBUG),
        "info" => Ok(LevelFilter::INFO),
        "warn" => Ok(LevelFilter::WARN),
        "error" => Ok(LevelFilter::ERROR),
        _ => Err(LogError::Level(level.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::parse_level;

    #[test]
    fn five_levels_in_any_case() {
        for level in ["trace", "Debug", "INFO", "warn", "error"] {
            assert!(parse_level(level).is_ok(), "{level}");
        }
        assert!(parse_level("").is_err() && parse_level("loud").is_err());
    }
}
