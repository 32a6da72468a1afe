//! The ways of writing durably, and which of those that were measured is used.

use std::time::Duration;

/// How much slower than the fastest io_uring may be, in percent, and still be chosen: it alone has
/// several writes in flight.
const URING_PERCENT_MAX: u32 = 200;

/// How a durable write is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DurableMethod {
    /// Through the page cache: `pwrite`, then `fdatasync`.
    Fdatasync,
    /// Through the page cache: one `pwritev2` with `RWF_DSYNC`.
    Dsync,
    /// Past the page cache (`O_DIRECT`): `pwrite`, then `fdatasync`.
    DirectFdatasync,
    /// Past the page cache (`O_DIRECT`): one `pwritev2` with `RWF_DSYNC`.
    DirectDsync,
    /// Past the page cache, by io_uring with `RWF_DSYNC`, several at a time.
    Uring,
}

impl DurableMethod {
    /// All methods, in the order in which the probe tries them.
    pub const ALL: [Self; 5] =
        [Self::Fdatasync, Self::Dsync, Self::DirectFdatasync, Self::DirectDsync, Self::Uring];

    /// Name for status answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fdatasync => "pwrite+fdatasync",
            Self::Dsync => "pwritev2(RWF_DSYNC)",
            Self::DirectFdatasync => "O_DIRECT pwrite+fdatasync",
            Self::DirectDsync => "O_DIRECT pwritev2(RWF_DSYNC)",
            Self::Uring => "io_uring O_DIRECT write(RWF_DSYNC)",
        }
    }

    /// Whether it goes past the page cache.
    pub fn is_direct(self) -> bool {
        !matches!(self, Self::Fdatasync | Self::Dsync)
    }
}

/// What the probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DurableReport {
    /// The method that is used.
    pub method: DurableMethod,
    /// Best time of one durable 4 KiB write by each method that works here. Empty when the method
    /// was asked for.
    pub timings: Vec<(DurableMethod, Duration)>,
}

impl DurableReport {
    /// A method that was not measured.
    pub(super) fn given(method: DurableMethod) -> Self {
        Self { method, timings: Vec::new() }
    }

    /// The fastest. Where the time ran out (`hurried`) the figures say more about what else the
    /// machine does, and io_uring is taken if it works.
    pub(super) fn choose(timings: Vec<(DurableMethod, Duration)>, hurried: bool) -> Self {
        let fastest = timings.iter().min_by_key(|(_, time)| *time).copied();
        let (mut method, best) = fastest.unwrap_or((DurableMethod::Fdatasync, Duration::ZERO));
        let uring = timings.iter().find(|(method, _)| *method == DurableMethod::Uring);
        if uring.is_some_and(|(_, time)| hurried || *time * 100 <= best * URING_PERCENT_MAX) {
            method = DurableMethod::Uring;
        }
        Self { method, timings }
    }

    /// The better of the two ways through the page cache, for writes that direct I/O cannot take.
    pub(super) fn buffered(&self) -> DurableMethod {
        let through = self.timings.iter().filter(|(method, _)| !method.is_direct());
        let best = through.min_by_key(|(_, time)| *time).map(|(method, _)| *method);
        best.unwrap_or(if self.method.is_direct() { DurableMethod::Fdatasync } else { self.method })
    }
}

#[cfg(test)]
mod tests {
    use super::DurableMethod::{Dsync, Fdatasync, Uring};
    use super::*;

    fn chosen(timings: &[(DurableMethod, u64)], hurried: bool) -> DurableMethod {
        let timings = timings.iter().map(|(m, us)| (*m, Duration::from_micros(*us)));
        DurableReport::choose(timings.collect(), hurried).method
    }

    #[test]
    fn the_fastest_is_chosen_and_io_uring_has_a_handicap_to_its_advantage() {
        assert_eq!(chosen(&[], false), Fdatasync);
        assert_eq!(chosen(&[(Fdatasync, 100), (Dsync, 90)], false), Dsync);
        assert_eq!(chosen(&[(Fdatasync, 100), (Uring, 200)], false), Uring);
        assert_eq!(chosen(&[(Fdatasync, 100), (Uring, 201)], false), Fdatasync);
        assert_eq!(chosen(&[(Fdatasync, 100), (Uring, 999)], true), Uring);
        assert_eq!(chosen(&[(Fdatasync, 100), (Dsync, 90)], true), Dsync);
    }

    #[test]
    fn odd_writes_go_the_better_way_through_the_cache() {
        let time = Duration::from_micros;
        let timings = vec![(Fdatasync, time(20)), (Dsync, time(10)), (Uring, time(5))];
        let report = DurableReport::choose(timings, false);
        assert_eq!((report.method, report.buffered()), (Uring, Dsync));
        assert_eq!(DurableReport::given(Uring).buffered(), Fdatasync);
        assert_eq!(DurableReport::given(Dsync).buffered(), Dsync);
    }

    // Whoever reads a status answer has to know which it is.
    #[test]
    fn every_method_has_a_name_of_its_own() {
        let names = DurableMethod::ALL.map(DurableMethod::name);
        let different: std::collections::BTreeSet<_> = names.into_iter().collect();
        assert_eq!(different.len(), names.len());
    }
}
