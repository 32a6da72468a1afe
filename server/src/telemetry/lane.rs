//! Lanes: what each thread writes to for itself, so that threads do not fight for memory.
//!
//! A thread keeps its lane for life. Threads beyond the number of lanes share them, so what lies in
//! a lane still needs its own lock or atomics; they are seldom contended.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many there are.
pub(crate) const LANES: usize = 16;

/// One value for each lane, on memory of its own.
#[derive(Default)]
pub(crate) struct Lanes<T>([Lane<T>; LANES]);

/// Two cache lines: processors fetch them in pairs.
#[derive(Default)]
#[repr(align(128))]
struct Lane<T>(T);

impl<T> Lanes<T> {
    /// This thread's, and its place.
    pub(crate) fn mine(&self) -> (usize, &T) {
        let at = lane();
        (at, &self.0[at].0)
    }

    /// The one at a place.
    pub(crate) fn at(&self, place: usize) -> &T {
        &self.0[place % LANES].0
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|lane| &lane.0)
    }
}

fn lane() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    MINE.with(|mine| {
        if mine.get() == usize::MAX {
            mine.set(NEXT.fetch_add(1, Ordering::Relaxed) % LANES);
        }
        mine.get()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_its_lane_and_the_next_thread_has_another() {
        let lanes = Lanes::<AtomicUsize>::default();
        let count = || {
            let (at, mine) = lanes.mine();
            mine.fetch_add(1, Ordering::Relaxed);
            at
        };
        let here = count();
        assert_eq!(count(), here);
        std::thread::scope(|scope| {
            let others: Vec<_> = (0..LANES).map(|_| scope.spawn(count)).collect();
            let others: Vec<_> = others.into_iter().map(|t| t.join().unwrap()).collect();
            assert!(others.iter().any(|at| *at != here));
        });
        assert_eq!(lanes.iter().map(|n| n.load(Ordering::Relaxed)).sum::<usize>(), LANES + 2);
        assert!(lanes.at(here).load(Ordering::Relaxed) >= 2);
    }
}
