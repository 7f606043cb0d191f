//! `foreach()`: a query for each row of another.

#[cfg(feature = "threads")]
mod parallel;

use alloc::boxed::Box;

use crate::args::Args;
use crate::budget::Fault;
use crate::context::Context;
use crate::engine::{Scope, truth};
use crate::limits::WORKERS_MAX;
use crate::registry::{Arg, Kind, Plugin};
use crate::rows::{RowSource, Rows, Step};
use crate::value::{Row, Text, Value};

pub(super) static FOREACH: Plugin = Plugin::new(
    "foreach",
    "Runs a query for each row of another; it sees the columns of that row as variables.",
    &[
        Arg::required(
            "row",
            Kind::Rows,
            "A query, list or dict; elements that are no dict become the column _value.",
        ),
        Arg::optional("query", Kind::Rows, "The query to run; the rows themselves if not given."),
        Arg::optional("async", Kind::Any, "As many workers as there are rows, up to 64 (false)."),
        Arg::optional(
            "workers",
            Kind::Int,
            "Rows that are worked on at the same time; rows then come as they are ready (1). \
             Boards have no threads and work on one row after the other.",
        ),
        Arg::optional("column", Kind::String, "Yields the value of this column only."),
    ],
    foreach,
);

fn foreach(cx: &mut Context, scope: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let rows = match args.rows("row") {
        Some(source) => source.open(cx, scope)?,
        None => RowSource::Nothing.open(cx, scope)?,
    };
    let query = args.rows("query").cloned();
    let column = args.text("column").cloned();
    let workers = workers(cx, scope, &args)?;
    #[cfg(feature = "threads")]
    if let (Some(query), Some(threads)) = (&query, cx.registry.threads().cloned())
        && workers > 1
        && !scope.is_bound_to_thread()
    {
        let rows =
            Box::new(parallel::Parallel::new(cx, &threads, scope, rows, query.clone(), workers));
        // Only the column is left to show.
        let scope = scope.clone();
        return Ok(Box::new(Foreach { scope, rows, query: None, column, current: None }));
    }
    #[cfg(not(feature = "threads"))]
    let _one_at_a_time = workers;
    Ok(Box::new(Foreach { scope: scope.clone(), rows, query, column, current: None }))
}

/// Rows to work on at a time.
fn workers(cx: &mut Context, scope: &Scope, args: &Args) -> Result<usize, Fault> {
    let is_async = match args.value("async") {
        Some(value) => truth(cx, scope, value)?,
        None => false,
    };
    let wanted = args.int("workers").and_then(|count| usize::try_from(count).ok());
    let wanted = wanted.filter(|count| *count > 0);
    Ok(wanted.unwrap_or(if is_async { WORKERS_MAX } else { 1 }).min(WORKERS_MAX))
}

struct Foreach {
    scope: Scope,
    rows: Box<dyn Rows>,
    query: Option<RowSource>,
    column: Option<Text>,
    current: Option<Box<dyn Rows>>,
}

impl Foreach {
    fn show(&self, row: Row) -> Row {
        let Some(column) = &self.column else { return row };
        match row.get(column) {
            Some(Value::Dict(inner)) => inner.clone(),
            other => Row::single("_value", other.cloned().unwrap_or_default()),
        }
    }
}

impl Rows for Foreach {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        loop {
            if let Some(current) = &mut self.current {
                match current.next(cx)? {
                    Step::End => self.current = None,
                    Step::Row(row) => return Ok(Step::Row(self.show(row))),
                    waiting => return Ok(waiting),
                }
            }
            if cx.is_out_of_fuel() {
                return Ok(Step::Yield);
            }
            cx.charge(1)?;
            let row = match self.rows.next(cx)? {
                Step::Row(row) => row,
                other => return Ok(other),
            };
            let Some(query) = &self.query else { return Ok(Step::Row(self.show(row))) };
            self.current = Some(query.open(cx, &self.scope.with_row(&row))?);
        }
    }
}
