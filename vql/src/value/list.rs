//! Lists that are cheap to clone, and what a value weighs.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;

use super::{Columns, Value};

/// An immutable list; clones share the items.
#[derive(Clone)]
pub struct List(Arc<Items>);

struct Items {
    items: Vec<Value>,
    measure: Measure,
}

/// How much a value holds, kept with lists and dicts so that a check costs no walk.
///
/// Sharing does not make a value lighter: `LET B <= (A, A)` doubles what a row prints, however
/// little memory it takes, and the printed size is what limits must see.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Measure {
    /// Bytes of all strings plus a fixed charge per value. Saturates.
    pub bytes: usize,
    /// Levels of lists and dicts. Saturates.
    pub depth: u16,
    /// A stored query is somewhere inside, so rows must be resolved before they leave.
    pub lazy: bool,
}

impl Measure {
    /// The measure of a container of these values and of `own` bytes besides.
    pub(super) fn of<'a>(own: usize, values: impl Iterator<Item = &'a Value>) -> Self {
        let mut sum = Self { bytes: own, depth: 0, lazy: false };
        for value in values {
            let one = value.measure();
            sum.bytes = sum.bytes.saturating_add(one.bytes);
            sum.depth = sum.depth.max(one.depth);
            sum.lazy |= one.lazy;
        }
        sum.depth = sum.depth.saturating_add(1);
        sum
    }
}

impl Measure {
    /// The measure of a row.
    pub(crate) fn of_row(columns: &Columns, values: &[Value]) -> Self {
        Self::of(columns.names_len(), values.iter())
    }
}

impl List {
    /// Appends an item; other clones of the list stay as they are.
    pub fn push(&mut self, item: Value) {
        if let Some(own) = Arc::get_mut(&mut self.0) {
            let one = Measure::of(0, [&item].into_iter());
            own.measure.bytes = own.measure.bytes.saturating_add(one.bytes);
            own.measure.depth = own.measure.depth.max(one.depth);
            own.measure.lazy |= one.lazy;
            own.items.push(item);
            return;
        }
        let mut items = self.to_vec();
        items.push(item);
        *self = Self::from(items);
    }

    /// What the list holds.
    #[must_use]
    pub fn measure(&self) -> Measure {
        self.0.measure
    }
}

impl Default for List {
    fn default() -> Self {
        Self::from(Vec::new())
    }
}

impl From<Vec<Value>> for List {
    fn from(items: Vec<Value>) -> Self {
        let measure = Measure::of(size_of::<Value>(), items.iter());
        Self(Arc::new(Items { items, measure }))
    }
}

impl Deref for List {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.0.items
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
