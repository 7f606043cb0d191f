//! Which columns a SELECT shows, and in which order.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::limits::LAYOUTS_KEPT_MAX;
use crate::syntax::ast::{Cell, Column, Select};
use crate::value::{Columns, Text};

/// The layouts of a session's queries, so that a query that runs for each row of another is laid out once.
#[derive(Default)]
pub(in crate::engine) struct Layouts(Vec<Arc<Layout>>);

impl Layouts {
    /// The layout of a query for rows with these columns.
    pub(super) fn of(&mut self, select: &Arc<Select>, source: &Columns) -> Arc<Layout> {
        let known = self.0.iter_mut().find(|layout| Arc::ptr_eq(&layout.select, select));
        if let Some(layout) = known {
            if !layout.is_for(source) {
                *layout = Arc::new(Layout::new(select, source, Some(&layout.columns)));
            }
            return Arc::clone(layout);
        }
        if self.0.len() >= LAYOUTS_KEPT_MAX {
            self.0.clear();
        }
        let layout = Arc::new(Layout::new(select, source, None));
        self.0.push(Arc::clone(&layout));
        layout
    }
}

/// The columns for rows of one source.
pub(super) struct Layout {
    select: Arc<Select>,
    /// The columns of the source; nothing if they do not matter.
    source: Option<Columns>,
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
    fn new(select: &Arc<Select>, source: &Columns, before: Option<&Columns>) -> Self {
        let mut has_star = false;
        let mut names: Vec<Text> = Vec::new();
        let mut slots = Vec::new();
        for column in &select.columns {
            if let Cell::Star = column.body {
                has_star = true;
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
        // Rows of equal columns share them, whatever source they come from.
        let columns = match before {
            Some(before) if before.names() == names => before.clone(),
            _ => Columns::new(names),
        };
        let source = has_star.then(|| source.clone());
        Self { select: Arc::clone(select), source, columns, slots }
    }

    pub(super) fn is_for(&self, source: &Columns) -> bool {
        self.source.as_ref().is_none_or(|own| own.is_same(source))
    }
}

/// The column of the SELECT that has this name.
fn explicit(select: &Select, name: &Text) -> Option<usize> {
    let is_named = |column: &Column| !matches!(column.body, Cell::Star) && column.name == *name;
    select.columns.iter().rposition(is_named)
}
