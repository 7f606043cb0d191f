//! Functions that make numbers out of other values, and text out of numbers.

use alloc::vec::Vec;

use super::text::bytes;
use crate::args::Args;
use crate::budget::Fault;
use crate::context::Context;
use crate::engine::Scope;
use crate::function::printed;
use crate::registry::{Arg, Function, Kind};
use crate::value::operators::truncated;
use crate::value::{Value, float};

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
}
