//! `timestamp()`.

mod words;

use alloc::format;

use crate::args::Args;
use crate::budget::Fault;
use crate::context::Context;
use crate::engine::Scope;
use crate::registry::{Arg, Function, Kind};
use crate::value::{Time, Value, float, operators};

/// Tenths of microseconds from 1601-01-01, where Windows starts to count.
const WINDOWS_EPOCH: i64 = -116_444_736_000_000_000;
/// Seconds from 1904-01-01, where classic Macs start.
const MAC_EPOCH: i64 = -2_082_844_800;
/// Seconds from 2001-01-01, where Cocoa starts.
const COCOA_EPOCH: i64 = 978_307_200;

pub(super) static TIMESTAMP: Function = Function::new(
    "timestamp",
    "Makes a time. NULL if the argument is none.",
    &[
        Arg::optional(
            "epoch",
            Kind::Resolved,
            "Seconds since 1970; larger numbers are taken for milli-, micro- or nanoseconds.",
        ),
        Arg::optional(
            "string",
            Kind::String,
            "RFC 3339, another common form of a date, or seconds since 1970; UTC if it names no zone.",
        ),
        Arg::optional("winfiletime", Kind::Int, "Tenths of microseconds since 1601."),
        Arg::optional("cocoatime", Kind::Float, "Seconds since 2001."),
        Arg::optional("mactime", Kind::Int, "Seconds since 1904."),
    ],
    timestamp,
);

fn timestamp(_: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    if let Some(ticks) = args.int("winfiletime") {
        return Ok(time(ticks.checked_add(WINDOWS_EPOCH), 100));
    }
    if let Some(seconds) = args.float("cocoatime") {
        return Ok(time(nanos_since(COCOA_EPOCH, seconds), 1));
    }
    if let Some(seconds) = args.int("mactime") {
        return Ok(time(seconds.checked_add(MAC_EPOCH), NANOS));
    }
    if let Some(text) = args.string("string").filter(|text| !text.is_empty()) {
        return match epoch_of(&text) {
            Value::Null => Err(Fault::note(format!("\"{text}\" is no time"))),
            time => Ok(time),
        };
    }
    Ok(match args.value("epoch") {
        Some(Value::Time(time)) => Value::Time(*time),
        Some(Value::Int(number)) => time(Some(*number), unit(*number)),
        Some(Value::Float(number)) => time(nanos_since(0, *number), 1),
        Some(Value::Str(text)) => epoch_of(&text.to_str_lossy()),
        _ => Value::Null,
    })
}

/// The time that a text means: a date, or seconds since 1970.
pub(crate) fn date(text: &str) -> Option<Time> {
    match epoch_of(text) {
        Value::Time(time) => Some(time),
        _ => None,
    }
}

fn epoch_of(text: &str) -> Value {
    if let Ok(number) = text.parse::<i64>() {
        return time(Some(number), unit(number));
    }
    if let Some(number) = float::parse(text) {
        return time(nanos_since(0, number), 1);
    }
    parse(text).or_else(|| words::parse(text)).map_or(Value::Null, Value::Time)
}

const NANOS: i64 = 1_000_000_000;

/// The nanoseconds that a number counts, guessed by its size: seconds reach the year 2603.
const fn unit(number: i64) -> i64 {
    match number.unsigned_abs() {
        0..20_000_000_000 => NANOS,
        20_000_000_000..20_000_000_000_000 => 1_000_000,
        20_000_000_000_000..20_000_000_000_000_000 => 1_000,
        _ => 1,
    }
}

/// Nanoseconds since 1970 of seconds since another epoch.
fn nanos_since(epoch: i64, seconds: f64) -> Option<i64> {
    let whole = operators::truncated(seconds);
    let fraction = (seconds - crate::value::number::to_float(whole)) * 1e9;
    whole.checked_add(epoch)?.checked_mul(NANOS)?.checked_add(operators::truncated(fraction))
}

/// The time that is so many units after 1970; NULL beyond the range of times.
fn time(count: Option<i64>, unit: i64) -> Value {
    let nanos = count.and_then(|count| count.checked_mul(unit));
    nanos.map_or(Value::Null, |nanos| Value::Time(Time::from_nanos(nanos)))
}

