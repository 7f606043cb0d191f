//! `encode()`.

use alloc::format;
use alloc::string::String;
use core::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

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
    let value = args.value("string").cloned().unwrap_or_default();
    let text = match &value {
        Value::Str(text) => text.clone(),
        other => json::scalar_text(other).into(),
    };
    let kind = args.string("type").unwrap_or_default();
    Ok(match kind.as_str() {
        "hex" => Value::from(hex(&text)),
        "base64" => Value::from(STANDARD_NO_PAD.encode(&*text)),
        "string" => Value::Str(text),
        "json" => Value::from(json::to_string(&value)),
        other => return Err(Fault::error(format!("unknown encoding type {other}"))),
    })
}

/// Two lower-case digits for each byte.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
