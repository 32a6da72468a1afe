//! Figures of requests, counted without locks, by each thread in its own lane.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Lanes;

/// How often something was done and how long that took.
#[derive(Default)]
pub struct Timer {
    count: AtomicU64,
    nanos: AtomicU64,
    longest: AtomicU64,
}

/// A [`Timer`] as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timed {
    /// How often.
    pub count: u64,
    /// All together.
    pub sum: Duration,
    /// The longest.
    pub max: Duration,
}

impl Timer {
    /// Once more.
    pub fn add(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.count.fetch_add(1, Ordering::Relaxed);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
        if nanos > self.longest.load(Ordering::Relaxed) {
            self.longest.fetch_max(nanos, Ordering::Relaxed);
        }
    }

    /// What it stands at; the parts may be a request apart.
    pub fn read(&self) -> Timed {
        Timed {
            count: self.count.load(Ordering::Relaxed),
            sum: Duration::from_nanos(self.nanos.load(Ordering::Relaxed)),
            max: Duration::from_nanos(self.longest.load(Ordering::Relaxed)),
        }
    }
}

impl Timed {
    const NONE: Self = Self { count: 0, sum: Duration::ZERO, max: Duration::ZERO };

    /// Both together.
    fn and(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            sum: self.sum + other.sum,
            max: self.max.max(other.max),
        }
    }
}

/// What one server counts.
#[derive(Default)]
pub struct Meters(Lanes<Counted>);

/// What the threads of a lane count.
#[derive(Default)]
struct Counted {
    /// Requests by verb, in the order of [`Meters::VERBS`].
    verbs: [Timer; 5],
    /// Answers of 400 to 499.
    refused: AtomicU64,
    /// Answers of 500 and above.
    failed: AtomicU64,
}

impl Meters {
    /// Verbs by the names that metrics have for them.
    pub const VERBS: [&'static str; 5] = ["read", "list", "update", "patch", "delete"];

    /// A request of a verb, by its place in [`Meters::VERBS`], was answered with `status`.
    pub fn handled(&self, verb: usize, took: Duration, status: u16) {
        let (_, mine) = self.0.mine();
        if let Some(timer) = mine.verbs.get(verb) {
            timer.add(took);
        }
        match status {
            400..=499 => drop(mine.refused.fetch_add(1, Ordering::Relaxed)),
            500.. => drop(mine.failed.fetch_add(1, Ordering::Relaxed)),
            _ => {}
        }
    }

    /// By verb.
    pub fn verbs(&self) -> [(&'static str, Timed); 5] {
        std::array::from_fn(|i| {
            let all = self.0.iter().map(|lane| lane.verbs[i].read());
            (Self::VERBS[i], all.fold(Timed::NONE, Timed::and))
        })
    }

    /// Answers of 400 to 499, and of 500 and above.
    pub fn errors(&self) -> (u64, u64) {
        let sum = |of: fn(&Counted) -> &AtomicU64| {
            self.0.iter().map(|lane| of(lane).load(Ordering::Relaxed)).sum()
        };
        (sum(|lane| &lane.refused), sum(|lane| &lane.failed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_add_up() {
        let meters = Meters::default();
        meters.handled(0, Duration::from_millis(3), 200);
        meters.handled(0, Duration::from_millis(5), 404);
        meters.handled(4, Duration::from_millis(1), 503);
        let ms = Duration::from_millis;
        let [read, .., delete] = meters.verbs();
        assert_eq!(read, ("read", Timed { count: 2, sum: ms(8), max: ms(5) }));
        assert_eq!(delete, ("delete", Timed { count: 1, sum: ms(1), max: ms(1) }));
        assert_eq!(meters.errors(), (1, 1));
    }
}
