//! Profiles: the layout of structures as the author of a query writes it.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::super::json;
use crate::budget::{Failure, Fault};
use crate::engine::Closure;
use crate::limits::{BINARY_ARRAY_LEN_DEFAULT, BINARY_STRING_LEN_DEFAULT, BINARY_TYPE_NESTING_MAX};
use crate::syntax::parse_lambda;
use crate::value::{Dict, Text, Value};

/// Structures by name.
pub(super) struct Profile {
    structs: BTreeMap<Text, Struct>,
    /// Whether a lambda asks where something is.
    pub(super) asks_for_places: bool,
}

/// One structure.
pub(super) struct Struct {
    pub(super) size: Amount,
    pub(super) fields: Vec<Field>,
}

/// A part of a structure.
pub(super) struct Field {
    pub(super) name: Text,
    pub(super) offset: Amount,
    pub(super) kind: Type,
    /// Positions of the fields that its lambdas name.
    pub(super) needs: Vec<usize>,
}

/// Something that a profile gives, or computes from the structure.
pub(super) enum Amount {
    Fixed(Value),
    Computed(Arc<Closure>),
}

impl Amount {
    /// Whether it is computed.
    pub(super) const fn asks_for_fields(&self) -> bool {
        matches!(self, Self::Computed(_))
    }
}

/// How bytes become a value.
pub(super) enum Type {
    Int { width: usize, signed: bool, big: bool },
    Float { width: usize, big: bool },
    Leb128,
    String { length: Option<Amount>, term: Vec<u8>, wide: bool },
    Value(Amount),
    Array { of: Box<Self>, count: Amount, max: usize, sentinel: Option<Arc<Closure>> },
    BitField { of: Box<Self>, start: u32, end: u32 },
    Enumeration { of: Box<Self>, choices: BTreeMap<i64, Value> },
    Flags { of: Box<Self>, bits: Vec<(Text, u32)> },
    Timestamp { of: Box<Self>, per_second: i64, epoch: i64 },
    FatTimestamp,
    Union { selector: Amount, choices: Vec<(Text, Self)> },
    Pointer(Box<Self>),
    Profile { of: Box<Self>, offset: Amount },
    Struct(Text),
}

/// Seconds between 1601 and 1970.
const WINDOWS_EPOCH: i64 = 11_644_473_600;

/// What lambdas may ask for besides fields.
pub(super) const PLACES: [&str; 4] = ["SizeOf", "StartOf", "EndOf", "ParentOf"];

impl Profile {
    /// Reads a profile. Commas before a closing bracket, comments and line ends in texts are forgiven, since people
    /// write profiles by hand.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Fault> {
        let asks_for_places = PLACES
            .iter()
            .any(|place| text.windows(place.len()).any(|part| part == place.as_bytes()));
        let value = json::parse(&relaxed(text))
            .map_err(|fault| Fault::error(format!("profile is no JSON: {}", reason(&fault))))?;
        let mut profile = Self { structs: BTreeMap::new(), asks_for_places };
        let list = value.as_list().ok_or_else(|| Fault::error("profile should be a list"))?;
        for one in list.iter() {
            let parts = one.as_list().map_or(&[][..], |list| list);
            let [Value::Str(name), size, fields, ..] = parts else {
                return Err(Fault::error("a structure should be [name, size, fields]"));
            };
            let fields = fields.as_list().map_or(&[][..], |list| list);
            profile.structs.insert(name.clone(), structure(name, size, fields)?);
        }
        for (name, one) in &profile.structs {
            for field in &one.fields {
                profile.check(name, field, &field.kind)?;
            }
        }
        Ok(profile)
    }

    /// The type of a name.
    pub(super) fn named(&self, name: &Text) -> Result<Type, Fault> {
        let kind = plain(name).unwrap_or_else(|| Type::Struct(name.clone()));
        match &kind {
            Type::Struct(name) if !self.structs.contains_key(name) => {
                Err(Fault::error(format!("profile has no structure {name}")))
            }
            _ => Ok(kind),
        }
    }

    /// A structure; all names that fields use exist.
    pub(super) fn structure(&self, name: &Text) -> Option<&Struct> {
        self.structs.get(name)
    }

    fn check(&self, owner: &Text, field: &Field, kind: &Type) -> Result<(), Fault> {
        match kind {
            Type::Struct(name) if !self.structs.contains_key(name) => {
                Err(Fault::error(format!("{owner}.{}: unknown type {name}", field.name)))
            }
            Type::Array { of, .. }
            | Type::BitField { of, .. }
            | Type::Enumeration { of, .. }
            | Type::Flags { of, .. }
            | Type::Timestamp { of, .. }
            | Type::Profile { of, .. }
            | Type::Pointer(of) => self.check(owner, field, of),
            Type::Union { choices, .. } => {
                choices.iter().try_for_each(|(_, kind)| self.check(owner, field, kind))
            }
            _ => Ok(()),
        }
    }
}

