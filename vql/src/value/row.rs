//! Rows and dicts: values under shared, ordered names.
//!
//! All rows of a table share one [`Columns`], so a row costs one vector of values.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::list::Measure;
use super::{Text, Value};
use crate::sorted::{Places, sorted_places};

/// From this many names on, a sorted index answers look-ups.
const INDEX_FROM: usize = 12;

/// Ordered, distinct names; clones share them.
#[derive(Clone)]
pub struct Columns(Arc<Names>);

struct Names {
    names: Vec<Text>,
    /// Bytes of all names.
    len: usize,
    /// Positions sorted by name; empty below [`INDEX_FROM`] names.
    sorted: Vec<usize>,
}

impl Columns {
    /// Names in this order. Of equal names the first is found.
    #[must_use]
    pub fn new(names: Vec<Text>) -> Self {
        let mut sorted = Vec::new();
        if names.len() >= INDEX_FROM {
            sorted = sorted_places(names.len(), &mut |left, right| {
                names.get(left).cmp(&names.get(right))
            });
        }
        let len = names.iter().fold(0_usize, |sum, name| sum.saturating_add(name.len()));
        Self(Arc::new(Names { names, len, sorted }))
    }

    /// Names known when the program was built.
    #[must_use]
    pub fn fixed(names: &[&'static str]) -> Self {
        Self::new(names.iter().map(|name| Text::fixed(name)).collect())
    }

    /// The names in order.
    #[must_use]
    pub fn names(&self) -> &[Text] {
        &self.0.names
    }

    /// Bytes of all names.
    pub(super) fn names_len(&self) -> usize {
        self.0.len
    }

    /// Where a name stands.
    #[must_use]
    pub fn position(&self, name: &[u8]) -> Option<usize> {
        let names = &self.0.names;
        if self.0.sorted.is_empty() {
            return names.iter().position(|one| one.as_bytes() == name);
        }
        let key = |at: &usize| names.get(*at).map(Text::as_bytes);
        let first = self.0.sorted.partition_point(|at| key(at) < Some(name));
        self.0.sorted.get(first).copied().filter(|at| key(at) == Some(name))
    }

    /// Whether both are the same table's names. Equal names in two tables may answer `false`.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// One row of a result: as many values as there are columns.
#[derive(Clone)]
pub struct Row {
    columns: Columns,
    values: Arc<Cells>,
}

struct Cells {
    values: Vec<Value>,
    measure: Measure,
}

/// A dict is a row that is used as a value.
pub type Dict = Row;

impl Row {
    /// A row under `columns`. Missing values are NULL, values beyond the columns are dropped.
    #[must_use]
    pub fn new(columns: &Columns, mut values: Vec<Value>) -> Self {
        values.resize(columns.names().len(), Value::Null);
        let measure = Measure::of_row(columns, &values);
        Self { columns: columns.clone(), values: Arc::new(Cells { values, measure }) }
    }

    /// A row without columns.
    #[must_use]
    pub fn empty() -> Self {
        Self::new(&Columns::new(Vec::new()), Vec::new())
    }

    /// The row with a single column.
    #[must_use]
    pub fn single(name: &'static str, value: Value) -> Self {
        Self::new(&Columns::fixed(&[name]), alloc::vec![value])
    }

    /// The names.
    #[must_use]
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The values in the order of the names.
    #[must_use]
    pub fn values(&self) -> &[Value] {
        &self.values.values
    }

    /// The value under a name.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&Value> {
        self.columns.position(name).and_then(|at| self.values().get(at))
    }

    /// Names with values, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Text, &Value)> {
        self.columns.names().iter().zip(self.values())
    }

    /// Columns of the row.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values().len()
    }

    /// Whether the row has no column.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values().is_empty()
    }

    /// What the row holds.
    #[must_use]
    pub fn measure(&self) -> Measure {
        self.values.measure
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Collects names and values one by one; a name that is set again keeps its place.
#[derive(Debug, Default)]
pub struct RowBuilder {
    names: Vec<Text>,
    values: Vec<Value>,
    places: Places,
}

impl RowBuilder {
    /// An empty builder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `name` to `value`.
    pub fn set(&mut self, name: impl Into<Text>, value: impl Into<Value>) -> &mut Self {
        self.put(name.into(), value.into());
        self
    }

    fn put(&mut self, name: Text, value: Value) {
        let place = self.places.get(&name).and_then(|&at| self.values.get_mut(at));
        if let Some(place) = place {
            *place = value;
            return;
        }
        self.places.insert(name.clone(), self.names.len());
        self.names.push(name);
        self.values.push(value);
    }

    /// The value set under a name.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&Value> {
        self.places.get(name).and_then(|&at| self.values.get(at))
    }

    /// The row.
    #[must_use]
    pub fn build(self) -> Row {
        Row::new(&Columns::new(self.names), self.values)
    }
}
