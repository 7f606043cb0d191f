//! Which columns a SELECT shows, and in which order.

use alloc::vec::Vec;

use crate::syntax::ast::{Cell, Column, Select};
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
    /// Columns of the SELECT win over those of `*` and stay where they are written. Of equal names the
    /// last gives the value, the first the place.
    pub(super) fn new(select: &Select, source: &Columns) -> Self {
        let mut names: Vec<Text> = Vec::new();
        let mut slots = Vec::new();
        for column in &select.columns {
            if let Cell::Star = column.body {
                let others = source.names().iter().enumerate();
                for (at, name) in others.filter(|(_, name)| explicit(select, name).is_none()) {
                    names.push(name.clone());
                    slots.push(Slot::Source(at));
                }
            } else if let Some(at) = explicit(select, &column.name)
                && !names.contains(&column.name)
            {
                names.push(column.name.clone());
                slots.push(Slot::Column(at));
            }
        }
        Self { source: source.clone(), columns: Columns::new(names), slots }
    }

    pub(super) fn is_for(&self, source: &Columns) -> bool {
        self.source.is_same(source)
    }
}

/// The column of the SELECT that has this name.
fn explicit(select: &Select, name: &Text) -> Option<usize> {
    let is_named = |column: &Column| !matches!(column.body, Cell::Star) && column.name == *name;
    select.columns.iter().rposition(is_named)
}