fn reason(fault: &Fault) -> String {
    match fault.failure() {
        Failure::Log(_, text) => text.clone(),
        Failure::Stop(stop) => format!("{stop}"),
    }
}

fn structure(name: &Text, size: &Value, fields: &[Value]) -> Result<Struct, Fault> {
    let names: Vec<Text> =
        fields.iter().filter_map(|field| field.as_list()?.first()?.as_text().cloned()).collect();
    let mut parsed = Vec::new();
    for field in fields {
        let parts = field.as_list().map_or(&[][..], |list| list);
        let [Value::Str(own), offset, Value::Str(kind), rest @ ..] = parts else {
            let text = format!("a field of {name} should be [name, offset, type, options]");
            return Err(Fault::error(text));
        };
        let empty = Dict::empty();
        let options = rest.first().and_then(Value::as_dict).unwrap_or(&empty);
        let within = |fault: Fault| match fault.into_failure() {
            Failure::Log(level, text) => Fault::log(level, format!("{name}.{own}: {text}")),
            Failure::Stop(stop) => stop.into(),
        };
        parsed.push(Field {
            name: own.clone(),
            offset: amount(offset).map_err(within)?,
            kind: with_options(kind, options, 0).map_err(within)?,
            needs: needed(&names, own, field),
        });
    }
    Ok(Struct { size: amount(size)?, fields: parsed })
}

/// The fields whose names stand in a lambda of `field`.
fn needed(names: &[Text], own: &Text, field: &Value) -> Vec<usize> {
    let mut texts = Vec::new();
    lambdas(field, &mut texts);
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let is_named = |name: &Text| {
        texts.iter().any(|text| text.split(|byte| !is_word(byte)).any(|word| *word == **name))
            || (!name.iter().all(is_word)
                && texts.iter().any(|text| text.windows(name.len().max(1)).any(|at| *at == **name)))
    };
    let wanted = names.iter().enumerate().filter(|(_, name)| *name != own && is_named(name));
    wanted.map(|(at, _)| at).collect()
}

fn lambdas<'a>(value: &'a Value, texts: &mut Vec<&'a [u8]>) {
    match value {
        Value::Str(text) if is_lambda(text) => texts.push(text),
        Value::List(list) => list.iter().for_each(|one| lambdas(one, texts)),
        Value::Dict(dict) => dict.values().iter().for_each(|one| lambdas(one, texts)),
        _ => {}
    }
}

fn is_lambda(text: &[u8]) -> bool {
    text.windows(2).any(|pair| pair == b"=>")
}

fn amount(value: &Value) -> Result<Amount, Fault> {
    match value {
        Value::Str(text) if is_lambda(text) => Ok(Amount::Computed(closure(text)?)),
        other => Ok(Amount::Fixed(other.clone())),
    }
}

fn closure(text: &Text) -> Result<Arc<Closure>, Fault> {
    let lambda = parse_lambda(text).map_err(|why| Fault::error(format!("{text}: {why}")))?;
    Ok(Arc::new(Closure::new(lambda)))
}

