//! Pauses between attempts: doubling, with jitter, so that secondaries that lost their primary
//! together do not come back together.

use std::time::Duration;

/// First pause, at most.
const FIRST: Duration = Duration::from_millis(100);
/// Longest pause.
const LONGEST: Duration = Duration::from_secs(2);

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { next: FIRST }
    }

    /// Things went well: the next pause is short again.
    pub(crate) fn reset(&mut self) {
        self.next = FIRST;
    }

    /// The next pause: between half of it and all of it.
    pub(crate) fn pause(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(LONGEST);
        let mut random = [0; 4];
        // Without randomness the pause is the whole one, which is only less polite.
        let random = getrandom::fill(&mut random).map_or(u32::MAX, |()| u32::from_ne_bytes(random));
        whole / 2 + whole.mul_f64(f64::from(random) / f64::from(u32::MAX) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_bound_and_never_beyond() {
        let mut backoff = Backoff::new();
        for _ in 0..20 {
            let pause = backoff.pause();
            assert!(pause >= FIRST / 2 && pause <= LONGEST);
        }
        assert!(backoff.pause() >= LONGEST / 2);
        backoff.reset();
        assert!(backoff.pause() <= FIRST);
    }
}