/// Reads `2024-08-12T02:16:25.5Z`, with `T` or a blank, an offset or none, the clock or none.
pub(crate) fn parse(text: &str) -> Option<Time> {
    let mut rest = Cursor(text.trim_ascii().as_bytes());
    let year = rest.number(9_999)?;
    rest.take(b"-")?;
    let month = rest.number(12)?;
    rest.take(b"-")?;
    let day = rest.number(31)?;
    let mut clock = Clock::default();
    let mut offset = 0;
    if rest.take(b"Tt ").is_some() {
        rest.skip_blanks();
        clock = rest.clock()?;
        rest.skip_blanks();
        if rest.take(b"Zz").is_none() && !rest.is_end() {
            offset = rest.offset()?;
        }
    }
    let is_valid = month > 0 && day > 0 && rest.is_end();
    clock.on((year, month, day), offset).filter(|_| is_valid)
}

/// What is left of a date.
struct Cursor<'a>(&'a [u8]);

/// The clock of a date.
#[derive(Default)]
struct Clock {
    hour: u32,
    minute: u32,
    second: u32,
    nanos: u32,
}

impl Cursor<'_> {
    const fn is_end(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the next byte if it is one of these.
    fn take(&mut self, wanted: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        if !wanted.contains(first) {
            return None;
        }
        self.0 = rest;
        Some(*first)
    }

    fn skip_blanks(&mut self) {
        while self.take(b" \t").is_some() {}
    }

    fn digit(&mut self) -> Option<u32> {
        self.take(b"0123456789").map(|digit| u32::from(digit & 15))
    }

    /// A number of at least one digit.
    fn number(&mut self, max: u32) -> Option<u32> {
        let mut number = self.digit()?;
        while let Some(digit) = self.digit() {
            number = number.saturating_mul(10).saturating_add(digit);
        }
        Some(number).filter(|number| *number <= max)
    }

    /// `10:00`, `10:00:00` or `10:00:00.5`; digits beyond nanoseconds count nothing.
    fn clock(&mut self) -> Option<Clock> {
        let hour = self.number(23)?;
        self.take(b":")?;
        let minute = self.number(60)?;
        let second = if self.take(b":").is_some() { self.number(60)? } else { 0 };
        let mut nanos = 0_u32;
        if self.take(b".").is_some() {
            for _ in 0..9 {
                nanos = nanos.wrapping_mul(10).wrapping_add(self.digit().unwrap_or(0));
            }
            while self.digit().is_some() {}
        }
        Some(Clock { hour, minute, second, nanos })
    }

    /// `+01:00`, in seconds.
    fn offset(&mut self) -> Option<i32> {
        let sign = self.take(b"+-")?;
        let hours = self.number(23)?;
        self.take(b":")?;
        Some(seconds_ahead(sign, hours, self.number(59)?))
    }
}

fn seconds_ahead(sign: u8, hours: u32, minutes: u32) -> i32 {
    let seconds = hours.wrapping_mul(60).wrapping_add(minutes).wrapping_mul(60);
    let sign = if sign == b'-' { -1 } else { 1 };
    i32::try_from(seconds).unwrap_or(0).wrapping_mul(sign)
}

impl Clock {
    /// The time of this clock on a date, `offset` seconds ahead of UTC.
    fn on(&self, (year, month, day): (u32, u32, u32), offset: i32) -> Option<Time> {
        let date = (year.into(), month.into(), day.into());
        let clock = (self.hour.into(), self.minute.into(), self.second.into());
        let time = Time::from_civil(date, clock, self.nanos.into())?;
        time.nanos().checked_sub(i64::from(offset).checked_mul(NANOS)?).map(Time::from_nanos)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn dates_with_and_without_clock_and_offset_are_read() {
        let cases = [
            ("2024-08-12T02:16:25Z", "2024-08-12T02:16:25Z"),
            ("2024-08-12 02:16", "2024-08-12T02:16:00Z"),
            ("2024-08-12", "2024-08-12T00:00:00Z"),
            ("2024-08-12T02:16:25.25+02:00", "2024-08-12T00:16:25.25Z"),
            ("1969-12-31T23:59:59-00:30", "1970-01-01T00:29:59Z"),
        ];
        for (text, wanted) in cases {
            assert_eq!(parse(text).map(|time| time.to_string()).as_deref(), Some(wanted));
        }
        for text in
            ["", "today", "2024-13-01", "2024-01-01T25:00:00Z", "2024-01-01T00:00:00+", "--"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
