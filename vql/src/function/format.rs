//! `format()`: text by a template, with the verbs of Go's `fmt`.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::encode::hex;
use crate::args::Args;
use crate::budget::{Fault, Limit, Stop};
use crate::context::Context;
use crate::engine::Scope;
use crate::registry::{Arg, Function, Kind};
use crate::value::json::{go_exponent, scalar_text};
use crate::value::{Text, Time, Value, float, operators};

pub(super) static FORMAT: Function = Function::new(
    "format",
    "Fills a template: `%v` any value, `%d` a whole number, `%s` text, `%x` hexadecimal, `%T` the kind.",
    &[
        Arg::required("format", Kind::String, "The template."),
        Arg::optional("args", Kind::Resolved, "The values, a list or a single one."),
    ],
    fill,
);

fn fill(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let template = args.text("format").cloned().unwrap_or_default();
    filled(cx, &template, args.value("args")).map(Value::from)
}

/// Fills a template with a list of values, or with a single one.
pub fn filled(cx: &Context, template: &Text, values: Option<&Value>) -> Result<Vec<u8>, Fault> {
    let single;
    let values: &[Value] = match values {
        None => &[],
        Some(Value::List(list)) => list,
        Some(other) => {
            single = [other.clone()];
            &single
        }
    };
    let mut out = Vec::with_capacity(template.len());
    let mut values = values.iter();
    let mut rest = template.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        let (directive, after) = Directive::parse(rest, &mut values);
        rest = after;
        directive.write(&mut values, &mut out);
        let max = cx.budget.value_bytes;
        if out.len() > max {
            return Err(Stop::from(Limit::ValueBytes(max)).into());
        }
    }
    extra(values.as_slice(), &mut out);
    Ok(out)
}

/// Go says so when values are left over.
fn extra(values: &[Value], out: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    out.extend_from_slice(b"%!(EXTRA ");
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            out.extend_from_slice(b", ");
        }
        let value = alone(value);
        out.extend_from_slice(value.type_name().as_bytes());
        out.push(b'=');
        out.extend_from_slice(&printed(&value));
    }
    out.push(b')');
}

/// A value as it is printed when no list holds it: of a time the original makes a text of whole seconds.
pub fn alone(value: &Value) -> Value {
    match value {
        Value::Time(time) => Value::from(Time::from_seconds(time.seconds()).to_string()),
        other => other.clone(),
    }
}

/// Lists within lists that are written element by element; deeper ones are written as JSON.
const LIST_LEVELS: u16 = 16;

/// Widths above this are ignored: no table is that wide, but memory would be.
const WIDTH_MAX: usize = 1_000;

/// One `%…` of a template.
#[derive(Default)]
struct Directive {
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
    verb: Option<char>,
}

