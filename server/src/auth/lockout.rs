//! Names that failed to log in too often.
//!
//! Counts are this server's own and in memory: a restart forgets them. The number of names is
//! bounded; when it is reached, those whose failures are oldest make room.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::mount::LockoutConfig;

/// Names that are kept in mind at most.
const NAMES_MAX: usize = 65_536;

/// Failed logins by mount accessor and name.
#[derive(Default)]
pub struct Lockout(Mutex<HashMap<(String, String), Failures>>);

#[derive(Clone, Copy)]
struct Failures {
    count: u64,
    last: SystemTime,
}

impl Failures {
    fn locks(&self, config: LockoutConfig, now: SystemTime) -> bool {
        self.count >= config.lockout_threshold && within(self.last, config.lockout_duration, now)
    }
}

fn within(last: SystemTime, seconds: u64, now: SystemTime) -> bool {
    // A clock that was set back locks nobody for longer.
    now.duration_since(last).unwrap_or_default() < Duration::from_secs(seconds)
}

impl Lockout {
    /// Whether the name may not even try.
    pub fn locked(
        &self,
        config: LockoutConfig,
        accessor: &str,
        name: &str,
        now: SystemTime,
    ) -> bool {
        if config.lockout_disable {
            return false;
        }
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (accessor.to_owned(), name.to_owned());
        names.get(&key).is_some_and(|f| f.locks(config, now))
    }

    /// Counts a failure.
    pub fn failed(&self, config: LockoutConfig, accessor: &str, name: &str, now: SystemTime) {
        if config.lockout_disable {
            return;
        }
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= NAMES_MAX {
            make_room(&mut names);
        }
        let key = (accessor.to_owned(), name.to_owned());
        let known = names.entry(key).or_insert(Failures { count: 0, last: now });
        let reset = config.lockout_counter_reset;
        known.count = if within(known.last, reset, now) { known.count + 1 } else { 1 };
        known.last = now;
    }

    /// Forgets the failures of a name: it has logged in, or an operator unlocks it.
    pub fn forget(&self, accessor: &str, name: &str) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.remove(&(accessor.to_owned(), name.to_owned()));
    }

    /// Locked names as pairs of accessor and name, sorted; `config` tells the mount's settings.
    pub fn all(
        &self,
        mut config: impl FnMut(&str) -> LockoutConfig,
        now: SystemTime,
    ) -> Vec<(String, String)> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let locked = names.iter().filter(|((accessor, _), f)| f.locks(config(accessor), now));
        let mut locked: Vec<_> = locked.map(|(key, _)| key.clone()).collect();
        locked.sort_unstable();
        locked
    }
}

/// Drops the older half.
fn make_room(names: &mut HashMap<(String, String), Failures>) {
    let mut times: Vec<SystemTime> = names.values().map(|f| f.last).collect();
    times.sort_unstable();
    let middle = times[times.len() / 2];
    names.retain(|_, f| f.last > middle);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_locked_for_a_while_and_failures_far_apart_do_not_add_up() {
        let lockout = Lockout::default();
        let config = LockoutConfig { lockout_threshold: 2, ..LockoutConfig::default() };
        let start = SystemTime::UNIX_EPOCH + Duration::from_hours(1);
        let at = |seconds| start + Duration::from_secs(seconds);
        let locked = |seconds| lockout.locked(config, "m", "bob", at(seconds));
        lockout.failed(config, "m", "bob", at(0));
        assert!(!locked(0));
        lockout.failed(config, "m", "bob", at(900));
        assert!(!locked(900), "the first one is forgotten");
        lockout.failed(config, "m", "bob", at(901));
        assert!(locked(901) && locked(1800) && !locked(1801));
        assert_eq!(lockout.all(|_| config, at(902)), [("m".to_owned(), "bob".to_owned())]);
        assert!(!lockout.locked(config, "m", "eve", at(902)));
        lockout.forget("m", "bob");
        assert!(!locked(902));
        let off = LockoutConfig { lockout_disable: true, ..config };
        for _ in 0..9 {
            lockout.failed(off, "m", "bob", at(902));
        }
        assert!(!locked(902));
    }

    #[test]
    fn the_number_of_names_is_bounded() {
        let lockout = Lockout::default();
        let config = LockoutConfig::default();
        for n in 0..=NAMES_MAX {
            let now = SystemTime::UNIX_EPOCH + Duration::from_millis(n as u64);
            lockout.failed(config, "m", &n.to_string(), now);
        }
        let names = lockout.0.lock().unwrap();
        assert!(names.len() <= NAMES_MAX && names.len() >= NAMES_MAX / 2 - 1);
        assert!(names.contains_key(&("m".to_owned(), NAMES_MAX.to_string())));
    }
}
