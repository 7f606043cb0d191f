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
    let text = text.trim();
    let (date, clock) = match text.split_once(['T', 't', ' ']) {
        Some((date, clock)) => (date, clock.trim_start()),
        None => (text, "00:00:00"),
    };
    let mut date = date.splitn(3, '-').map(|part| digits(part, 9_999));
    let date = (date.next()??, date.next()??, date.next()??);
    let (clock, offset) = split_offset(clock)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut clock = clock.splitn(3, ':').map(|part| digits(part, 60));
    let clock = (clock.next()??, clock.next()??, clock.next().unwrap_or(Some(0))?);
    let is_valid = (1..=12).contains(&date.1) && (1..=31).contains(&date.2) && clock.0 < 24;
    let time = Time::from_civil(date, clock, nanos_of(fraction)?).filter(|_| is_valid)?;
    let offset = offset.checked_mul(NANOS)?;
    Some(Time::from_nanos(time.nanos().checked_sub(offset)?))
}

fn digits(text: &str, max: i64) -> Option<i64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_number && *number <= max)
}

/// The clock, and the seconds by which it is ahead of UTC.
fn split_offset(clock: &str) -> Option<(&str, i64)> {
    if let Some(utc) = clock.strip_suffix(['Z', 'z']) {
        return Some((utc, 0));
    }
    let Some(at) = clock.rfind(['+', '-']) else { return Some((clock, 0)) };
    let (clock, offset) = clock.split_at_checked(at)?;
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let minutes = digits(hours, 23)?.checked_mul(60)?.checked_add(digits(minutes, 59)?)?;
    let seconds = minutes.checked_mul(60)?;
    Some((clock.trim_end(), if offset.starts_with('-') { seconds.checked_neg()? } else { seconds }))
}

fn nanos_of(fraction: &str) -> Option<i64> {
    let nine: alloc::string::String = fraction.chars().chain("000000000".chars()).take(9).collect();
    digits(&nine, 999_999_999)
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
