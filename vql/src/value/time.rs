//! Points in time: what a table shows (`Time`), and what a plugin waits for (`Instant`).

use core::fmt;
use core::time::Duration;

const NANOS: i64 = 1_000_000_000;
const DAY: i64 = 86_400;

/// Nanoseconds since 1970-01-01 00:00 UTC, so from 1677 to 2262.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Time(i64);

impl Time {
    /// The time this many nanoseconds after the epoch.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// The time this many seconds after the epoch; saturates at the ends of the range.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(NANOS))
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(NANOS)
    }

    /// Nanoseconds within the second.
    #[must_use]
    pub const fn subsecond_nanos(self) -> i64 {
        self.0.rem_euclid(NANOS)
    }

    /// Year, month (1..) and day (1..) of the proleptic Gregorian calendar, UTC.
    #[must_use]
    pub const fn date(self) -> (i64, i64, i64) {
        civil(self.seconds().div_euclid(DAY))
    }

    /// Hour, minute and second of the day, UTC.
    #[must_use]
    pub const fn clock(self) -> (i64, i64, i64) {
        let second = self.seconds().rem_euclid(DAY);
        (second.div_euclid(3_600), second.rem_euclid(3_600).div_euclid(60), second.rem_euclid(60))
    }

    /// The time of a UTC date and clock; `None` outside of the range of [`Time`].
    #[must_use]
    pub fn from_civil(date: (i64, i64, i64), clock: (i64, i64, i64), nanos: i64) -> Option<Self> {
        let days = days_from_civil(date)?;
        let seconds = days
            .checked_mul(DAY)?
            .checked_add(clock.0.checked_mul(3_600)?)?
            .checked_add(clock.1.checked_mul(60)?)?
            .checked_add(clock.2)?;
        seconds.checked_mul(NANOS)?.checked_add(nanos).map(Self)
    }
}

/// RFC 3339 in UTC, with as many digits of the fraction as are needed.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        let (hour, minute, second) = self.clock();
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        let mut fraction = self.subsecond_nanos();
        if fraction > 0 {
            let mut width = 9_usize;
            while fraction.rem_euclid(10) == 0 {
                fraction = fraction.div_euclid(10);
                width = width.saturating_sub(1);
            }
            write!(f, ".{fraction:0width$}")?;
        }
        f.write_str("Z")
    }
}

/// Howard Hinnant's `civil_from_days`: exact over the whole range of [`Time`].
const fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days.saturating_add(719_468);
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let leap = day_of_era
        .saturating_sub(day_of_era.div_euclid(1_460))
        .saturating_add(day_of_era.div_euclid(36_524))
        .saturating_sub(day_of_era.div_euclid(146_096));
    let year_of_era = leap.div_euclid(365);
    let before = year_of_era
        .saturating_mul(365)
        .saturating_add(year_of_era.div_euclid(4))
        .saturating_sub(year_of_era.div_euclid(100));
    let day_of_year = day_of_era.saturating_sub(before);
    let shifted_month = day_of_year.saturating_mul(5).saturating_add(2).div_euclid(153);
    let start = shifted_month.saturating_mul(153).saturating_add(2).div_euclid(5);
    let day = day_of_year.saturating_sub(start).saturating_add(1);
    let is_late = shifted_month >= 10;
    let month =
        if is_late { shifted_month.saturating_sub(9) } else { shifted_month.saturating_add(3) };
    let year = era.saturating_mul(400).saturating_add(year_of_era);
    (if is_late { year.saturating_add(1) } else { year }, month, day)
}

/// The inverse of [`civil`]; days since the epoch.
fn days_from_civil((year, month, day): (i64, i64, i64)) -> Option<i64> {
    let is_late = month <= 2;
    let year = if is_late { year.checked_sub(1)? } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = if is_late { month.checked_add(9)? } else { month.checked_sub(3)? };
    let day_of_year = shifted_month
        .checked_mul(153)?
        .checked_add(2)?
        .div_euclid(5)
        .checked_add(day)?
        .checked_sub(1)?;
    let day_of_era = year_of_era
        .checked_mul(365)?
        .checked_add(year_of_era.div_euclid(4))?
        .checked_sub(year_of_era.div_euclid(100))?
        .checked_add(day_of_year)?;
    era.checked_mul(146_097)?.checked_add(day_of_era)?.checked_sub(719_468)
}

/// A point of the host's steady clock, from a start that only the host knows.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Instant(Duration);

impl Instant {
    /// The instant this long after the clock's start.
    #[must_use]
    pub const fn from_start(since: Duration) -> Self {
        Self(since)
    }

    /// How long after the clock's start.
    #[must_use]
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// The instant this much later; saturates.
    #[must_use]
    pub const fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }
}

/// Both clocks as the host reads them when it calls the engine.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Now {
    /// The steady clock: for waiting.
    pub instant: Instant,
    /// The wall clock: for rows.
    pub time: Time,
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn times_print_as_rfc_3339_in_utc() {
        assert_eq!(Time::from_seconds(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Time::from_seconds(1_723_428_985).to_string(), "2024-08-12T02:16:25Z");
        assert_eq!(Time::from_nanos(-1).to_string(), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(Time::from_nanos(1_500_000_000).to_string(), "1970-01-01T00:00:01.5Z");
        assert_eq!(Time::from_nanos(i64::MAX).to_string(), "2262-04-11T23:47:16.854775807Z");
        assert_eq!(Time::from_nanos(i64::MIN).to_string(), "1677-09-21T00:12:43.145224192Z");
    }

    #[test]
    fn a_date_and_its_days_are_inverse() {
        for days in (-100_000..=100_000).step_by(37) {
            let time = Time::from_seconds(days * DAY + 3_723);
            let again = Time::from_civil(time.date(), time.clock(), 0);
            assert_eq!(again, Some(time));
        }
    }
}
