//! Which columns a SELECT shows, and in which order.

use alloc::vec::Vec;

use crate::syntax::ast::{Cell, Select};
use crate::value::{Columns, Text};

/// The columns for rows of one source.
pub(super) struct Layout {
    source: Columns,
    pub(super) columns: Columns,
    pub(super) slots: Vec<Slot>,
}

/// Where the value of a column comes from.
#[derive(Clone, Copy)]
pub(super) enum Slot {
    /// The column of the SELECT at this place.
    Column(usize),
    /// The column of the source at this place.
    Source(usize),
}

impl Layout {
    /// Columns of the SELECT win over those of `*`; a name stands where it occurs first.
    pub(super) fn new(select: &Select, source: &Columns) -> Self {
        let mut layout = Collector { select, names: Vec::new(), slots: Vec::new() };
        for (at, column) in select.columns.iter().enumerate() {
            match column.body {
                Cell::Star => {
                    for (place, name) in source.names().iter().enumerate() {
                        layout.put(name, Slot::Source(place));
                    }
                }
                Cell::Expr(_) | Cell::Select(_) => layout.put(&column.name, Slot::Column(at)),
            }
        }
        let columns = Columns::new(layout.names);
        Self { source: source.clone(), columns, slots: layout.slots }
    }

    pub(super) fn is_for(&self, source: &Columns) -> bool {
        self.source.is_same(source)
    }
}

struct Collector<'a> {
    select: &'a Select,
    names: Vec<Text>,
    slots: Vec<Slot>,
}

impl Collector<'_> {
    fn put(&mut self, name: &Text, slot: Slot) {
        if self.names.contains(name) {
            return;
        }
        let explicit = self
            .select
            .columns
            .iter()
            .rposition(|column| !matches!(column.body, Cell::Star) && column.name == *name);
        self.names.push(name.clone());
        self.slots.push(explicit.map_or(slot, Slot::Column));
    }
}
