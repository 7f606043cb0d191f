//! Dates in words and with slashes, as logs and mails have them: `Thu, 29 Feb 2024 10:00:00 +0100`.

use super::{Clock, Cursor, seconds_ahead};
use crate::value::Time;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// What has been read so far.
#[derive(Default)]
struct Parts {
    year: Option<u32>,
    month: Option<u32>,
    day: Option<u32>,
    clock: Option<Clock>,
    afternoon: Option<bool>,
    /// Seconds ahead of UTC.
    offset: i32,
}

/// Reads a date whose parts stand in any order; UTC unless it says otherwise.
pub(super) fn parse(text: &str) -> Option<Time> {
    let mut parts = Parts::default();
    for word in text.as_bytes().split(|byte| matches!(byte, b' ' | b',' | b'\t')) {
        if !word.is_empty() {
            parts.take(word)?;
        }
    }
    parts.time()
}

impl Parts {
    /// Takes one word; `None` if it means nothing in a date.
    fn take(&mut self, word: &[u8]) -> Option<()> {
        if word.iter().all(u8::is_ascii_alphabetic) {
            return self.take_name(&word.to_ascii_lowercase());
        }
        let mut rest = Cursor(word);
        if let Some(sign) = rest.take(b"+-") {
            self.offset = offset(sign, rest)?;
        } else if word.contains(&b':') {
            set(&mut self.clock, rest.clock()?)?;
            return rest.is_end().then_some(());
        } else if word.contains(&b'/') || word.contains(&b'-') {
            self.take_date(rest)?;
        } else {
            let place = if word.len() == 4 { &mut self.year } else { &mut self.day };
            set(place, rest.number(if word.len() == 4 { 9_999 } else { 31 })?)?;
            return rest.is_end().then_some(());
        }
        Some(())
    }

    fn take_name(&mut self, name: &[u8]) -> Option<()> {
        match name {
            b"am" | b"pm" => return set(&mut self.afternoon, name == b"pm"),
            b"utc" | b"gmt" | b"z" => return Some(()),
            _ => {}
        }
        let first = name.get(..3)?;
        if WEEKDAYS.iter().any(|day| day.as_bytes() == first) {
            return Some(());
        }
        let at = MONTHS.iter().position(|month| month.as_bytes() == first)?;
        set(&mut self.month, u32::try_from(at).ok()?.checked_add(1)?)
    }

    /// `2024/02/29`, or `02/29/2024` as Americans write it.
    fn take_date(&mut self, mut rest: Cursor<'_>) -> Option<()> {
        let is_year_first = rest.0.get(4).is_some_and(|byte| !byte.is_ascii_digit());
        let mut numbers = [0; 3];
        for (at, number) in numbers.iter_mut().enumerate() {
            if at > 0 {
                rest.take(b"/-")?;
            }
            *number = rest.number(9_999)?;
        }
        let [a, b, c] = numbers;
        let (year, month, day) = if is_year_first { (a, b, c) } else { (c, a, b) };
        set(&mut self.year, year)?;
        set(&mut self.month, month)?;
        set(&mut self.day, day)?;
        (rest.is_end() && year > 999).then_some(())
    }

    fn time(self) -> Option<Time> {
        let (year, month, day) = (self.year?, self.month?, self.day?);
        let mut clock = self.clock.unwrap_or_default();
        match self.afternoon {
            Some(true) if clock.hour < 12 => clock.hour = clock.hour.wrapping_add(12),
            Some(false) if clock.hour == 12 => clock.hour = 0,
            _ => {}
        }
        let is_valid = (1..=12).contains(&month) && (1..=31).contains(&day);
        clock.on((year, month, day), self.offset).filter(|_| is_valid)
    }
}

/// Sets what may be said once only.
fn set<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

/// What follows a sign: `0100` or `01:00`.
fn offset(sign: u8, mut rest: Cursor<'_>) -> Option<i32> {
    let is_short = rest.0.len() == 4;
    let number = rest.number(2_359)?;
    let (hours, minutes) = match rest.take(b":") {
        Some(_) => (number, rest.number(59)?),
        None if is_short => (number / 100, number % 100),
        None => return None,
    };
    (rest.is_end() && hours < 24 && minutes < 60).then(|| seconds_ahead(sign, hours, minutes))
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
