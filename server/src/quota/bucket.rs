//! What one address has left of one rule.

use std::time::{Duration, Instant};

use super::Rule;

/// A window of a rule's interval, and the requests left in it.
pub(super) struct Bucket {
    left: u64,
    ends: Instant,
    blocked_until: Option<Instant>,
}

/// How an address stands with a rule. Times are whole seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Requests in a window.
    pub limit: u64,
    /// Requests left in this one.
    pub remaining: u64,
    /// Until the next window.
    pub reset: u64,
    /// For one that went too far: until a request is let in again.
    pub retry_after: Option<u64>,
}

impl Bucket {
    /// As at the beginning.
    pub(super) fn full(rule: &Rule, now: Instant) -> Self {
        Self { left: rule.limit(), ends: now + window(rule), blocked_until: None }
    }

    /// Takes one request, if there is one left.
    pub(super) fn take(&mut self, rule: &Rule, now: Instant) -> Standing {
        let blocked = self.blocked_until.filter(|until| now < *until);
        if blocked.is_none() && (now >= self.ends || self.blocked_until.is_some()) {
            *self = Self::full(rule, now);
        }
        let mut retry_after = blocked;
        if blocked.is_none() {
            if let Some(left) = self.left.checked_sub(1) {
                self.left = left;
            } else {
                let block = Duration::from_secs(rule.block_interval);
                self.blocked_until = (!block.is_zero()).then(|| now.checked_add(block)).flatten();
                retry_after = self.blocked_until.or(Some(self.ends));
            }
        }
        let seconds = |to: Instant| to.saturating_duration_since(now).as_secs();
        Standing {
            limit: rule.limit(),
            remaining: if retry_after.is_none() { self.left } else { 0 },
            reset: seconds(self.ends),
            retry_after: retry_after.map(seconds),
        }
    }

    /// There is nothing to remember of it any more.
    pub(super) fn is_stale(&self, now: Instant) -> bool {
        now >= self.ends && self.blocked_until.is_none_or(|until| now >= until)
    }
}

fn window(rule: &Rule) -> Duration {
    Duration::from_secs(rule.interval.clamp(1, super::INTERVAL_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_is_full_again_with_the_next_window_and_blocks_for_a_while() {
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
        let mut bucket = Bucket::full(&rule, start);
        let take = |bucket: &mut Bucket, rule: &Rule, seconds| {
            let standing = bucket.take(rule, at(seconds));
            (standing.remaining, standing.reset, standing.retry_after)
        };
        assert_eq!(take(&mut bucket, &rule, 0), (1, 10, None));
        assert_eq!(take(&mut bucket, &rule, 3), (0, 7, None));
        assert_eq!(take(&mut bucket, &rule, 4), (0, 6, Some(6)));
        assert_eq!(take(&mut bucket, &rule, 10), (1, 10, None));
        assert_eq!(take(&mut bucket, &rule, 100), (1, 10, None), "two at most");
        rule.block_interval = 60;
        assert_eq!(take(&mut bucket, &rule, 101).2, None);
        assert_eq!(take(&mut bucket, &rule, 102).2, Some(60));
        assert_eq!(take(&mut bucket, &rule, 159).2, Some(3));
        assert!(!bucket.is_stale(at(161)) && bucket.is_stale(at(162)));
        assert_eq!(take(&mut bucket, &rule, 162), (1, 10, None));
    }
}
