//! YAML for serde: a parser's events become values without a tree in between.
//!
//! The agent reads two kinds of small files, and a reader for all of YAML is large. Left out, with an error that says so: tags
//! and aliases. What is wanted decides what a plain scalar is, so `nonce: 123` is a text where a text belongs.

use std::borrow::Cow;

use granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError, StrInput};
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use thiserror::Error;

use crate::limits::YAML_DEPTH_MAX;

/// What is wrong with a text, and where.
#[derive(Debug, Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct YamlFault {
    /// Counted from 1; 0 when unknown.
    pub line: usize,
    /// Counted from 1; 0 when unknown.
    pub column: usize,
    /// What is wrong.
    pub problem: String,
}

/// Reads one document.
///
/// # Errors
///
/// [`YamlFault`] points at the key or value that cannot be used.
pub fn from_str<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, YamlFault> {
    let mut reader = Reader { parser: Parser::new_from_str(text), at: None, depth: 0 };
    reader.document().map_err(|fault| fault.or_at(reader.at))
}

struct Reader<'de> {
    parser: Parser<'de, StrInput<'de>>,
    /// Where the last event began.
    at: Option<Marker>,
    /// Collections around it.
    depth: usize,
}

impl<'de> Reader<'de> {
    fn document<T: Deserialize<'de>>(&mut self) -> Result<T, YamlFault> {
        let value = match self.event()? {
            Event::StreamEnd => return Err(de::Error::custom("nothing is in it")),
            event => T::deserialize(Node { event, reader: self })?,
        };
        match (self.event()?, self.event()?) {
            (Event::DocumentEnd, Event::StreamEnd) => Ok(value),
            _ => Err(de::Error::custom("a second document begins")),
        }
    }

    /// The next event that matters: the beginnings of stream and document do not, nor do comments.
    fn event(&mut self) -> Result<Event<'de>, YamlFault> {
        for next in self.parser.by_ref() {
            let (event, span) = next?;
            self.at = Some(span.start);
            match event {
                Event::Alias(_) => return Err(de::Error::custom("aliases are not read")),
                Event::Scalar(.., Some(_))
                | Event::SequenceStart(.., Some(_))
                | Event::MappingStart(.., Some(_)) => {
                    return Err(de::Error::custom("tags are not read"));
                }
                Event::Scalar(..)
                | Event::SequenceStart(..)
                | Event::SequenceEnd
                | Event::MappingStart(..)
                | Event::MappingEnd
                | Event::DocumentEnd
                | Event::StreamEnd => return Ok(event),
                _ => {}
            }
        }
        Ok(Event::StreamEnd)
    }

    /// Reads a collection; its visitor must take all of it.
    fn collection<T>(
        &mut self,
        read: impl FnOnce(&mut Entries<'_, 'de>) -> Result<T, YamlFault>,
    ) -> Result<T, YamlFault> {
        if self.depth == YAML_DEPTH_MAX {
            return Err(de::Error::custom(format_args!("nested deeper than {YAML_DEPTH_MAX}")));
        }
        self.depth += 1;
        let mut entries = Entries { reader: self, is_over: false };
        let value = read(&mut entries)?;
        if !entries.is_over {
            return Err(de::Error::custom("more is here than belongs"));
        }
        self.depth -= 1;
        Ok(value)
    }
}

/// A value whose first event has been read.
struct Node<'a, 'de> {
    event: Event<'de>,
    reader: &'a mut Reader<'de>,
}

impl Node<'_, '_> {
    fn is_null(&self) -> bool {
        matches!(&self.event, Event::Scalar(text, ScalarStyle::Plain, ..) if is_null(text))
    }
}

impl<'de> Deserializer<'de> for Node<'_, 'de> {
    type Error = YamlFault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, YamlFault> {
        match self.event {
            Event::Scalar(text, ScalarStyle::Plain, ..) => plain(text, visitor),
            Event::Scalar(text, ..) => string(text, visitor),
            Event::SequenceStart(..) => {
                self.reader.collection(|entries| visitor.visit_seq(entries))
            }
            Event::MappingStart(..) => self.reader.collection(|entries| visitor.visit_map(entries)),
            _ => Err(de::Error::custom("a value is missing")),
        }
    }

    /// `true` and `5` are texts too; nothing is none.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, YamlFault> {
        match self.event {
            Event::Scalar(text, ..) if !self.is_null() => string(text, visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, YamlFault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, YamlFault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, YamlFault> {
        if self.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum ignored_any
    }
}

/// What is left of a sequence or mapping.
struct Entries<'a, 'de> {
    reader: &'a mut Reader<'de>,
    is_over: bool,
}

impl<'de> Entries<'_, 'de> {
    fn next<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, YamlFault> {
        match self.reader.event()? {
            Event::SequenceEnd | Event::MappingEnd => {
                self.is_over = true;
                Ok(None)
            }
            event => seed.deserialize(Node { event, reader: self.reader }).map(Some),
        }
    }
}

impl<'de> SeqAccess<'de> for &mut Entries<'_, 'de> {
    type Error = YamlFault;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, YamlFault> {
        self.next(seed)
    }
}

impl<'de> MapAccess<'de> for &mut Entries<'_, 'de> {
    type Error = YamlFault;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, YamlFault> {
        self.next(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, YamlFault> {
        self.next(seed)?.ok_or_else(|| de::Error::custom("a value is missing"))
    }
}

/// A scalar without quotes where anything may stand (YAML 1.2.2, section 10.3.2, less octal and infinite numbers).
fn plain<'de, V: Visitor<'de>>(text: Cow<'de, str>, visitor: V) -> Result<V::Value, YamlFault> {
    match text.as_ref() {
        null if is_null(null) => return visitor.visit_unit(),
        "true" | "True" | "TRUE" => return visitor.visit_bool(true),
        "false" | "False" | "FALSE" => return visitor.visit_bool(false),
        _ => {}
    }
    // Rust reads `inf` and `nan` as numbers; here they are words.
    if text.contains(|letter: char| letter.is_ascii_alphabetic() && !matches!(letter, 'e' | 'E')) {
        return string(text, visitor);
    }
    if let Ok(number) = text.parse() {
        visitor.visit_i64(number)
    } else if let Ok(number) = text.parse() {
        visitor.visit_u64(number)
    } else if let Ok(number) = text.parse() {
        visitor.visit_f64(number)
    } else {
        string(text, visitor)
    }
}

fn string<'de, V: Visitor<'de>>(text: Cow<'de, str>, visitor: V) -> Result<V::Value, YamlFault> {
    match text {
        Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
        Cow::Owned(text) => visitor.visit_string(text),
    }
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

impl YamlFault {
    /// At this place, unless another is known.
    fn or_at(self, at: Option<Marker>) -> Self {
        match at {
            Some(at) if self.line == 0 => {
                Self { line: at.line(), column: at.col() + 1, problem: self.problem }
            }
            _ => self,
        }
    }
}

impl de::Error for YamlFault {
    fn custom<T: std::fmt::Display>(problem: T) -> Self {
        Self { line: 0, column: 0, problem: problem.to_string() }
    }
}

impl From<ScanError> for YamlFault {
    fn from(error: ScanError) -> Self {
        let at = error.marker();
        Self { line: at.line(), column: at.col() + 1, problem: error.info() }
    }
}