/// The types that need no options.
fn plain(name: &[u8]) -> Option<Type> {
    let int = |width, signed, big| Some(Type::Int { width, signed, big });
    match name {
        b"int8" => int(1, true, false),
        b"uint8" | b"byte" => int(1, false, false),
        b"int16" => int(2, true, false),
        b"uint16" => int(2, false, false),
        b"int32" => int(4, true, false),
        b"uint32" => int(4, false, false),
        b"int64" => int(8, true, false),
        b"uint64" => int(8, false, false),
        b"int16b" => int(2, true, true),
        b"uint16b" => int(2, false, true),
        b"int32b" => int(4, true, true),
        b"uint32b" => int(4, false, true),
        b"int64b" => int(8, true, true),
        b"uint64b" => int(8, false, true),
        b"float32" => Some(Type::Float { width: 4, big: false }),
        b"float64" => Some(Type::Float { width: 8, big: false }),
        b"float32b" => Some(Type::Float { width: 4, big: true }),
        b"float64b" => Some(Type::Float { width: 8, big: true }),
        b"leb128" => Some(Type::Leb128),
        b"FatTimestamp" => Some(Type::FatTimestamp),
        _ => None,
    }
}

fn with_options(name: &Text, options: &Dict, depth: u16) -> Result<Type, Fault> {
    if depth > BINARY_TYPE_NESTING_MAX {
        return Err(Fault::error(format!(
            "types are nested more than {BINARY_TYPE_NESTING_MAX} times"
        )));
    }
    if let Some(plain) = plain(name) {
        return Ok(plain);
    }
    let of = |default: &'static str| inner(options, default, depth);
    let timestamp = |default, per_second, epoch| -> Result<Type, Fault> {
        let per_second = int(options, "factor").unwrap_or(per_second).max(1);
        Ok(Type::Timestamp { of: of(default)?, per_second, epoch })
    };
    Ok(match name.as_bytes() {
        b"String" => string(options)?,
        b"Value" => Type::Value(required(options, "value")?),
        b"Array" => array(of("uint8")?, options)?,
        b"BitField" => bit_field(of("uint8")?, options),
        b"Enumeration" => Type::Enumeration { of: of("uint8")?, choices: choices(options) },
        b"Flags" => Type::Flags { of: of("uint8")?, bits: bits(options) },
        b"Timestamp" => timestamp("uint32", 1, 0)?,
        b"WinFileTime" => timestamp("uint64", 10_000_000, WINDOWS_EPOCH)?,
        b"Union" => union(options, depth)?,
        b"Pointer" => Type::Pointer(of("uint8")?),
        b"Profile" => Type::Profile { of: of("uint8")?, offset: required(options, "offset")? },
        _ => Type::Struct(name.clone()),
    })
}

/// The type that another one is made of.
fn inner(options: &Dict, default: &'static str, depth: u16) -> Result<Box<Type>, Fault> {
    let name = match options.get(b"type") {
        Some(Value::Str(name)) => name.clone(),
        _ => Text::fixed(default),
    };
    let empty = Dict::empty();
    let options = options.get(b"type_options").and_then(Value::as_dict).unwrap_or(&empty);
    Ok(Box::new(with_options(&name, options, depth.saturating_add(1))?))
}

fn int(options: &Dict, name: &str) -> Option<i64> {
    if let Some(Value::Int(number)) = options.get(name.as_bytes()) { Some(*number) } else { None }
}

fn array(of: Box<Type>, options: &Dict) -> Result<Type, Fault> {
    let max = int(options, "max_count").and_then(|max| usize::try_from(max).ok());
    let sentinel = match options.get(b"sentinel") {
        Some(Value::Str(text)) => Some(closure(text)?),
        _ => None,
    };
    let count = required(options, "count")?;
    Ok(Type::Array { of, count, max: max.unwrap_or(BINARY_ARRAY_LEN_DEFAULT), sentinel })
}

fn bit_field(of: Box<Type>, options: &Dict) -> Type {
    let bit = |name, default| {
        let bit = int(options, name).and_then(|bit| u32::try_from(bit).ok());
        bit.unwrap_or(default).min(64)
    };
    Type::BitField { of, start: bit("start_bit", 0), end: bit("end_bit", 64) }
}

