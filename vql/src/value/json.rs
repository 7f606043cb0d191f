//! Rows as JSON, the way they travel (protocol section 6.4).
//!
//! Compact, keys in the order of the columns, numbers as Go prints them, times in RFC 3339, invalid
//! UTF-8 repaired. A line feed never appears inside a row, which the server relies on.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Row, Value, float};
use crate::limits::VALUE_DEPTH_MAX;

/// Appends a row and a line feed.
pub fn write_line(row: &Row, out: &mut Vec<u8>) {
    write_row(row, out);
    out.push(b'\n');
}

/// Appends a row as an object.
pub fn write_row(row: &Row, out: &mut Vec<u8>) {
    object(row, out, VALUE_DEPTH_MAX);
}

/// Appends a value. A stored query is `null`; rows that leave the engine hold none.
pub fn write_value(value: &Value, out: &mut Vec<u8>) {
    write(value, out, VALUE_DEPTH_MAX);
}

/// A value as JSON text.
#[must_use]
pub fn to_string(value: &Value) -> String {
    let mut out = Vec::new();
    write_value(value, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// A value as JSON with a line for each item and a blank in front for each level, as Velociraptor lays it out.
pub(crate) fn indented(value: &Value) -> Vec<u8> {
    let (mut compact, mut out) = (Vec::new(), Vec::new());
    write_value(value, &mut compact);
    let mut level = 0_usize;
    let (mut in_string, mut is_escaped) = (false, false);
    let mut before = 0;
    for byte in compact {
        if in_string {
            out.push(byte);
            in_string = byte != b'"' || is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            continue;
        }
        // Brackets come in pairs: no level is below 0.
        let is_end = matches!(byte, b'}' | b']');
        level = level.wrapping_sub(usize::from(is_end));
        // What is empty stays on its line.
        if matches!(before, b'{' | b'[') != is_end || before == b',' {
            out.push(b'\n');
            out.extend(core::iter::repeat_n(b' ', level));
        }
        level = level.wrapping_add(usize::from(matches!(byte, b'{' | b'[')));
        out.push(byte);
        if byte == b':' {
            out.push(b' ');
        }
        in_string = byte == b'"';
        before = byte;
    }
    out
}

/// Appends a string in quotes.
pub fn write_string(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            escape(letter, out);
        }
        // One for each byte, as Go writes it.
        chunk.invalid().iter().for_each(|_| out.extend_from_slice(b"\\ufffd"));
    }
    out.push(b'"');
}

/// A scalar as Velociraptor turns it into a string; others as JSON.
pub(crate) fn scalar_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => go_float(*number),
        Value::Str(text) => text.to_str_lossy().into_owned(),
        Value::Time(time) => format!("{time:#}"),
        Value::List(_) | Value::Dict(_) | Value::Query(_) | Value::Scope(_) => to_string(value),
    }
}

fn write(value: &Value, out: &mut Vec<u8>, levels: u16) {
    match value {
        Value::Null | Value::Query(_) | Value::Scope(_) => out.extend_from_slice(b"null"),
        Value::Bool(flag) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
        Value::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Float(number) => out.extend_from_slice(json_float(*number).as_bytes()),
        Value::Str(text) => write_string(text, out),
        Value::Time(time) => out.extend_from_slice(format!("\"{time}\"").as_bytes()),
        Value::List(_) | Value::Dict(_) if levels == 0 => out.extend_from_slice(b"null"),
        Value::List(list) => {
            out.push(b'[');
            for (at, item) in list.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write(item, out, levels.saturating_sub(1));
            }
            out.push(b']');
        }
        Value::Dict(dict) => object(dict, out, levels),
    }
}

fn object(row: &Row, out: &mut Vec<u8>, levels: u16) {
    out.push(b'{');
    for (at, (name, value)) in row.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_string(name, out);
        out.push(b':');
        write(value, out, levels.saturating_sub(1));
    }
    out.push(b'}');
}

fn escape(letter: char, out: &mut Vec<u8>) {
    match letter {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        // Both end a line in JavaScript.
        '\0'..='\u{1f}' | '\u{2028}' | '\u{2029}' => {
            out.extend_from_slice(format!("\\u{:04x}", u32::from(letter)).as_bytes());
        }
        other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// As Go's `encoding/json`: exponents below 1e-6 and from 1e21. JSON has no NaN and no infinity.
fn json_float(number: f64) -> String {
    if !number.is_finite() {
        return "null".to_string();
    }
    let size = number.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return float::plain(number);
    }
    let text = float::exponential(number, None);
    // Go writes the sign of every exponent.
    if size < 1.0 { text } else { text.replace('e', "e+") }
}

/// As Go's `%v`: exponents below 1e-4 and from 1e6, with two digits at least.
pub(crate) fn go_float(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_string();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_string();
    }
    let size = number.abs();
    if size == 0.0 || (1e-4..1e6).contains(&size) {
        return float::plain(number);
    }
    go_exponent(&float::exponential(number, None))
}

/// `1.5e-7` as `1.5e-07`.
pub(crate) fn go_exponent(text: &str) -> String {
    let Some((digits, exponent)) = text.split_once('e') else { return text.to_string() };
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
    format!("{digits}e{sign}{exponent:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::RowBuilder;

    #[test]
    fn numbers_print_as_in_go() {
        let cases = [
            (1.0, "1"),
            (-0.5, "-0.5"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e-7, "1.5e-7"),
            (0.000_001, "0.000001"),
            (f64::NAN, "null"),
            (f64::INFINITY, "null"),
        ];
        for (number, text) in cases {
            assert_eq!(json_float(number), text);
        }
        assert_eq!(go_float(0.000_01), "1e-05");
        assert_eq!(go_float(1e21), "1e+21");
    }

    #[test]
    fn strings_are_repaired_and_escaped() {
        let mut out = Vec::new();
        write_string(b"a\"\\\n\x01\xff\xc3\xa9\xe2\x80\xa8", &mut out);
        let wanted = "\"a\\\"\\\\\\n\\u0001\\ufffdé\\u2028\"";
        assert_eq!(String::from_utf8(out).as_deref(), Ok(wanted));
    }

    #[test]
    fn a_row_keeps_the_order_of_its_columns() {
        let mut row = RowBuilder::new();
        row.set("b", 1_i64).set("a", Value::Null).set("b", 2_i64);
        let mut out = Vec::new();
        write_line(&row.build(), &mut out);
        assert_eq!(out, b"{\"b\":2,\"a\":null}\n");
    }
}
