//! Functions over strings.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use crate::args::Args;
use crate::budget::{Fault, Limit, Stop};
use crate::context::Context;
use crate::engine::Scope;
use crate::function::printed;
use crate::registry::{Arg, Function, Kind};
use crate::value::json::{scalar_text, write_value};
use crate::value::{Text, Value};

const STRING: &[Arg] = &[Arg::required("string", Kind::String, "The text.")];

/// The functions of this file.
pub(super) static FUNCTIONS: &[&Function] = &[
    &Function::new("lowcase", "The text in lower case.", STRING, |_, _, args| {
        Ok(changed(args, lower))
    }),
    &Function::new("upcase", "The text in upper case.", STRING, |_, _, args| {
        Ok(changed(args, upper))
    }),
    &Function::new(
        "strip",
        "The text without a prefix, a suffix, or, if neither is given, without white space at both ends.",
        &[
            Arg::required("string", Kind::String, "The text."),
            Arg::optional("prefix", Kind::String, "What to take from the beginning."),
            Arg::optional("suffix", Kind::String, "What to take from the end."),
        ],
        strip,
    ),
    &Function::new(
        "substr",
        "The characters of a text from one position up to another; NULL if the end is before the start.",
        &[
            Arg::required("str", Kind::String, "The text."),
            Arg::optional(
                "start",
                Kind::Int,
                "The first character, counted from 0 (0); from a place behind the last one all of it is meant.",
            ),
            Arg::optional(
                "end",
                Kind::Int,
                "The character behind the last one (the length); so is 0.",
            ),
        ],
        substr,
    ),
    &Function::new(
        "join",
        "The elements of a list as one text.",
        &[
            Arg::required("array", Kind::List, "The elements."),
            Arg::optional("sep", Kind::String, "What stands between them."),
            Arg::optional("prefix", Kind::String, "What stands before the first one."),
            Arg::optional("suffix", Kind::String, "What stands after the last one."),
        ],
        join,
    ),
    &Function::new(
        "rot13",
        "The text with each Latin letter moved by 13 places.",
        STRING,
        |_, _, args| {
            Ok(Value::from(
                bytes(args, "string").iter().map(|byte| rotated(*byte)).collect::<Vec<u8>>(),
            ))
        },
    ),
    &Function::new(
        "xor",
        "The text with each byte combined with a repeated key by exclusive or.",
        &[
            Arg::required("string", Kind::String, "The text."),
            Arg::required("key", Kind::String, "The key."),
        ],
        xor,
    ),
];

/// The bytes of a string argument; empty if it is not given.
pub(super) fn bytes<'a>(args: &'a Args, name: &str) -> &'a [u8] {
    args.text(name).map_or(&[], Text::as_bytes)
}

/// Changes the valid parts of a text; bytes that are no UTF-8 stay.
fn changed(args: &Args, change: fn(&str) -> String) -> Value {
    let text = bytes(args, "string");
    let mut out = Vec::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        out.extend_from_slice(change(chunk.valid()).as_bytes());
        out.extend_from_slice(chunk.invalid());
    }
    Value::from(out)
}

fn strip(_: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let mut text = bytes(args, "string");
    if !args.has("prefix") && !args.has("suffix") {
        return Ok(Value::from(text.trim_ascii()));
    }
    text = text.strip_prefix(bytes(args, "prefix")).unwrap_or(text);
    text = text.strip_suffix(bytes(args, "suffix")).unwrap_or(text);
    Ok(Value::from(text))
}

fn substr(_: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let text = bytes(args, "str");
    let text = String::from_utf8_lossy(text);
    let count = text.chars().count();
    let place = |name: &str| usize::try_from(args.int(name).unwrap_or(0));
    let Ok(start) = place("start") else { return Ok(Value::Null) };
    let Ok(end) = place("end") else { return Ok(Value::Null) };
    let end = if end == 0 { count } else { end.min(count) };
    if start >= count {
        return Ok(Value::from(text.into_owned()));
    }
    let Some(length) = end.checked_sub(start) else { return Ok(Value::Null) };
    Ok(Value::from(text.chars().skip(start).take(length).collect::<String>()))
}

fn join(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let value_bytes = cx.budget.value_bytes;
    let separator = bytes(args, "sep");
    let mut out = bytes(args, "prefix").to_vec();
    for (at, item) in args.list("array").map_or(&[][..], |list| list).iter().enumerate() {
        if at > 0 {
            out.extend_from_slice(separator);
        }
        out.extend_from_slice(&printed(item));
        if out.len() > value_bytes {
            return Err(Stop::from(Limit::ValueBytes(value_bytes)).into());
        }
    }
    out.extend_from_slice(bytes(args, "suffix"));
    Ok(Value::from(out))
}

fn rotated(byte: u8) -> u8 {
    match byte {
        b'a'..=b'm' | b'A'..=b'M' => byte.wrapping_add(13),
        b'n'..=b'z' | b'N'..=b'Z' => byte.wrapping_sub(13),
        _ => byte,
    }
}

fn xor(_: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let key = bytes(args, "key");
    if key.is_empty() {
        return Err(Fault::error("key is empty"));
    }
    let pairs = bytes(args, "string").iter().zip(key.iter().cycle());
    Ok(Value::from(pairs.map(|(byte, key)| byte ^ key).collect::<Vec<u8>>()))
}

/// Any value as text: strings as they are, NULL empty, other scalars as they print, the rest as JSON.
pub(super) fn shown(value: &Value) -> Cow<'_, [u8]> {
    match value {
        Value::Null => Cow::Borrowed(&[]),
        Value::Str(text) => Cow::Borrowed(text),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Time(_) => {
            Cow::Owned(scalar_text(value).into_bytes())
        }
        Value::List(_) | Value::Dict(_) | Value::Query(_) | Value::Scope(_) => {
            let mut out = Vec::new();
            write_value(value, &mut out);
            Cow::Owned(out)
        }
    }
}

/// All letters of which the tables are built in.
fn lower(text: &str) -> String {
    if cfg!(feature = "unicode-patterns") { text.to_lowercase() } else { text.to_ascii_lowercase() }
}

fn upper(text: &str) -> String {
    if cfg!(feature = "unicode-patterns") { text.to_uppercase() } else { text.to_ascii_uppercase() }
}
