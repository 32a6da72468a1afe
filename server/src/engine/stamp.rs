//! Points in time as engines store and show them.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Characters of the longest text.
const TEXT_MAX: usize = 30;

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

    /// RFC 3339 in UTC, nanoseconds without trailing zeros.
    pub fn rfc3339(self) -> String {
        let mut text = String::with_capacity(TEXT_MAX);
        self.write_rfc3339(&mut text);
        text
    }

    /// Appends what [`Stamp::rfc3339`] gives. Written out here: answers and audit records have
    /// several of them, and a formatter that knows all calendars costs ten times as much.
    pub fn write_rfc3339(self, to: &mut String) {
        let (seconds, nanos) = (self.unix(), self.0.rem_euclid(1_000_000_000));
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = date(days);
        for (number, width, after) in [
            (year, 4, '-'),
            (month, 2, '-'),
            (day, 2, 'T'),
            (second / 3600, 2, ':'),
            (second / 60 % 60, 2, ':'),
        ] {
            push_digits(to, number, width);
            to.push(after);
        }
        push_digits(to, second % 60, 2);
        if nanos > 0 {
            to.push('.');
            push_digits(to, nanos, 9);
            to.truncate(to.trim_end_matches('0').len());
        }
        to.push('Z');
    }

    /// From RFC 3339; stops at the ends of the range.
    pub fn parse(text: &str) -> Option<Self> {
        let nanos = OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp_nanos();
        let end = if nanos < 0 { i64::MIN } else { i64::MAX };
        Some(Self(i64::try_from(nanos).unwrap_or(end)))
    }
}

/// Year, month and day of a day since the epoch. A year is counted from March on, so that its odd
/// day is its last, and 400 years always have the same number of days. (After H. Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms".)
fn date(days: i64) -> (i64, i64, i64) {
    const DAYS_400_YEARS: i64 = 146_097;
    const MARCH_OF_YEAR_0: i64 = -719_468;
    let days = days - MARCH_OF_YEAR_0;
    let (cycle, day) = (days.div_euclid(DAYS_400_YEARS), days.rem_euclid(DAYS_400_YEARS));
    // Leap days in front of it taken out, all years are alike.
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // From March on, five months have 153 days.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (400 * cycle + year + i64::from(month <= 2), month, day)
}

/// Appends a number that is not negative, with zeros in front.
fn push_digits(to: &mut String, number: i64, width: usize) {
    let mut digits = [b'0'; 9];
    let mut left = number.unsigned_abs();
    for digit in digits[..width].iter_mut().rev() {
        *digit += u8::try_from(left % 10).unwrap_or(0);
        left /= 10;
    }
    to.extend(digits[..width].iter().copied().map(char::from));
}

impl From<SystemTime> for Stamp {
    fn from(t: SystemTime) -> Self {
        match t.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => Self(i64::try_from(after.as_nanos()).unwrap_or(i64::MAX)),
            Err(e) => {
                Self(i64::try_from(e.duration().as_nanos()).map_or(i64::MIN, std::ops::Neg::neg))
            }
        }
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

    #[test]
    fn every_day_of_the_range_has_its_date() {
        let days = i64::MAX / 86_400_000_000_000;
        for day in -days..days {
            let t = Stamp::from_unix(day * 86_400 + day.rem_euclid(86_400));
            let known = OffsetDateTime::from_unix_timestamp(t.unix()).unwrap();
            assert_eq!(t.rfc3339(), known.format(&Rfc3339).unwrap());
        }
        assert_eq!(Stamp(i64::MIN).rfc3339(), "1677-09-21T00:12:43.145224192Z");
        assert_eq!(Stamp(10).rfc3339(), "1970-01-01T00:00:00.00000001Z");
    }
}
