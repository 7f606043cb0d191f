//! GROUP BY: the last row of each group, with aggregates over all its rows.
//!
//! There can be very many groups, so what one holds lies in tables: no block of memory per group.

mod index;
mod table;

use alloc::string::String;
use alloc::vec::Vec;

use super::{Source, lazy_row};
use crate::budget::{Fault, Held, Stop};
use crate::context::Context;
use crate::engine::aggregate::Aggregates;
use crate::registry::FoldState;
use crate::rows::{Rows, Step};
use crate::value::{Columns, Measure, Row, Value, json};
use index::Index;
use table::Table;

pub(super) struct Grouped {
    source: Source,
    stage: Stage,
}

enum Stage {
    Empty,
    Filling(Groups),
    Draining(Groups, usize),
}

/// Groups in the order in which they were first seen.
struct Groups {
    index: Index,
    /// The columns of the last rows, and their values.
    columns: Option<Columns>,
    cells: Table<Value>,
    /// Last rows that have other columns, up to the last group that has one.
    odd: Vec<Option<Row>>,
    /// The states of all groups that are not being looked at.
    states: Table<FoldState>,
    /// The states of the group that is.
    aggregates: Aggregates,
    held: Held,
}

impl Grouped {
    pub(super) const fn new(source: Source) -> Self {
        Self { source, stage: Stage::Empty }
    }
}

impl Rows for Grouped {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        loop {
            match &mut self.stage {
                Stage::Empty => self.stage = Stage::Filling(Groups::new(cx)),
                Stage::Filling(groups) => match groups.fill(cx, &mut self.source)? {
                    Step::Row(_) => {}
                    Step::End => {
                        let groups = core::mem::replace(groups, Groups::new(cx));
                        self.stage = Stage::Draining(groups, 0);
                    }
                    waiting => return Ok(waiting),
                },
                Stage::Draining(groups, next) => {
                    let group = *next;
                    *next = group.saturating_add(1);
                    if group >= groups.index.len() {
                        return Ok(Step::End);
                    }
                    if let Some(row) = groups.take(group) {
                        return Ok(Step::Row(row));
                    }
                }
            }
        }
    }
}

impl Groups {
    fn new(cx: &Context) -> Self {
        Self {
            index: Index::default(),
            columns: None,
            cells: Table::default(),
            odd: Vec::new(),
            states: Table::default(),
            aggregates: Aggregates::default(),
            held: cx.ledger.open(),
        }
    }

    /// Takes one row of the source into its group.
    fn fill(&mut self, cx: &mut Context, source: &mut Source) -> Result<Step, Fault> {
        source.next(cx, &mut |source, cx, key, raw| {
            let name = match &source.select.group {
                Some(group) => {
                    let value = source.evaluate(cx, key, group)?;
                    let scope = source.row_scope(cx, key);
                    super::resolve(cx, &scope, value)?
                }
                None => Value::Null,
            };
            let group = self.place(cx, &name)?;
            if let Some(row) = lazy_row(cx, key) {
                row.scope = row.scope.with_aggregates(self.aggregates.clone());
            }
            // Dropped first, so that an aggregate that is a list grows in place.
            let before = self.forget(group);
            self.held.give(before);
            self.aggregates.exchange(self.states.get_mut(group));
            let row = source.project(cx, key, raw)?;
            self.states.widen(self.aggregates.count());
            self.aggregates.exchange(self.states.get_mut(group));
            self.held.take(row.measure().bytes)?;
            self.keep(group, &row);
            Ok(Row::empty())
        })
    }

    fn place(&mut self, cx: &mut Context, name: &Value) -> Result<usize, Stop> {
        let name = match name {
            // The word by which the original groups it, and with it that word itself.
            Value::Null => String::from("Null"),
            other => json::scalar_text(other),
        };
        let before = self.index.len();
        let group = self.index.place(cx, name.as_bytes())?;
        if group == before {
            self.held.take(name.len().saturating_add(size_of::<Row>()))?;
            self.cells.push();
            self.states.push();
        }
        Ok(group)
    }

    /// Drops the last row of a group; answers what it held.
    fn forget(&mut self, group: usize) -> usize {
        if let Some(row) = self.odd.get_mut(group).and_then(Option::take) {
            return row.measure().bytes;
        }
        let cells = self.cells.get_mut(group);
        let Some(columns) = self.columns.as_ref().filter(|_| !cells.is_empty()) else { return 0 };
        let held = Measure::of_row(columns, cells).bytes;
        cells.iter_mut().for_each(|cell| *cell = Value::Null);
        held
    }

    fn keep(&mut self, group: usize, row: &Row) {
        let columns = self.columns.get_or_insert_with(|| row.columns().clone());
        if !columns.is_same(row.columns()) {
            if self.odd.len() <= group {
                self.odd.resize(group.saturating_add(1), None);
            }
            if let Some(odd) = self.odd.get_mut(group) {
                *odd = Some(row.clone());
            }
            return;
        }
        self.cells.widen(row.len());
        for (cell, value) in self.cells.get_mut(group).iter_mut().zip(row.values()) {
            cell.clone_from(value);
        }
    }

    fn take(&mut self, group: usize) -> Option<Row> {
        if let Some(row) = self.odd.get_mut(group).and_then(Option::take) {
            return Some(row);
        }
        let values: Vec<Value> =
            self.cells.get_mut(group).iter_mut().map(core::mem::take).collect();
        Some(Row::new(self.columns.as_ref()?, values))
    }
}
