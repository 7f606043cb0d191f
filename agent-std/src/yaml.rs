//! YAML for serde: a parser's events become values without a tree in between.
//!
//! The agent reads two kinds of small files, and a reader for all of YAML is large. Left out, with an error that says so: tags
//! and aliases. What is wanted decides what a plain scalar is, so `nonce: 123` is a text where a text belongs.

use std::borrow::Cow;

use granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError, StrInput};
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Unexpected, Visitor};
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

/// What the parser met, less what does not matter here. Small, because serde makes a copy of all that handles it for each type.
enum Item<'de> {
    /// A scalar without quotes.
    Plain(Cow<'de, str>),
    /// A scalar that can only be a text.
    Text(Cow<'de, str>),
    Sequence,
    Mapping,
    /// The end of a collection or of a document.
    End,
    StreamEnd,
}

impl Item<'_> {
    #[inline(never)]
    fn instead_of(&self, wanted: &dyn de::Expected) -> YamlFault {
        let found = match self {
            Self::Plain(text) if is_null(text) => Unexpected::Unit,
            Self::Plain(text) | Self::Text(text) => Unexpected::Str(text),
            Self::Sequence => Unexpected::Seq,
            Self::Mapping => Unexpected::Map,
            Self::End | Self::StreamEnd => return missing(),
        };
        de::Error::invalid_type(found, wanted)
    }
}

impl<'de> Reader<'de> {
    fn document<T: Deserialize<'de>>(&mut self) -> Result<T, YamlFault> {
        let value = match self.item()? {
            Item::StreamEnd => return Err(de::Error::custom("nothing is in it")),
            item => T::deserialize(Node { item, reader: self })?,
        };
        match (self.item()?, self.item()?) {
            (Item::End, Item::StreamEnd) => Ok(value),
            _ => Err(de::Error::custom("a second document begins")),
        }
    }

    /// The next event that matters: the beginnings of stream and document do not, nor do comments.
    #[inline(never)]
    fn item(&mut self) -> Result<Item<'de>, YamlFault> {
        for next in self.parser.by_ref() {
            let (event, span) = next?;
            self.at = Some(span.start);
            return Ok(match event {
                Event::Alias(_) => return Err(de::Error::custom("aliases are not read")),
                Event::Scalar(.., Some(_))
                | Event::SequenceStart(.., Some(_))
                | Event::MappingStart(.., Some(_)) => {
                    return Err(de::Error::custom("tags are not read"));
                }
                Event::Scalar(text, ScalarStyle::Plain, ..) => Item::Plain(text),
                Event::Scalar(text, ..) => Item::Text(text),
                Event::SequenceStart(..) => Item::Sequence,
                Event::MappingStart(..) => Item::Mapping,
                Event::SequenceEnd | Event::MappingEnd | Event::DocumentEnd => Item::End,
                Event::StreamEnd => Item::StreamEnd,
                _ => continue,
            });
        }
        Ok(Item::StreamEnd)
    }

    /// Reads a collection; its visitor must take all of it.
    fn collection<T>(
        &mut self,
        read: impl FnOnce(&mut Entries<'_, 'de>) -> Result<T, YamlFault>,
    ) -> Result<T, YamlFault> {
        self.enter()?;
        let mut entries = Entries { reader: self, is_over: false };
        let value = read(&mut entries)?;
        let is_over = entries.is_over;
        self.leave(is_over)?;
        Ok(value)
    }

    /// Passes over a value whose first event was `item`.
    #[inline(never)]
    fn skip(&mut self, item: &Item<'de>) -> Result<(), YamlFault> {
        let mut open = usize::from(matches!(item, Item::Sequence | Item::Mapping));
        while open > 0 {
            match self.item()? {
                Item::Sequence | Item::Mapping => open += 1,
                Item::End => open -= 1,
                Item::StreamEnd => return Err(missing()),
                Item::Plain(_) | Item::Text(_) => {}
            }
        }
        Ok(())
    }

    #[inline(never)]
    fn enter(&mut self) -> Result<(), YamlFault> {
        if self.depth == YAML_DEPTH_MAX {
            return Err(de::Error::custom(format_args!("nested deeper than {YAML_DEPTH_MAX}")));
        }
        self.depth += 1;
        Ok(())
    }

    #[inline(never)]
    fn leave(&mut self, is_over: bool) -> Result<(), YamlFault> {
        if !is_over {
            return Err(de::Error::custom("more is here than belongs"));
        }
        self.depth -= 1;
        Ok(())
    }
}

