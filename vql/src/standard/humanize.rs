//! `humanize()`.

use alloc::format;
use alloc::string::String;

use crate::args::Args;
use crate::budget::Fault;
use crate::context::Context;
use crate::engine::Scope;
use crate::registry::{Arg, Function, Kind};
use crate::value::operators::{number, truncated};
use crate::value::{Time, Value, float};

pub(super) static HUMANIZE: Function = Function::new(
    "humanize",
    "A number of bytes, an item count or a time as people like to read it.",
    &[
        Arg::optional("bytes", Kind::Int, "Bytes, in units of 1000."),
        Arg::optional("ibytes", Kind::Int, "Bytes, in units of 1024."),
        Arg::optional("time", Kind::Any, "A time, told relative to the current one."),
        Arg::optional("comma", Kind::Int, "A number to group by thousands."),
    ],
    humanize,
);

fn humanize(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    if let Some(bytes) = args.int("bytes") {
        return Ok(scaled(bytes, 1_000.0, &["B", "kB", "MB", "GB", "TB", "PB", "EB"]).into());
    }
    if let Some(bytes) = args.int("ibytes") {
        return Ok(scaled(bytes, 1_024.0, &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]).into());
    }
    if let Some(count) = args.int("comma") {
        return Ok(grouped(count).into());
    }
    let seconds = match args.value("time") {
        Some(Value::Time(time)) => time.seconds(),
        Some(other) => match number(other) {
            Some(seconds) => truncated(seconds),
            None => return Ok(Value::Null),
        },
        None => return Ok(Value::Null),
    };
    Ok(relative(Time::from_seconds(seconds), cx.now()).into())
}

/// Two significant digits below ten, none behind the point otherwise, as people write sizes. Rounded to
/// tenths first, as upstream.
fn scaled(count: i64, unit: f64, names: &[&str]) -> String {
    let mut scaled = number(&Value::Int(count)).unwrap_or(0.0);
    let mut names = names.iter();
    let mut name = names.next().copied().unwrap_or_default();
    while scaled.abs() >= unit
        && let Some(next) = names.next()
    {
        scaled /= unit;
        name = next;
    }
    let scaled = libm::floor(scaled * 10.0 + 0.5) / 10.0;
    let has_fraction = name != "B" && scaled.abs() < 10.0;
    format!("{} {name}", float::fixed(scaled, usize::from(has_fraction)))
}

fn grouped(count: i64) -> String {
    let digits = format!("{}", count.unsigned_abs());
    let mut out = String::from(if count < 0 { "-" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && digits.len().saturating_sub(at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

const UNITS: [(u64, &str); 7] = [
    (31_536_000, "year"),
    (2_592_000, "month"),
    (604_800, "week"),
    (86_400, "day"),
    (3_600, "hour"),
    (60, "minute"),
    (1, "second"),
];

fn relative(time: Time, now: Time) -> String {
    let seconds = now.seconds().saturating_sub(time.seconds());
    let span = seconds.unsigned_abs();
    let Some((length, name)) = UNITS.iter().find(|(length, _)| span >= *length) else {
        return String::from("now");
    };
    let count = span.checked_div(*length).unwrap_or(0);
    let plural = if count == 1 { "" } else { "s" };
    let side = if seconds > 0 { "ago" } else { "from now" };
    format!("{count} {name}{plural} {side}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_counts_and_times_read_well() {
        assert_eq!(scaled(999, 1_000.0, &["B", "kB"]), "999 B");
        assert_eq!(scaled(1_500, 1_000.0, &["B", "kB"]), "1.5 kB");
        assert_eq!(grouped(-1_234_567), "-1,234,567");
        assert_eq!(grouped(123), "123");
        assert_eq!(relative(Time::from_seconds(0), Time::from_seconds(7_300)), "2 hours ago");
        assert_eq!(relative(Time::from_seconds(60), Time::from_seconds(0)), "1 minute from now");
    }
}
