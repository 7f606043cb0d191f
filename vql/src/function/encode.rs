//! `encode()`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use super::format::{alone, printed};
use crate::args::Args;
use crate::budget::Fault;
use crate::context::Context;
use crate::engine::Scope;
use crate::registry::{Arg, Function, Kind};
use crate::value::{Value, json};

pub(super) static ENCODE: Function = Function::new(
    "encode",
    "Writes a value as text.",
    &[
        Arg::required("string", Kind::Resolved, "The value."),
        Arg::required(
            "type",
            Kind::String,
            "`hex`, `base64` (without `=` at its end), `string` or `json`.",
        ),
    ],
    encode,
);

fn encode(_: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let value = args.value("string").unwrap_or(&Value::Null);
    let kind = args.string("type").unwrap_or_default();
    Ok(match (kind.as_str(), value) {
        ("hex", Value::Str(text)) => Value::from(hex(text)),
        ("base64", Value::Str(text)) => Value::from(base64(text)),
        // What is no text has no bytes.
        ("hex" | "base64", _) => Value::Null,
        ("string", _) => Value::from(printed(&alone(value))),
        ("json", _) => Value::from(json::indented(value)),
        (other, _) => return Err(Fault::error(format!("unknown encoding type {other}"))),
    })
}

/// RFC 4648 section 4 without padding. Small rather than fast: the crate's encoder takes ten times the flash.
fn base64(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = Vec::with_capacity(bytes.len().div_ceil(3).saturating_mul(4));
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let mut bits = byte(0) << 24 | byte(1) << 16 | byte(2) << 8;
        for _ in 0..=group.len() {
            text.extend(usize::try_from(bits >> 26).ok().and_then(|digit| DIGITS.get(digit)));
            bits <<= 6;
        }
    }
    text
}

/// Two lower-case digits for each byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use ::base64::Engine;
    use ::base64::engine::general_purpose::STANDARD_NO_PAD;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn base64_is_that_of_the_crate(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(String::from_utf8(base64(&bytes)).ok(), Some(STANDARD_NO_PAD.encode(&bytes)));
        }
    }
}
