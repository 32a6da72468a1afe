//! Who still needs which part of the log, and for how long it is kept for them.
//!
//! A [`Hold`] keeps the log from a position on for somebody with a name and a bound of his own. While
//! he is within his bound nothing he needs is recycled; once he is further behind, the log goes on
//! without him and he gets a typed answer. Promises: a hold never outgrows its bound, and one that
//! is lost stays lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::lsn::Lsn;

/// A hold was lost: its holder fell further behind than its bound. What it needs may be gone; start
/// again from elsewhere (a snapshot, a new checkpoint).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the log is no longer kept for {name:?}: it stood at LSN {lsn}, and more than its {bound} bytes follow"
)]
pub struct Behind {
    /// Whose hold it was.
    pub name: &'static str,
    /// Where it stood.
    pub lsn: Lsn,
    /// Its bound, in bytes.
    pub bound: u64,
}

/// A hold as shown in statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Whose it is.
    pub name: &'static str,
    /// From where on the log is kept.
    pub lsn: Lsn,
    /// Bytes of log from there to the durable end.
    pub bytes: u64,
    /// Most bytes that are kept for it.
    pub bound: u64,
    /// Whether it was lost: nothing is kept any more.
    pub lost: bool,
}

#[derive(Clone, Copy)]
struct Entry {
    name: &'static str,
    lsn: Lsn,
    bound: u64,
    lost: bool,
}

/// All holds of a log.
#[derive(Default)]
pub(crate) struct Holds {
    entries: Mutex<(u64, BTreeMap<u64, Entry>)>,
}

impl Holds {
    pub(crate) fn hold(self: Arc<Self>, name: &'static str, lsn: Lsn, bound: u64) -> Hold {
        let mut entries = self.lock();
        entries.0 += 1;
        let id = entries.0;
        entries.1.insert(id, Entry { name, lsn, bound, lost: false });
        drop(entries);
        Hold { holds: self, id }
    }

    /// Gives up the holds that are beyond their bound when the log is durable up to `durable`, then
    /// says who needs anything before `end`.
    pub(crate) fn needs(&self, end: Lsn, durable: Lsn) -> Option<&'static str> {
        let mut entries = self.lock();
        for entry in entries.1.values_mut() {
            entry.lost |= durable.0.saturating_sub(entry.lsn.0) > entry.bound;
        }
        entries.1.values().find(|entry| !entry.lost && entry.lsn < end).map(|entry| entry.name)
    }

    /// The first position that anybody within his bound still needs.
    pub(crate) fn first(&self, durable: Lsn) -> Option<Lsn> {
        let kept = |e: &&Entry| !e.lost && durable.0.saturating_sub(e.lsn.0) <= e.bound;
        self.lock().1.values().filter(kept).map(|e| e.lsn).min()
    }

    pub(crate) fn list(&self, durable: Lsn) -> Vec<Held> {
        let show = |e: &Entry| {
            let bytes = durable.0.saturating_sub(e.lsn.0);
            Held { name: e.name, lsn: e.lsn, bytes, bound: e.bound, lost: e.lost }
        };
        self.lock().1.values().map(show).collect()
    }

    fn lock(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, Entry>)> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the log from a position on, until it is dropped or falls behind its bound.
pub struct Hold {
    holds: Arc<Holds>,
    id: u64,
}

impl Hold {
    /// From where on the log is kept.
    ///
    /// # Errors
    /// [`Behind`] when it is not kept any more.
    pub fn check(&self) -> Result<Lsn, Behind> {
        match self.holds.lock().1.get(&self.id) {
            Some(Entry { name, lsn, bound, lost: true }) => {
                Err(Behind { name, lsn: *lsn, bound: *bound })
            }
            Some(entry) => Ok(entry.lsn),
            None => panic!("a hold is there until it is dropped"),
        }
    }

    /// Needs only what stands at `lsn` and after it from now on. Going back is not possible: a
    /// smaller position changes nothing.
    ///
    /// # Errors
    /// [`Behind`] when it is not kept any more.
    pub fn advance(&self, lsn: Lsn) -> Result<(), Behind> {
        self.check()?;
        if let Some(entry) = self.holds.lock().1.get_mut(&self.id) {
            entry.lsn = entry.lsn.max(lsn);
        }
        Ok(())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.holds.lock().1.remove(&self.id);
    }
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hold").field("lsn", &self.check()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_bound_and_what_is_lost_stays_lost() {
        let holds = Arc::new(Holds::default());
        let stream = Arc::clone(&holds).hold("stream", Lsn(100), 50);
        let backup = Arc::clone(&holds).hold("backup", Lsn(120), 1000);
        assert_eq!(holds.needs(Lsn(100), Lsn(150)), None, "before all of them");
        assert_eq!(holds.needs(Lsn(101), Lsn(150)), Some("stream"));
        assert_eq!(holds.first(Lsn(150)), Some(Lsn(100)));
        // One byte too many, whether or not anybody has looked since.
        assert_eq!(holds.first(Lsn(151)), Some(Lsn(120)));
        assert_eq!(holds.needs(Lsn(101), Lsn(151)), None);
        assert_eq!(holds.needs(Lsn(121), Lsn(151)), Some("backup"));
        assert_eq!(holds.first(Lsn(151)), Some(Lsn(120)));
        let behind = Behind { name: "stream", lsn: Lsn(100), bound: 50 };
        assert_eq!((stream.check(), stream.advance(Lsn(151))), (Err(behind), Err(behind)));
        assert_eq!((backup.advance(Lsn(110)), backup.check()), (Ok(()), Ok(Lsn(120))));
        backup.advance(Lsn(140)).unwrap();
        let shown = holds.list(Lsn(151));
        assert_eq!((shown[0].lost, shown[1].lost, shown[1].bytes), (true, false, 11));
        drop(backup);
        assert_eq!(holds.needs(Lsn(999), Lsn(999)), None);
        assert_eq!(holds.list(Lsn(999)).len(), 1);
    }
}
