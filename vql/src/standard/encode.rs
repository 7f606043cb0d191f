//! Functions that change how bytes are written down: base 64, UTF-16, JSON, entropy.

use alloc::string::String;
use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};

use super::text::bytes;
use crate::args::Args;
use crate::budget::Fault;
use crate::context::Context;
use crate::engine::Scope;
use crate::registry::{Arg, Function, Kind};
use crate::value::Value;
use crate::value::json::{indented, write_value};

const STRING: &[Arg] = &[Arg::required("string", Kind::String, "The text.")];

/// Padding is often lost when such text is cut out of a log.
const FORGIVING: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The functions of this file.
pub(super) static FUNCTIONS: &[&Function] = &[
    &Function::new("base64encode", "The text in base 64.", STRING, |_, _, args| {
        Ok(STANDARD.encode(bytes(args, "string")).into())
    }),
    &Function::new(
        "base64decode",
        "The bytes of a text in base 64; NULL if it is none.",
        STRING,
        |_, _, args| {
            let text: Vec<u8> = bytes(args, "string")
                .iter()
                .copied()
                .filter(|byte| !byte.is_ascii_whitespace())
                .collect();
            Ok(FORGIVING.decode(text).map_or(Value::Null, Value::from))
        },
    ),
    &Function::new("utf16", "Text of bytes in UTF-16, little endian.", STRING, |_, _, args| {
        let units = bytes(args, "string").chunks_exact(2).map(|pair| match pair {
            [low, high] => u16::from_le_bytes([*low, *high]),
            _ => 0,
        });
        let text: String = char::decode_utf16(units)
            .map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect();
        Ok(text.trim_end_matches('\0').into())
    }),
    &Function::new(
        "utf16_encode",
        "The text as bytes in UTF-16, little endian.",
        STRING,
        |_, _, args| {
            let text = args.string("string").unwrap_or_default();
            Ok(text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>().into())
        },
    ),
    &Function::new(
        "serialize",
        "Any value as JSON; `jsonl` writes a line for each element.",
        &[
            Arg::required("item", Kind::Resolved, "The value."),
            Arg::optional("format", Kind::String, "`json` or `jsonl` (json)."),
        ],
        serialize,
    ),
    &Function::new(
        "entropy",
        "Shannon's entropy of a text, in bits per byte.",
        STRING,
        |_, _, args| Ok(Value::Float(entropy(bytes(args, "string")))),
    ),
];

fn serialize(_: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let item = args.value("item").cloned().unwrap_or_default();
    let mut out = Vec::new();
    match (bytes(args, "format"), &item) {
        (b"" | b"json", _) => out = indented(&item),
        (b"jsonl", Value::List(list)) => {
            for value in list.iter() {
                write_value(value, &mut out);
                out.push(b'\n');
            }
        }
        (b"jsonl", _) => {
            write_value(&item, &mut out);
            out.push(b'\n');
        }
        _ => return Err(Fault::error("format should be json or jsonl")),
    }
    Ok(out.into())
}

fn entropy(text: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in text {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count = count.saturating_add(1);
        }
    }
    let len = f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX)).max(1.0);
    let share = |count: &u32| f64::from(*count) / len;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(share)
        .map(|share| -share * libm::log2(share))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_is_zero_for_one_letter_and_eight_for_all_bytes() {
        assert!(entropy(b"aaaa").abs() < 1e-9);
        let all: Vec<u8> = (0..=255).collect();
        assert!((entropy(&all) - 8.0).abs() < 1e-9);
        assert!(entropy(b"").abs() < 1e-9);
    }
}
