//! The state that readers see, and which earlier ones are still read.
//!
//! Promises: as long as anyone holds a state that was read here, [`Published::oldest`] is not past it.
//! A state is on the list of those that may be read before anyone can read it, and stays there as
//! long as someone holds it.
//!
//! A state is replaced, or [changed](Published::change): for that it is taken out, so that what no
//! reader holds can be changed where it is, and readers wait until it is back.

use std::collections::VecDeque;
use std::ops::Deref;

use crate::sync::{Arc, ArcSwapOption, Guard, Mutex, Weak, lock};

/// Published states that are remembered before the dead ones among them are swept out.
const RETIRED_SWEEP: usize = 1024;

/// See the module's text.
pub(crate) struct Published<T> {
    /// Empty while the state is being changed.
    current: ArcSwapOption<T>,
    retired: Mutex<VecDeque<Weak<T>>>,
    /// Held while the state is being changed.
    change: Mutex<()>,
}

/// A short look at a state.
pub(crate) struct Glance<T>(Guard<Option<Arc<T>>>);

impl<T> Deref for Glance<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &*self.0 {
            Some(state) => state,
            None => unreachable!("a look is at a state"),
        }
    }
}

impl<T> Published<T> {
    pub(crate) fn new(state: Arc<T>) -> Self {
        let retired = Mutex::new(VecDeque::from([Arc::downgrade(&state)]));
        Self { current: ArcSwapOption::new(Some(state)), retired, change: Mutex::new(()) }
    }

    /// The latest.
    pub(crate) fn get(&self) -> Arc<T> {
        loop {
            if let Some(state) = self.current.load_full() {
                return state;
            }
            drop(lock(&self.change));
        }
    }

    /// The latest, for one short look: a holder is counted only if a state that comes after it is
    /// published meanwhile, so that readers do not fight for the count.
    pub(crate) fn glance(&self) -> Glance<T> {
        loop {
            let state = self.current.load();
            if state.is_some() {
                return Glance(state);
            }
            drop(state);
            drop(lock(&self.change));
        }
    }

    /// Makes a state visible, and answers the one that was. Only one thread publishes and changes.
    pub(crate) fn publish(&self, state: Arc<T>) -> Option<Arc<T>> {
        let mut retired = lock(&self.retired);
        while retired.front().is_some_and(|weak| weak.strong_count() == 0) {
            retired.pop_front();
        }
        if retired.len() >= RETIRED_SWEEP {
            retired.retain(|weak| weak.strong_count() > 0);
        }
        retired.push_back(Arc::downgrade(&state));
        drop(retired);
        self.current.swap(Some(state))
    }

    /// Whether anyone holds a state, this one or an earlier one: what it shares with the latest would
    /// have to be copied before it is changed.
    pub(crate) fn is_held(&self) -> bool {
        let own = self.get();
        // The cell's own, and the one just taken.
        let holders: usize = lock(&self.retired).iter().map(Weak::strong_count).sum();
        drop(own);
        holders > 2
    }

    /// Replaces the state by what `change` makes of it. Nobody else gets at the state meanwhile;
    /// those who have it already keep what they have.
    pub(crate) fn change(&self, change: impl FnOnce(Arc<T>) -> Arc<T>) {
        let _held = lock(&self.change);
        let Some(before) = self.current.swap(None) else {
            unreachable!("only one thread changes the state")
        };
        drop(self.publish(change(before)));
    }

    /// The least of something over the states that anyone may still read.
    pub(crate) fn oldest<K: Ord>(&self, of: impl Fn(&T) -> K) -> K {
        // During a change there is no state for a moment, and nobody reads one. The state after it
        // is kept, so that there is one the next time.
        let mut kept = None;
        loop {
            let alive: Vec<Arc<T>> = lock(&self.retired).iter().filter_map(Weak::upgrade).collect();
            if let Some(oldest) = alive.iter().map(|state| of(state)).min() {
                drop(kept);
                return oldest;
            }
            kept = Some(self.get());
        }
    }
}
