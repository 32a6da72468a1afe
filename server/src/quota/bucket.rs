//! What one address has left of one rule.

use std::time::{Duration, Instant};

use super::Rule;

/// A bucket that nobody took from for so long is full again whatever the rule, or nearly.
const STALE: Duration = Duration::from_hours(1);

/// Requests left, filled up evenly over the rule's interval.
pub(super) struct Bucket {
    left: f64,
    at: Instant,
    blocked_until: Option<Instant>,
}

impl Bucket {
    /// As at the beginning.
    pub(super) fn full(rule: &Rule) -> Self {
        Self { left: rule.rate.max(1.0), at: Instant::now(), blocked_until: None }
    }

    /// Takes one request, if there is one left.
    pub(super) fn take(&mut self, rule: &Rule, now: Instant) -> bool {
        if self.blocked_until.is_some_and(|until| now < until) {
            return false;
        }
        self.blocked_until = None;
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        let interval = Duration::from_secs(rule.interval.max(1)).as_secs_f64();
        self.left = (self.left + passed * rule.rate / interval).min(rule.rate.max(1.0));
        if self.left >= 1.0 {
            self.left -= 1.0;
            return true;
        }
        if rule.block_interval > 0 {
            self.blocked_until = now.checked_add(Duration::from_secs(rule.block_interval));
        }
        false
    }

    /// Nobody has asked for a long time.
    pub(super) fn is_stale(&self, now: Instant) -> bool {
        let blocked = self.blocked_until.is_some_and(|until| now < until);
        !blocked && now.saturating_duration_since(self.at) > STALE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_fills_up_again_and_blocks_for_a_while() {
        let mut rule = Rule {
            name: "r".to_owned(),
            path: String::new(),
            rate: 2.0,
            interval: 10,
            block_interval: 0,
            role: String::new(),
            inheritable: true,
        };
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut bucket = Bucket::full(&rule);
        bucket.at = start;
        assert!(bucket.take(&rule, at(0)) && bucket.take(&rule, at(0)));
        assert!(!bucket.take(&rule, at(0)) && !bucket.take(&rule, at(4)));
        assert!(bucket.take(&rule, at(6)), "one in five seconds");
        assert!(!bucket.take(&rule, at(6)));
        assert!(bucket.take(&rule, at(100)) && bucket.take(&rule, at(100)), "two at most");
        rule.block_interval = 60;
        assert!(!bucket.take(&rule, at(100)) && !bucket.take(&rule, at(159)));
        assert!(bucket.take(&rule, at(161)));
        assert!(!bucket.is_stale(at(200)) && bucket.is_stale(at(10_000)));
    }
}