/// A value whose first event has been read.
struct Node<'a, 'de> {
    item: Item<'de>,
    reader: &'a mut Reader<'de>,
}

impl<'de> Node<'_, 'de> {
    fn is_null(&self) -> bool {
        matches!(&self.item, Item::Plain(text) if is_null(text))
    }

    fn scalar<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, YamlFault> {
        match self.item {
            Item::Plain(text) => match Scalar::of(&text) {
                Scalar::Null => visitor.visit_unit(),
                Scalar::Bool(value) => visitor.visit_bool(value),
                Scalar::Signed(value) => visitor.visit_i64(value),
                Scalar::Unsigned(value) => visitor.visit_u64(value),
                Scalar::Float(value) => visitor.visit_f64(value),
                Scalar::Text => string(text, visitor),
            },
            Item::Text(text) => string(text, visitor),
            item => Err(item.instead_of(&visitor)),
        }
    }
}

/// Each type asks for what it is, so that serde makes no code for what it is not.
impl<'de> Deserializer<'de> for Node<'_, 'de> {
    type Error = YamlFault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, YamlFault> {
        match self.item {
            Item::Sequence => self.deserialize_seq(visitor),
            Item::Mapping => self.deserialize_map(visitor),
            _ => self.scalar(visitor),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, YamlFault> {
        match self.item {
            Item::Sequence => self.reader.collection(|entries| visitor.visit_seq(entries)),
            item => Err(item.instead_of(&visitor)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, YamlFault> {
        match self.item {
            Item::Mapping => self.reader.collection(|entries| visitor.visit_map(entries)),
            item => Err(item.instead_of(&visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, YamlFault> {
        self.deserialize_map(visitor)
    }

    /// `true` and `5` are texts too; nothing is none.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, YamlFault> {
        match self.item {
            Item::Plain(text) if !is_null(&text) => string(text, visitor),
            Item::Text(text) => string(text, visitor),
            item => Err(item.instead_of(&visitor)),
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

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, YamlFault> {
        self.reader.skip(&self.item)?;
        visitor.visit_unit()
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, YamlFault> {
        self.scalar(visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, YamlFault> {
        self.scalar(visitor)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 u8 u16 u32 f32 f64 char bytes byte_buf unit unit_struct
        newtype_struct tuple tuple_struct enum
    }
}

/// What is left of a sequence or mapping.
struct Entries<'a, 'de> {
    reader: &'a mut Reader<'de>,
    is_over: bool,
}

impl<'de> Entries<'_, 'de> {
    #[inline(never)]
    fn item(&mut self) -> Result<Option<Item<'de>>, YamlFault> {
        let item = self.reader.item()?;
        self.is_over = matches!(item, Item::End);
        Ok(if self.is_over { None } else { Some(item) })
    }

    fn next<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, YamlFault> {
        match self.item()? {
            None => Ok(None),
            Some(item) => seed.deserialize(Node { item, reader: self.reader }).map(Some),
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
        self.next(seed)?.ok_or_else(missing)
    }
}

fn missing() -> YamlFault {
    de::Error::custom("a value is missing")
}

/// What a scalar without quotes is where anything may stand.
enum Scalar {
    Null,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Text,
}

impl Scalar {
    /// The rules of YAML 1.2.2, section 10.3.2, less octal and infinite numbers.
    fn of(text: &str) -> Self {
        match text {
            null if is_null(null) => return Self::Null,
            "true" | "True" | "TRUE" => return Self::Bool(true),
            "false" | "False" | "FALSE" => return Self::Bool(false),
            _ => {}
        }
        // Rust reads `inf` and `nan` as numbers; here they are words.
        let is_word = |letter: char| letter.is_ascii_alphabetic() && !matches!(letter, 'e' | 'E');
        if text.contains(is_word) {
            return Self::Text;
        }
        let signed = text.parse().map(Self::Signed);
        let number = signed.or_else(|_| text.parse().map(Self::Unsigned));
        number.or_else(|_| text.parse().map(Self::Float)).unwrap_or(Self::Text)
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
