//! Dates in words and with slashes, as logs and mails have them: `Thu, 29 Feb 2024 10:00:00 +0100`.

use super::{digits, nanos_of};
use crate::value::Time;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// What has been read so far.
#[derive(Default)]
struct Parts {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    clock: Option<(i64, i64, i64)>,
    nanos: i64,
    afternoon: Option<bool>,
    /// Seconds ahead of UTC.
    offset: i64,
}

/// Reads a date whose parts stand in any order; UTC unless it says otherwise.
pub(super) fn parse(text: &str) -> Option<Time> {
    let mut parts = Parts::default();
    let words = text.split([' ', ',', '\t']).filter(|word| !word.is_empty());
    for word in words {
        parts.take(word)?;
    }
    parts.time()
}

impl Parts {
    /// Takes one word; `None` if it means nothing in a date.
    fn take(&mut self, word: &str) -> Option<()> {
        let first = word.get(..3).unwrap_or(word).to_ascii_lowercase();
        let is_word = word.bytes().all(|byte| byte.is_ascii_alphabetic());
        if is_word && WEEKDAYS.contains(&first.as_str()) {
            return Some(());
        }
        if let Some(at) = MONTHS.iter().position(|month| is_word && *month == first) {
            return set(&mut self.month, i64::try_from(at).ok()?.checked_add(1)?);
        }
        match first.as_str() {
            "am" | "pm" => return set(&mut self.afternoon, first == "pm"),
            "utc" | "gmt" | "z" => return Some(()),
            _ => {}
        }
        if let Some(offset) = word.strip_prefix('+') {
            self.offset = seconds(offset)?;
        } else if let Some(offset) = word.strip_prefix('-') {
            self.offset = seconds(offset)?.checked_neg()?;
        } else if word.contains(':') {
            self.take_clock(word)?;
        } else if word.contains(['/', '-']) {
            self.take_date(word)?;
        } else if word.len() == 4 {
            set(&mut self.year, digits(word, 9_999)?)?;
        } else {
            set(&mut self.day, digits(word, 31)?)?;
        }
        Some(())
    }

    fn take_clock(&mut self, word: &str) -> Option<()> {
        let (clock, fraction) = word.split_once('.').unwrap_or((word, ""));
        let mut parts = clock.splitn(3, ':').map(|part| digits(part, 60));
        let clock = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
        self.nanos = nanos_of(fraction)?;
        set(&mut self.clock, clock)
    }

    /// `2024/02/29`, or `02/29/2024` as Americans write it.
    fn take_date(&mut self, word: &str) -> Option<()> {
        let mut parts = word.splitn(3, ['/', '-']);
        let (a, b, c) = (parts.next()?, parts.next()?, parts.next()?);
        let (year, month, day) = if a.len() == 4 { (a, b, c) } else { (c, a, b) };
        set(&mut self.year, digits(year, 9_999).filter(|_| year.len() == 4)?)?;
        set(&mut self.month, digits(month, 12)?)?;
        set(&mut self.day, digits(day, 31)?)
    }

    fn time(self) -> Option<Time> {
        let (month, day) = (self.month?, self.day?);
        let (hour, minute, second) = self.clock.unwrap_or_default();
        let hour = match self.afternoon {
            Some(true) if hour < 12 => hour.checked_add(12)?,
            Some(false) if hour == 12 => 0,
            _ => hour,
        };
        let is_valid = month > 0 && day > 0 && hour < 24;
        let clock = (hour, minute, second);
        let time = Time::from_civil((self.year?, month, day), clock, self.nanos);
        let offset = self.offset.checked_mul(1_000_000_000)?;
        time.filter(|_| is_valid)?.nanos().checked_sub(offset).map(Time::from_nanos)
    }
}

/// Sets what may be said once only.
fn set<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

/// `0100` or `01:00`
fn seconds(offset: &str) -> Option<i64> {
    let (hours, minutes) = match offset.split_once(':') {
        Some(pair) => pair,
        None => offset.split_at_checked(2)?,
    };
    digits(hours, 23)?.checked_mul(60)?.checked_add(digits(minutes, 59)?)?.checked_mul(60)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn dates_of_logs_and_mails_are_read() {
        let cases = [
            ("Mon Jan 2 15:04:05 2006", "2006-01-02T15:04:05Z"),
            ("Mon, 02 Jan 2006 15:04:05 GMT", "2006-01-02T15:04:05Z"),
            ("Thu, 29 Feb 2024 10:00:00 +0100", "2024-02-29T09:00:00Z"),
            ("January 2, 2006 3:04 PM", "2006-01-02T15:04:00Z"),
            ("January 2, 2006 12:04 am", "2006-01-02T00:04:00Z"),
            ("2006/01/02 15:04:05", "2006-01-02T15:04:05Z"),
            ("01/02/2006", "2006-01-02T00:00:00Z"),
            ("2006-01-02 15:04:05.123 +0000 UTC", "2006-01-02T15:04:05.123Z"),
            ("2006-01-02 15:04:05 -01:30", "2006-01-02T16:34:05Z"),
        ];
        for (text, wanted) in cases {
            assert_eq!(parse(text).map(|time| time.to_string()).as_deref(), Some(wanted));
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        let texts = [
            "",
            "tomorrow",
            "2 Jan",
            "2 Jan Feb 2006",
            "29/02/2024 10:00",
            "1 Jan 2006 25:00",
            "Jan 0 2006",
            "1 Jan 2006 +1",
            "é",
            "1 2 3",
        ];
        for text in texts {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
