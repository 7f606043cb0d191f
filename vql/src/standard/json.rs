//! JSON to values.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};

use super::file::ACCESSOR;
use super::stream::Files;
use super::text::bytes;
use crate::budget::Fault;
use crate::context::Context;
use crate::limits::{JSON_LINE_LEN_MAX, VALUE_DEPTH_MAX};
use crate::registry::{Arg, Function, Kind, Plugin};
use crate::rows::{Ready, Rows, Step};
use crate::value::{Row, RowBuilder, Value};

const DATA: Arg = Arg::required("data", Kind::String, "The JSON text.");

/// The functions of this file.
pub(super) static FUNCTIONS: &[&Function] = &[
    &Function::new(
        "parse_json",
        "The dict that a JSON text stands for; parse_json_array() reads lists.",
        &[DATA, Arg::optional("schema", Kind::Any, "Accepted for compatibility; not checked.")],
        |_, _, args| match parse(bytes(args, "data"))? {
            dict @ Value::Dict(_) => Ok(dict),
            other => Err(Fault::note(format!("JSON is no object but {}", other.type_name()))),
        },
    ),
    &Function::new(
        "parse_json_array",
        "The list that a JSON text stands for.",
        &[DATA],
        |_, _, args| match parse(bytes(args, "data"))? {
            list @ Value::List(_) => Ok(list),
            other => Err(Fault::note(format!("JSON is no array but {}", other.type_name()))),
        },
    ),
];

/// The plugins of this file.
pub(super) static PLUGINS: &[&Plugin] = &[
    &Plugin::new(
        "parse_json_array",
        "The elements of a JSON array as rows.",
        &[DATA],
        |_, _, args| {
            let list = match parse(bytes(&args, "data"))? {
                Value::List(list) => list,
                other => {
                    return Err(Fault::note(format!("JSON is no array but {}", other.type_name())));
                }
            };
            Ok(Ready::boxed(list.iter().cloned().map(as_row).collect()))
        },
    ),
    &Plugin::new(
        "parse_jsonl",
        "Files with a JSON object in each line, as rows.",
        &[Arg::required("filename", Kind::List, "The files."), ACCESSOR],
        |cx, _, args| Ok(Box::new(JsonLines { files: Files::of(cx, &args, "filename")? })),
    ),
];

/// A dict is a row as it is; what is none becomes its only column.
fn as_row(value: Value) -> Row {
    match value {
        Value::Dict(row) => row,
        other => Row::single("_value", other),
    }
}

struct JsonLines {
    files: Files,
}

impl Rows for JsonLines {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        let Some((_, stream)) = self.files.current(cx)? else { return Ok(Step::End) };
        let line = match stream.line(cx, JSON_LINE_LEN_MAX) {
            Ok(Some(line)) => line,
            Ok(None) => return self.files.leave(cx, None).map(|()| Step::Yield),
            Err(fault) => return self.files.leave(cx, Some(fault)).map(|()| Step::Yield),
        };
        if line.trim_ascii().is_empty() {
            return Ok(Step::Yield);
        }
        match parse(&line) {
            Ok(value) => Ok(Step::Row(as_row(value))),
            Err(fault) => {
                cx.report("parse_jsonl", fault)?;
                Ok(Step::Yield)
            }
        }
    }
}

/// Parses one JSON text.
///
/// Whole numbers beyond 64 bits become fractions; of equal names in an object the last one counts.
///
/// # Errors
///
/// Where the text is no JSON, or that it is nested deeper than a value may be.
pub(super) fn parse(text: &[u8]) -> Result<Value, Fault> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Depth(VALUE_DEPTH_MAX).deserialize(&mut reader);
    value
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|why| Fault::note(format!("{why}")))
}

/// How many levels of lists and dicts may still begin.
#[derive(Clone, Copy)]
struct Depth(u16);

impl Depth {
    fn inside<E: Error>(self) -> Result<Self, E> {
        let too_deep = || E::custom(format_args!("nested deeper than {VALUE_DEPTH_MAX} levels"));
        self.0.checked_sub(1).map(Self).ok_or_else(too_deep)
    }
}

impl<'de> DeserializeSeed<'de> for Depth {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Depth {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        // Beyond 64 bits with a sign only a fraction has room, at the price of the last digits.
        let as_float = || format!("{number}").parse().map(Value::Float).map_err(E::custom);
        i64::try_from(number).map(Value::Int).or_else(|_| as_float())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(inside)? {
            items.push(item);
        }
        Ok(items.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut row = RowBuilder::new();
        while let Some(name) = map.next_key::<String>()? {
            row.set(name, map.next_value_seed(inside)?);
        }
        Ok(row.build().into())
    }
}