impl Directive {
    fn parse<'a>(text: &'a [u8], values: &mut core::slice::Iter<'_, Value>) -> (Self, &'a [u8]) {
        let mut directive = Self::default();
        let mut rest = text;
        while let Some((flag, after)) = rest.split_first() {
            match flag {
                b'-' => directive.minus = true,
                b'+' => directive.plus = true,
                b'#' => directive.sharp = true,
                b' ' => directive.space = true,
                b'0' => directive.zero = true,
                _ => break,
            }
            rest = after;
        }
        let (width, after) = count(rest, values);
        directive.width = width.unwrap_or(0);
        rest = after;
        if let Some((b'.', after)) = rest.split_first() {
            let (precision, after) = count(after, values);
            directive.precision = Some(precision.unwrap_or(0));
            rest = after;
        }
        let verb = rest.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next());
        directive.verb = verb;
        let used = verb.map_or(usize::from(!rest.is_empty()), char::len_utf8);
        (directive, rest.get(used..).unwrap_or(&[]))
    }

    fn write(&self, values: &mut core::slice::Iter<'_, Value>, out: &mut Vec<u8>) {
        let Some(verb) = self.verb else {
            out.extend_from_slice(b"%!(NOVERB)");
            return;
        };
        if verb == '%' {
            out.push(b'%');
            return;
        }
        let Some(value) = values.next().map(alone) else {
            out.extend_from_slice(format!("%!{verb}(MISSING)").as_bytes());
            return;
        };
        self.one(verb, &value, LIST_LEVELS, out);
    }

    /// Writes a value; the elements of a list each with all flags, as Go does.
    fn one(&self, verb: char, value: &Value, levels: u16, out: &mut Vec<u8>) {
        if let Value::List(list) = value
            && verb != 'T'
            && let Some(levels) = levels.checked_sub(1)
        {
            out.push(b'[');
            for (at, element) in list.iter().enumerate() {
                if at > 0 {
                    out.push(b' ');
                }
                self.one(verb, element, levels, out);
            }
            out.push(b']');
            return;
        }
        match self.text(verb, value) {
            // Go pads the members of a structure, and this one has none.
            Some(text) if value.is_null() && text == b"{}" => out.extend_from_slice(&text),
            Some(text) => self.pad(&text, out),
            None => {
                out.extend_from_slice(format!("%!{verb}({}=", value.type_name()).as_bytes());
                self.one('v', value, 0, out);
                out.push(b')');
            }
        }
    }

    fn text(&self, verb: char, value: &Value) -> Option<Vec<u8>> {
        Some(match (verb, value) {
            ('T', _) => value.type_name().as_bytes().to_vec(),
            // Go sees a structure without members that prints itself.
            ('v' | 's' | 'q' | 'x' | 'X', Value::Null) => {
                return self.text(verb, &Value::from("Null"));
            }
            (_, Value::Null) => b"{}".to_vec(),
            ('v' | 's', Value::Str(text)) => self.cut(text).to_vec(),
            ('v', Value::Int(number)) => self.integer(*number, "").into_bytes(),
            ('v' | 's' | 'q' | 'x' | 'X', Value::Time(_)) | ('q' | 'x' | 'X', Value::Dict(_)) => {
                return self.text(verb, &Value::from(scalar_text(value)));
            }
            ('v', _) | ('s', Value::Dict(_)) => scalar_text(value).into_bytes(),
            ('q', Value::Str(text)) => {
                let mut quoted = Vec::new();
                crate::value::json::write_string(self.cut(text), &mut quoted);
                quoted
            }
            ('x' | 'X', Value::Str(text)) => self.cased(verb, hex(text)).into_bytes(),
            ('x' | 'X', Value::Int(number)) => {
                let digits = digits(number.unsigned_abs(), 16);
                let prefix = if self.sharp { "0x" } else { "" };
                self.cased(verb, self.signed(*number < 0, prefix, &digits)).into_bytes()
            }
            ('d', Value::Int(number)) => self.integer(*number, "").into_bytes(),
            ('o', Value::Int(number)) => {
                let digits = digits(number.unsigned_abs(), 8);
                self.signed(*number < 0, if self.sharp { "0" } else { "" }, &digits).into_bytes()
            }
            ('b', Value::Int(number)) => {
                let digits = digits(number.unsigned_abs(), 2);
                self.signed(*number < 0, "", &digits).into_bytes()
            }
            ('c', Value::Int(number)) => {
                let letter = u32::try_from(*number).ok().and_then(char::from_u32);
                letter.unwrap_or('\u{fffd}').to_string().into_bytes()
            }
            ('U', Value::Int(number)) => format!("U+{number:04X}").into_bytes(),
            ('t', Value::Bool(flag)) => flag.to_string().into_bytes(),
            ('f' | 'F' | 'e' | 'E' | 'g' | 'G', Value::Float(number)) => {
                self.float(verb, *number).into_bytes()
            }
            _ => return None,
        })
    }

    fn integer(&self, number: i64, prefix: &str) -> String {
        self.signed(number < 0, prefix, &number.unsigned_abs().to_string())
    }

    fn signed(&self, is_negative: bool, prefix: &str, digits: &str) -> String {
        let sign = match (is_negative, self.plus, self.space) {
            (true, _, _) => "-",
            (false, true, _) => "+",
            (false, false, true) => " ",
            (false, false, false) => "",
        };
        let taken = sign.len().saturating_add(prefix.len());
        let least = match self.precision {
            Some(precision) => precision,
            None if self.zero && !self.minus => self.width.saturating_sub(taken),
            None => 0,
        };
        format!("{sign}{prefix}{digits:0>least$}")
    }

    fn float(&self, verb: char, number: f64) -> String {
        let size = number.abs();
        let digits = match (verb.to_ascii_lowercase(), self.precision) {
            _ if !number.is_finite() => scalar_text(&Value::Float(number)),
            ('f', precision) => float::fixed(size, precision.unwrap_or(6)),
            ('e', precision) => {
                let precision = precision.unwrap_or(6);
                go_exponent(&float::exponential(size, Some(precision)))
            }
            _ => scalar_text(&Value::Float(size)),
        };
        let text = Self { precision: None, ..self.sign_only() }.signed(number < 0.0, "", &digits);
        self.cased(verb, text)
    }

    /// The flags that place a sign and leading zeros.
    fn sign_only(&self) -> Self {
        let Self { minus, plus, space, zero, width, .. } = *self;
        Self { minus, plus, space, zero, width, ..Self::default() }
    }

    fn cased(&self, verb: char, text: String) -> String {
        if verb.is_ascii_uppercase() { text.to_ascii_uppercase() } else { text }
    }

    /// The precision of a string counts characters.
    fn cut<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        let Some(max) = self.precision else { return text };
        let whole = String::from_utf8_lossy(text);
        let bytes: usize = whole.chars().take(max).map(char::len_utf8).sum();
        text.get(..bytes).unwrap_or(text)
    }

    fn pad(&self, text: &[u8], out: &mut Vec<u8>) {
        let letters = String::from_utf8_lossy(text).chars().count();
        // Go also puts zeros before what is no number.
        let filler = if self.zero && !self.minus { b'0' } else { b' ' };
        let filling = alloc::vec![filler; self.width.saturating_sub(letters)];
        let (before, after) = if self.minus { (&[][..], &*filling) } else { (&*filling, &[][..]) };
        out.extend_from_slice(before);
        out.extend_from_slice(text);
        out.extend_from_slice(after);
    }
}

/// A number in another base, in lower case.
fn digits(mut number: u64, base: u32) -> String {
    let mut reversed = Vec::new();
    loop {
        let digit = number.checked_rem(base.into()).and_then(|digit| u32::try_from(digit).ok());
        reversed.extend(digit.and_then(|digit| char::from_digit(digit, base)));
        number = number.checked_div(base.into()).unwrap_or(0);
        if number == 0 {
            return reversed.into_iter().rev().collect();
        }
    }
}

/// A number in the template, or `*` for the next value.
fn count<'a>(
    text: &'a [u8],
    values: &mut core::slice::Iter<'_, Value>,
) -> (Option<usize>, &'a [u8]) {
    if let Some((b'*', after)) = text.split_first() {
        let number = values.next().and_then(operators::number).map(operators::truncated);
        let number = number.and_then(|number| usize::try_from(number).ok());
        return (number.filter(|number| *number <= WIDTH_MAX), after);
    }
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, after) = text.split_at_checked(length).unwrap_or((&[], text));
    let number = str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    (number.filter(|number| *number <= WIDTH_MAX), after)
}

/// A value as `%v` prints it: a dict as JSON, a list as its elements in brackets.
pub fn printed(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    Directive::default().one('v', value, LIST_LEVELS, &mut out);
    out
}
