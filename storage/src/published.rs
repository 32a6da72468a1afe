//! The state that readers see, and which earlier ones are still read.
//!
//! Promises: as long as anyone holds a state that was read here, [`Published::oldest`] is not past it.
//! A state is on the list of those that may be read before anyone can read it, and stays there as
//! long as someone holds it.

use std::collections::VecDeque;

use crate::sync::{Arc, ArcSwap, Guard, Mutex, Weak, lock};

/// Published states that are remembered before the dead ones among them are swept out.
const RETIRED_SWEEP: usize = 1024;

/// See the module's text.
pub(crate) struct Published<T> {
    current: ArcSwap<T>,
    retired: Mutex<VecDeque<Weak<T>>>,
}

impl<T> Published<T> {
    pub(crate) fn new(state: Arc<T>) -> Self {
        let retired = Mutex::new(VecDeque::from([Arc::downgrade(&state)]));
        Self { current: ArcSwap::new(state), retired }
    }

    /// The latest.
    pub(crate) fn get(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// The latest, for one short look: a holder is counted only if a state that comes after it is
    /// published meanwhile, so that readers do not fight for the count.
    pub(crate) fn glance(&self) -> Guard<Arc<T>> {
        self.current.load()
    }

    /// Makes a state visible, and answers the one that was.
    pub(crate) fn publish(&self, state: Arc<T>) -> Arc<T> {
        let mut retired = lock(&self.retired);
        while retired.front().is_some_and(|weak| weak.strong_count() == 0) {
            retired.pop_front();
        }
        if retired.len() >= RETIRED_SWEEP {
            retired.retain(|weak| weak.strong_count() > 0);
        }
        retired.push_back(Arc::downgrade(&state));
        drop(retired);
        self.current.swap(state)
    }

    /// The least of something over the states that anyone may still read.
    pub(crate) fn oldest<K: Ord>(&self, of: impl Fn(&T) -> K) -> K {
        let retired = lock(&self.retired);
        let oldest = retired.iter().filter_map(Weak::upgrade).map(|state| of(&state)).min();
        oldest.unwrap_or_else(|| of(&self.get()))
    }
}
