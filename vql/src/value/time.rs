//! Points in time: what a table shows (`Time`), and what a plugin waits for (`Instant`).

use core::fmt;
use core::time::Duration;

const NANOS: i64 = 1_000_000_000;
const DAY: i64 = 86_400;
/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_EPOCH: u32 = 719_468;

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
    #[inline(never)] // A division of 64 bits.
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
    pub fn date(self) -> (i64, i64, i64) {
        let (year, month, day) = civil(self.day_and_second().0);
        (year.into(), month.into(), day.into())
    }

    /// Hour, minute and second of the day, UTC.
    #[must_use]
    pub fn clock(self) -> (i64, i64, i64) {
        let second = self.day_and_second().1;
        ((second / 3_600).into(), (second / 60 % 60).into(), (second % 60).into())
    }

    /// Days since 0000-03-01 and seconds of the day. The range of times is some hundred thousand days.
    fn day_and_second(self) -> (u32, u32) {
        let seconds = self.seconds();
        let days = seconds.div_euclid(DAY).saturating_add(DAYS_TO_EPOCH.into());
        let second = u32::try_from(seconds.rem_euclid(DAY)).unwrap_or(0);
        (u32::try_from(days).unwrap_or(0), second)
    }

    /// The time of a UTC date and clock; `None` outside of the range of [`Time`].
    #[must_use]
    pub fn from_civil(date: (i64, i64, i64), clock: (i64, i64, i64), nanos: i64) -> Option<Self> {
        // Beyond ten thousand nothing is a date, and below it 32 bits hold all that is computed.
        let part = |part: i64| i32::try_from(part).ok().filter(|part| part.unsigned_abs() < 10_000);
        let days = days_from_civil(part(date.0)?, part(date.1)?, part(date.2)?);
        let minutes = part(clock.0)?.wrapping_mul(60).wrapping_add(part(clock.1)?);
        let second = minutes.wrapping_mul(60).wrapping_add(part(clock.2)?);
        let seconds = i64::from(days).wrapping_mul(DAY).wrapping_add(second.into());
        seconds.checked_mul(NANOS)?.checked_add(nanos).map(Self)
    }
}

/// RFC 3339 in UTC, with as many digits of the fraction as are needed; in the alternate form as Go prints a time.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        let (hour, minute, second) = self.clock();
        let (between, zone) = if f.alternate() { (' ', " +0000 UTC") } else { ('T', "Z") };
        write!(f, "{year:04}-{month:02}-{day:02}{between}{hour:02}:{minute:02}:{second:02}")?;
        let mut fraction = u32::try_from(self.subsecond_nanos()).unwrap_or(0);
        if fraction > 0 {
            let mut width = 9_usize;
            while fraction % 10 == 0 {
                fraction /= 10;
                width = width.wrapping_sub(1);
            }
            let fraction = i64::from(fraction);
            write!(f, ".{fraction:0width$}")?;
        }
        f.write_str(zone)
    }
}

/// Howard Hinnant's `civil_from_days`: exact over the whole range of [`Time`], whose numbers stay far below 32 bits.
const fn civil(days: u32) -> (u32, u32, u32) {
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let leap = day_of_era
        .wrapping_sub(day_of_era / 1_460)
        .wrapping_add(day_of_era / 36_524)
        .wrapping_sub(day_of_era / 146_096);
    let year_of_era = leap / 365;
    let before =
        year_of_era.wrapping_mul(365).wrapping_add(year_of_era / 4).wrapping_sub(year_of_era / 100);
    let day_of_year = day_of_era.wrapping_sub(before);
    let shifted_month = day_of_year.wrapping_mul(5).wrapping_add(2) / 153;
    let start = shifted_month.wrapping_mul(153).wrapping_add(2) / 5;
    let day = day_of_year.wrapping_sub(start).wrapping_add(1);
    let is_late = shifted_month >= 10;
    let month = if is_late { shifted_month.wrapping_sub(9) } else { shifted_month.wrapping_add(3) };
    let year = era.wrapping_mul(400).wrapping_add(year_of_era);
    (if is_late { year.wrapping_add(1) } else { year }, month, day)
}

/// The inverse of [`civil`] for numbers below ten thousand; days since the epoch.
const fn days_from_civil(year: i32, month: i32, day: i32) -> i32 {
    let is_late = month <= 2;
    let year = if is_late { year.wrapping_sub(1) } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = month.wrapping_add(if is_late { 9 } else { -3 });
    let day_of_year = shifted_month
        .wrapping_mul(153)
        .wrapping_add(2)
        .div_euclid(5)
        .wrapping_add(day)
        .wrapping_sub(1);
    let day_of_era = year_of_era
        .wrapping_mul(365)
        .wrapping_add(year_of_era / 4)
        .wrapping_sub(year_of_era / 100)
        .wrapping_add(day_of_year);
    era.wrapping_mul(146_097).wrapping_add(day_of_era).wrapping_sub_unsigned(DAYS_TO_EPOCH)
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
    #[inline(never)] // A hundred bytes.
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
