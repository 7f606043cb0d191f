//! What a query computes with.

pub(crate) mod float;
pub mod json;
mod list;
pub(crate) mod number;
pub(crate) mod operators;
mod row;
mod text;
mod time;

use alloc::string::String;
use alloc::vec::Vec;

pub use list::{List, Measure};
pub use row::{Columns, Dict, Row, RowBuilder};
pub(crate) use text::KNOWS_PATHS;
pub use text::{PathForm, Text};
pub use time::{Instant, Now, Time};

use crate::engine::{Scope, StoredQuery};

/// A value. Cheap to clone; `Send + Sync`, so a query can run on any thread.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// Nothing: a missing column, a failed function.
    #[default]
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number. Arithmetic wraps around as it does in Velociraptor.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// A byte string.
    Str(Text),
    /// A point in time.
    Time(Time),
    /// A list.
    List(List),
    /// An ordered dict.
    Dict(Dict),
    /// A query that runs when its rows are asked for, in the scope of whoever asks.
    Query(StoredQuery),
    /// All variables that were visible at some place: the value of `scope()`.
    Scope(Scope),
}

impl Value {
    /// The name that error texts use for the kind of the value, as Velociraptor prints it.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "types.Null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int64",
            Self::Float(_) => "float64",
            Self::Str(text) if text.path_form().is_some() => "*accessors.OSPath",
            Self::Str(_) => "string",
            Self::Time(_) => "time.Time",
            Self::List(_) => "[]types.Any",
            Self::Dict(_) => "*ordereddict.Dict",
            Self::Query(_) => "*vfilter._StoredQuery",
            Self::Scope(_) => "*scope.Scope",
        }
    }

    /// Whether the value is NULL.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// What the value holds.
    #[must_use]
    pub fn measure(&self) -> Measure {
        let bytes = size_of::<Self>();
        match self {
            Self::Str(text) => Measure { bytes: bytes.saturating_add(text.len()), ..flat() },
            Self::List(list) => list.measure(),
            Self::Dict(dict) => dict.measure(),
            Self::Query(_) | Self::Scope(_) => Measure { bytes, depth: 0, lazy: true },
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Float(_) | Self::Time(_) => {
                Measure { bytes, ..flat() }
            }
        }
    }

    /// The string, if the value is one.
    #[must_use]
    pub const fn as_text(&self) -> Option<&Text> {
        if let Self::Str(text) = self { Some(text) } else { None }
    }

    /// The dict, if the value is one.
    #[must_use]
    pub const fn as_dict(&self) -> Option<&Dict> {
        if let Self::Dict(dict) = self { Some(dict) } else { None }
    }

    /// The list, if the value is one.
    #[must_use]
    pub const fn as_list(&self) -> Option<&List> {
        if let Self::List(list) = self { Some(list) } else { None }
    }
}

const fn flat() -> Measure {
    Measure { bytes: 0, depth: 0, lazy: false }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Int(i64::from(number))
    }
}

/// Saturates: the language has no unsigned numbers.
impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// Saturates, as `u64` does.
impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(Text::from(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(Text::from(text))
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Str(Text::from(bytes))
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Str(Text::from(bytes))
    }
}

impl From<Text> for Value {
    fn from(text: Text) -> Self {
        Self::Str(text)
    }
}

impl From<Time> for Value {
    fn from(time: Time) -> Self {
        Self::Time(time)
    }
}

impl From<Vec<Self>> for Value {
    fn from(items: Vec<Self>) -> Self {
        Self::List(List::from(items))
    }
}

impl From<List> for Value {
    fn from(list: List) -> Self {
        Self::List(list)
    }
}

impl From<Row> for Value {
    fn from(row: Row) -> Self {
        Self::Dict(row)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
