//! Functions that make numbers out of other values, and text out of numbers.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::text::bytes;
use crate::args::Args;
use crate::budget::Fault;
use crate::context::Context;
use crate::engine::Scope;
use crate::function::printed;
use crate::registry::{Arg, Function, Kind};
use crate::value::operators::{number, truncated};
use crate::value::{Time, Value, float};

const STRING: &[Arg] = &[Arg::required("string", Kind::String, "The text.")];

/// The functions of this file.
pub(super) static FUNCTIONS: &[&Function] = &[
    &Function::new(
        "int",
        "A whole number: of text (0x, 0o and 0b understood) or a fraction (cut off); 0 of everything else.",
        &[
            Arg::optional("int", Kind::Resolved, "What to convert."),
            Arg::optional("float", Kind::Float, "A number to cut off."),
        ],
        int,
    ),
    &Function::new(
        "atoi",
        "The whole number in a text, `0x` and a leading 0 understood; 0 if it is none.",
        STRING,
        |_, _, args| Ok(Value::Int(parsed_int(bytes(args, "string")))),
    ),
    &Function::new(
        "parse_float",
        "The number in a text; 0 if it is none.",
        STRING,
        |_, _, args| {
            let text = args.string("string").unwrap_or_default();
            Ok(Value::Float(float::parse(text.trim_ascii()).unwrap_or(0.0)))
        },
    ),
    &Function::new(
        "str",
        "Any value as text.",
        &[Arg::required("str", Kind::Resolved, "The value.")],
        |_, _, args| Ok(args.value("str").map_or(Value::Null, |value| Value::from(printed(value)))),
    ),
    &Function::new(
        "humanize",
        "A number of bytes, an item count or a time as people like to read it.",
        &[
            Arg::optional("bytes", Kind::Int, "Bytes, in units of 1000."),
            Arg::optional("ibytes", Kind::Int, "Bytes, in units of 1024."),
            Arg::optional("time", Kind::Any, "A time, told relative to the current one."),
            Arg::optional("comma", Kind::Int, "A number to group by thousands."),
        ],
        humanize,
    ),
    &Function::new(
        "unhex",
        "The bytes that hexadecimal digits stand for; a leading 0x is skipped.",
        STRING,
        |_, _, args| Ok(from_hex(bytes(args, "string")).map_or(Value::Null, Value::from)),
    ),
];

fn int(_: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let value = match args.value("int") {
        None | Some(Value::Null) => args.value("float"),
        given => given,
    };
    Ok(match value {
        Some(Value::Int(number)) => Value::Int(*number),
        Some(Value::Float(number)) => Value::Int(truncated(*number)),
        Some(Value::Str(text)) => Value::Int(parsed_int(text)),
        _ => Value::Int(0),
    })
}

/// A whole number as Go reads one: a sign, then `0x`, `0o`, `0b`, a leading 0 for octal, or decimal digits.
/// What is too large is the nearest number; anything else is 0.
fn parsed_int(text: &[u8]) -> i64 {
    let text = core::str::from_utf8(text).unwrap_or_default().to_ascii_lowercase();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(&text)),
    };
    let prefixes = [("0x", 16), ("0o", 8), ("0b", 2), ("0", 8)];
    let prefixed = prefixes.into_iter().find_map(|(prefix, radix)| {
        digits.strip_prefix(prefix).filter(|rest| !rest.is_empty()).map(|rest| (rest, radix))
    });
    let (digits, radix) = prefixed.unwrap_or((digits, 10));
    let number = digits.chars().try_fold(0_i64, |sum, digit| {
        let digit = i64::from(digit.to_digit(radix)?).saturating_mul(sign);
        Some(sum.saturating_mul(i64::from(radix)).saturating_add(digit))
    });
    number.unwrap_or(0)
}

fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text.strip_prefix(b"0x").or_else(|| text.strip_prefix(b"0X")).unwrap_or(text);
    let digits: Vec<u8> =
        digits.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let nibble =
        |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |pair: &[u8]| {
        let [high, low] = pair else { return None };
        Some(nibble(*high)?.wrapping_shl(4) | nibble(*low)?)
    };
    digits.chunks(2).map(byte).collect()
}

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
    fn numbers_are_parsed_as_people_write_them() {
        let cases: [(&[u8], i64); 11] = [
            (b"0x1f", 31),
            (b"-0x10", -16),
            (b"-42", -42),
            (b"017", 15),
            (b"0", 0),
            (b"1.9", 0),
            (b" 5", 0),
            (b"12 apples", 0),
            (b"99999999999999999999", i64::MAX),
            (b"-9223372036854775808", i64::MIN),
            (b"-99999999999999999999", i64::MIN),
        ];
        for (text, number) in cases {
            assert_eq!(parsed_int(text), number);
        }
    }

    #[test]
    fn hexadecimal_text_must_be_whole_bytes() {
        assert_eq!(from_hex(b"0x41 42"), Some(b"AB".to_vec()));
        assert_eq!(from_hex(b"414"), None);
        assert_eq!(from_hex(b"4g"), None);
    }

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
