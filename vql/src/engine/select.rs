//! SELECT: source, columns, WHERE; then GROUP BY, ORDER BY and LIMIT on top.

mod group;
mod layout;
mod order;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::call::settle;
use super::eval::{admit, eval, resolve, resolve_row, truth};
use super::scope::Scope;
use super::source::open_source;
use super::stored::StoredQuery;
use crate::budget::{Fault, Level, Stop};
use crate::context::Context;
use crate::rows::{Rows, Step};
use crate::syntax::ast::{Cell, Expr, Select};
use crate::value::{Row, Value};
pub(super) use layout::Layouts;
use layout::{Layout, Slot};

/// Prepares a query. Nothing is evaluated before the first row is asked for.
pub(crate) fn open(scope: &Scope, select: &Arc<Select>) -> Box<dyn Rows> {
    let source = Source::new(scope, select);
    let mut rows: Box<dyn Rows> = match &select.group {
        Some(_) => Box::new(group::Grouped::new(source)),
        None => Box::new(Projected(source)),
    };
    if let Some(order) = &select.order {
        rows = Box::new(order::Ordered::new(rows, order.clone()));
    }
    if let Some(limit) = select.limit {
        rows = Box::new(order::Limited::new(rows, limit));
    }
    if select.explain {
        rows = Box::new(Explained { rows, select: Arc::clone(select), is_announced: false });
    }
    rows
}

/// Runs part of a query; a fault that is not a stop is logged under a name.
pub(crate) fn guard<T>(
    cx: &mut Context,
    name: &str,
    run: impl FnOnce(&mut Context) -> Result<T, Fault>,
) -> Result<Option<T>, Stop> {
    let result = run(cx);
    settle(cx, name, result)
}

/// A row whose columns are evaluated when something asks for them.
pub(crate) struct LazyRow {
    serial: u64,
    select: Arc<Select>,
    /// The scope in which columns are evaluated: the query's, below it the row of the source.
    scope: Scope,
    cells: Vec<Option<Value>>,
}

/// Refers to a [`LazyRow`] as long as it is being looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LazyKey {
    place: usize,
    serial: u64,
}

/// The value of a column by its name.
pub(super) fn lazy_cell(
    cx: &mut Context,
    key: LazyKey,
    name: &[u8],
) -> Result<Option<Value>, Stop> {
    let Some(row) = lazy_row(cx, key) else { return Ok(None) };
    let is_named = |column: &crate::syntax::ast::Column| *column.name == *name;
    // Of equal names the last counts, as in the row that comes out.
    let Some(at) = row.select.columns.iter().rposition(is_named) else { return Ok(None) };
    cell(cx, key, at)
}

fn lazy_row(cx: &mut Context, key: LazyKey) -> Option<&mut LazyRow> {
    cx.engine.lazy_rows.get_mut(key.place).filter(|row| row.serial == key.serial)
}

/// The value of a column, evaluated once for each row.
fn cell(cx: &mut Context, key: LazyKey, at: usize) -> Result<Option<Value>, Stop> {
    let Some(row) = lazy_row(cx, key) else { return Ok(None) };
    if let Some(Some(value)) = row.cells.get(at) {
        return Ok(Some(value.clone()));
    }
    let (select, scope) = (Arc::clone(&row.select), row.scope.clone());
    let value = match select.columns.get(at).map(|column| &column.body) {
        None | Some(Cell::Star) => return Ok(None),
        Some(Cell::Expr(expr)) => eval(cx, &scope, expr)?,
        Some(Cell::Select(inner)) => sub_select(cx, &scope, inner)?,
    };
    if let Some(slot) = lazy_row(cx, key).and_then(|row| row.cells.get_mut(at)) {
        *slot = Some(value.clone());
    }
    Ok(Some(value))
}

/// `{ SELECT … }` as a column: nothing, one row, or a list of rows; of rows with a single column its values.
fn sub_select(cx: &mut Context, scope: &Scope, select: &Arc<Select>) -> Result<Value, Stop> {
    let value = |row: Row| match row.values() {
        [only] => only.clone(),
        _ => Value::Dict(row),
    };
    let mut rows = StoredQuery::new(select).collect(cx, scope)?;
    if rows.len() > 1 {
        return Ok(Value::from(rows.into_iter().map(value).collect::<Vec<_>>()));
    }
    Ok(rows.pop().map_or(Value::Null, value))
}

/// The source of a SELECT and its WHERE.
struct Source {
    select: Arc<Select>,
    scope: Scope,
    rows: Opened,
    layout: Option<Arc<Layout>>,
    /// What the row before used, for the next one.
    spare: Option<LazyRow>,
}

/// What is made of a row of the source while its columns can be evaluated.
type Take<'a> = dyn FnMut(&mut Source, &mut Context, LazyKey, &Row) -> Result<Row, Stop> + 'a;

enum Opened {
    NotYet,
    Rows(Box<dyn Rows>),
    Done,
}

impl Source {
    fn new(scope: &Scope, select: &Arc<Select>) -> Self {
        Self {
            select: Arc::clone(select),
            scope: scope.clone(),
            rows: Opened::NotYet,
            layout: None,
            spare: None,
        }
    }

    fn has_star(&self) -> bool {
        self.select.columns.iter().any(|column| matches!(column.body, Cell::Star))
    }