fn union(options: &Dict, depth: u16) -> Result<Type, Fault> {
    let selector = required(options, "selector")?;
    let Some(Value::Dict(dict)) = options.get(b"choices") else {
        return Err(Fault::error("option choices is missing"));
    };
    let named = dict.iter().filter_map(|(key, value)| Some((key, value.as_text()?)));
    let choices = named.map(|(key, kind)| {
        let kind = with_options(kind, &Dict::empty(), depth.saturating_add(1))?;
        Ok((key.clone(), kind))
    });
    Ok(Type::Union { selector, choices: choices.collect::<Result<_, Fault>>()? })
}

fn required(options: &Dict, name: &str) -> Result<Amount, Fault> {
    let given = options.get(name.as_bytes());
    amount(given.ok_or_else(|| Fault::error(format!("option {name} is missing")))?)
}

fn string(options: &Dict) -> Result<Type, Fault> {
    let wide = matches!(options.get(b"encoding"), Some(Value::Str(name)) if *name == *"utf16");
    let hex = |text: &Text| {
        let digits = |pair: &[u8]| u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok();
        text.chunks(2).map(digits).collect::<Option<Vec<u8>>>()
    };
    let term = match (options.get(b"term"), options.get(b"term_hex")) {
        (_, Some(Value::Str(text))) => {
            hex(text).ok_or_else(|| Fault::error("term_hex should be hexadecimal digits"))?
        }
        (Some(Value::Str(text)), _) => text.to_vec(),
        _ if wide => alloc::vec![0, 0],
        _ => alloc::vec![0],
    };
    let length = options.get(b"length").or_else(|| options.get(b"max_length"));
    let length = length.map(amount).transpose()?;
    Ok(Type::String { length, term, wide })
}

/// The length of a text whose profile gives none.
pub(super) const STRING_LEN: i64 = BINARY_STRING_LEN_DEFAULT;

fn choices(options: &Dict) -> BTreeMap<i64, Value> {
    let mut out = BTreeMap::new();
    if let Some(Value::Dict(dict)) = options.get(b"choices") {
        let named = |(key, value): (&Text, &Value)| Some((number(key)?, value.clone()));
        out.extend(dict.iter().filter_map(named));
    }
    if let Some(Value::Dict(dict)) = options.get(b"map") {
        for (name, value) in dict.iter() {
            if let Value::Int(number) = value {
                out.insert(*number, Value::Str(name.clone()));
            }
        }
    }
    out
}

fn number(text: &Text) -> Option<i64> {
    let text = core::str::from_utf8(text).ok()?;
    match text.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

fn bits(options: &Dict) -> Vec<(Text, u32)> {
    let Some(Value::Dict(dict)) = options.get(b"bitmap") else { return Vec::new() };
    let bit =
        |value: &Value| if let Value::Int(bit) = value { u32::try_from(*bit).ok() } else { None };
    dict.iter().filter_map(|(name, value)| Some((name.clone(), bit(value)?))).collect()
}

/// JSON without the liberties that profiles take.
fn relaxed(text: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {
                out.push(b'"');
                while let Some(inside) = bytes.next() {
                    match inside {
                        b'\n' => out.extend_from_slice(b"\\n"),
                        b'\r' => out.extend_from_slice(b"\\r"),
                        b'\t' => out.extend_from_slice(b"\\t"),
                        b'\\' => {
                            out.push(b'\\');
                            out.extend(bytes.next());
                        }
                        other => out.push(other),
                    }
                    if inside == b'"' {
                        break;
                    }
                }
            }
            b'#' => while bytes.next_if(|next| *next != b'\n').is_some() {},
            b'/' if bytes.peek() == Some(&b'/') => {
                while bytes.next_if(|next| *next != b'\n').is_some() {}
            }
            b']' | b'}' => {
                let is_blank = |byte: &u8| byte.is_ascii_whitespace();
                let end = out.iter().rposition(|byte| !is_blank(byte));
                if let Some(at) = end.filter(|at| out.get(*at) == Some(&b',')) {
                    out.truncate(at);
                }
                out.push(byte);
            }
            other => out.push(other),
        }
    }
    out
}
