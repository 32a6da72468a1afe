//! Points in time as engines store and show them.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Nanoseconds since the epoch; shown in RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stamp(i64);

impl Stamp {
    /// This many seconds later (or earlier); stops at the ends of the range.
    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000_000)))
    }

    /// From whole seconds since the epoch; stops at the ends of the range.
    pub fn from_unix(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000))
    }

    /// Whole seconds since the epoch.
    pub fn unix(self) -> i64 {
        self.0.div_euclid(1_000_000_000)
    }

    /// Seconds from `earlier` to this, to the nearest.
    pub fn seconds_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0).saturating_add(500_000_000).div_euclid(1_000_000_000)
    }

    /// RFC 3339 in UTC, nanoseconds without trailing zeros.
    pub fn rfc3339(self) -> String {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0))
            .ok()
            .and_then(|t| t.format(&Rfc3339).ok())
            .unwrap_or_default()
    }

    /// From RFC 3339; stops at the ends of the range.
    pub fn parse(text: &str) -> Option<Self> {
        let nanos = OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp_nanos();
        let end = if nanos < 0 { i64::MIN } else { i64::MAX };
        Some(Self(i64::try_from(nanos).unwrap_or(end)))
    }
}

impl From<SystemTime> for Stamp {
    fn from(t: SystemTime) -> Self {
        let nanos = OffsetDateTime::from(t).unix_timestamp_nanos();
        Self(i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_shown_and_read_in_rfc3339() {
        let t = Stamp(1_795_448_184_656_405_840);
        assert_eq!(t.rfc3339(), "2026-11-23T15:36:24.65640584Z");
        assert_eq!(Stamp::parse(&t.rfc3339()), Some(t));
        assert_eq!(t.unix(), 1_795_448_184);
        assert_eq!(Stamp(0).plus_seconds(-1).unix(), -1);
        assert_eq!(Stamp(i64::MAX).plus_seconds(5), Stamp(i64::MAX));
    }
}