    /// The next row of the source that WHERE accepts, handed to `take` while its columns can
    /// be evaluated.
    fn next(&mut self, cx: &mut Context, take: &mut Take<'_>) -> Result<Step, Fault> {
        loop {
            if cx.is_out_of_fuel() {
                return Ok(Step::Yield);
            }
            let raw = match self.pull(cx)? {
                Step::Row(raw) => raw,
                other => return Ok(other),
            };
            cx.charge(1)?;
            admit(cx, raw.measure())?;
            let key = self.enter(cx, &raw);
            let result = self.accept(cx, key, &raw, take);
            self.leave(cx, key);
            if let Some(row) = result? {
                return Ok(Step::Row(row));
            }
        }
    }

    fn accept(
        &mut self,
        cx: &mut Context,
        key: LazyKey,
        raw: &Row,
        take: &mut Take<'_>,
    ) -> Result<Option<Row>, Stop> {
        let select = Arc::clone(&self.select);
        if let Some(filter) = &select.filter {
            let value = self.evaluate(cx, key, filter)?;
            let scope = self.row_scope(cx, key);
            if !truth(cx, &scope, &value)? {
                return Ok(None);
            }
        }
        take(self, cx, key, raw).map(Some)
    }

    /// Evaluates an expression that sees the row and its aliases.
    fn evaluate(&self, cx: &mut Context, key: LazyKey, expr: &Expr) -> Result<Value, Stop> {
        let scope = self.row_scope(cx, key).with_aliases(key);
        eval(cx, &scope, expr)
    }

    fn row_scope(&self, cx: &mut Context, key: LazyKey) -> Scope {
        lazy_row(cx, key).map_or_else(|| self.scope.clone(), |row| row.scope.clone())
    }

    /// Makes a row the one that is being looked at.
    fn enter(&mut self, cx: &mut Context, raw: &Row) -> LazyKey {
        let serial = cx.engine.next_serial;
        cx.engine.next_serial = serial.wrapping_add(1);
        let place = cx.engine.lazy_rows.len();
        let spare = self.spare.take();
        let row = match spare.and_then(|mut row| row.scope.replace_row(raw).then_some(row)) {
            Some(row) => LazyRow { serial, ..row },
            None => LazyRow {
                serial,
                select: Arc::clone(&self.select),
                scope: self.scope.with_row(raw),
                cells: vec![None; self.select.columns.len()],
            },
        };
        cx.engine.lazy_rows.push(row);
        LazyKey { place, serial }
    }

    fn leave(&mut self, cx: &mut Context, key: LazyKey) {
        cx.engine.lazy_rows.truncate(key.place.saturating_add(1));
        if let Some(mut row) = cx.engine.lazy_rows.pop() {
            row.cells.fill(None);
            self.spare = Some(row);
        }
    }

    fn pull(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        if !cx.engine.descend(cx.budget.depth) {
            self.rows = Opened::Done;
            cx.log(Level::Default, format_args!("Stack Overflow: {}", self.select));
            return Ok(Step::End);
        }
        let step = self.pull_below(cx);
        cx.engine.ascend();
        if matches!(step, Ok(Step::End) | Err(_)) {
            self.rows = Opened::Done;
        }
        step
    }

    fn pull_below(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        if let Opened::NotYet = self.rows {
            let star = self.has_star();
            let opened = open_source(cx, &self.scope, &self.select.from, star)?;
            self.rows = opened.map_or(Opened::Done, Opened::Rows);
        }
        let Opened::Rows(rows) = &mut self.rows else { return Ok(Step::End) };
        match rows.next(cx) {
            Err(fault) if fault.stop().is_none() => {
                let name = super::call::dotted(&self.select.from.path);
                cx.report(&name.to_str_lossy(), fault)?;
                Ok(Step::End)
            }
            step => step,
        }
    }

    /// The row that comes out, all columns evaluated.
    fn project(&mut self, cx: &mut Context, key: LazyKey, raw: &Row) -> Result<Row, Stop> {
        let scope = self.row_scope(cx, key);
        if self.select.columns.len() == 1 && self.has_star() {
            return resolve_row(cx, &scope, raw.clone());
        }
        let layout = match self.layout.take().filter(|layout| layout.is_for(raw.columns())) {
            Some(layout) => layout,
            None => cx.engine.layouts.of(&self.select, raw.columns()),
        };
        let mut values = Vec::with_capacity(layout.slots.len());
        for slot in &layout.slots {
            let value = match slot {
                Slot::Column(at) => cell(cx, key, *at)?,
                Slot::Source(at) => raw.values().get(*at).cloned(),
            };
            values.push(resolve(cx, &scope, value.unwrap_or_default())?);
        }
        let row = Row::new(&layout.columns, values);
        self.layout = Some(layout);
        admit(cx, row.measure())?;
        Ok(row)
    }
}

/// Rows as they come.
struct Projected(Source);

impl Rows for Projected {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        self.0.next(cx, &mut Source::project)
    }
}

/// EXPLAIN: what the query does goes to the log, the rows are the same.
struct Explained {
    rows: Box<dyn Rows>,
    select: Arc<Select>,
    is_announced: bool,
}

impl Rows for Explained {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        if !self.is_announced {
            self.is_announced = true;
            cx.log(Level::Info, format_args!("Explain: {}", self.select));
        }
        let step = self.rows.next(cx)?;
        if let Step::Row(row) = &step {
            let text = crate::value::json::to_string(&Value::Dict(row.clone()));
            cx.log(Level::Info, format_args!("Explain row: {text}"));
        }
        Ok(step)
    }
}
