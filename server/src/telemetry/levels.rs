//! Levels of the running log, as a whole and by part of the server.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::{Registry, reload};

/// Parts that have a level of their own, and where their events come from.
const PARTS: [(&str, &str); 10] = [
    ("audit", "strongroom_server::audit"),
    ("barrier", "strongroom_server::barrier"),
    ("core", "strongroom_server::dispatch"),
    ("cluster", "strongroom_server::cluster"),
    ("http", "strongroom_server::http"),
    ("quotas", "strongroom_server::quota"),
    ("replication", "strongroom_server::replication"),
    ("storage", "strongroom_storage"),
    ("token", "strongroom_server::token"),
    ("wal", "strongroom_wal"),
];

/// What the process logs. One process has one log, so this is one too.
static LEVELS: Mutex<Levels> = Mutex::new(Levels {
    configured: LevelFilter::INFO,
    all: LevelFilter::INFO,
    own: BTreeMap::new(),
    running: None,
});

struct Levels {
    /// What `DELETE` goes back to.
    configured: LevelFilter,
    all: LevelFilter,
    own: BTreeMap<&'static str, LevelFilter>,
    running: Option<reload::Handle<Targets, Registry>>,
}

fn levels() -> MutexGuard<'static, Levels> {
    LEVELS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Levels {
    fn targets(&self) -> Targets {
        let own = PARTS.iter().filter_map(|(part, target)| Some((*target, *self.own.get(part)?)));
        Targets::new().with_default(self.all).with_targets(own)
    }

    fn apply(&self) {
        if let Some(running) = &self.running {
            // Fails only when the log is gone, which happens at the end of the process.
            let _ = running.reload(self.targets());
        }
    }
}

/// The filter of a log that is about to start at `level`, and how it is changed later.
pub(super) fn filter(level: LevelFilter) -> reload::Layer<Targets, Registry> {
    let mut levels = levels();
    (levels.configured, levels.all) = (level, level);
    let (filter, running) = reload::Layer::new(levels.targets());
    levels.running = Some(running);
    filter
}

/// The configuration says another level now; what was set by part stays.
pub(super) fn configure(level: LevelFilter) {
    let mut levels = levels();
    (levels.configured, levels.all) = (level, level);
    levels.apply();
}

/// Every part and its level.
pub(crate) fn shown() -> BTreeMap<&'static str, String> {
    let levels = levels();
    let level = |part: &str| levels.own.get(part).copied().unwrap_or(levels.all);
    PARTS.iter().map(|(part, _)| (*part, level(part).to_string())).collect()
}

/// The level of everything from now on.
pub(crate) fn set_all(level: LevelFilter) {
    let mut levels = levels();
    levels.all = level;
    levels.own.clear();
    levels.apply();
}

/// The level of one part; `false` when there is none of that name.
pub(crate) fn set(part: &str, level: LevelFilter) -> bool {
    let Some((part, _)) = PARTS.iter().find(|(p, _)| *p == part) else { return false };
    let mut levels = levels();
    levels.own.insert(part, level);
    levels.apply();
    true
}

/// Back to the configured level, all or one part; `false` when there is none of that name.
pub(crate) fn reset(part: Option<&str>) -> bool {
    let mut levels = levels();
    let known = match part {
        None => {
            levels.all = levels.configured;
            levels.own.clear();
            true
        }
        Some(part) => {
            levels.own.remove(part);
            PARTS.iter().any(|(p, _)| *p == part)
        }
    };
    levels.apply();
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_levels_of_their_own_until_all_are_set() {
        assert!(set("audit", LevelFilter::DEBUG) && !set("nope", LevelFilter::DEBUG));
        assert_eq!(shown()["audit"], "debug");
        set_all(LevelFilter::WARN);
        assert!(shown().values().all(|level| level == "warn"));
        set("wal", LevelFilter::TRACE);
        assert!(reset(Some("wal")) && !reset(Some("nope")));
        assert_eq!(shown()["wal"], "warn");
        assert!(reset(None));
        assert_eq!(shown()["wal"], "info");
    }
}
