//! `foreach()`: a query for each row of another.

use alloc::boxed::Box;

use crate::args::Args;
use crate::budget::Fault;
use crate::context::Context;
use crate::engine::Scope;
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
        Arg::optional("async", Kind::Any, "Accepted for compatibility; rows come in order."),
        Arg::optional("workers", Kind::Int, "Accepted for compatibility; one row at a time."),
        Arg::optional("column", Kind::String, "Yields the value of this column only."),
    ],
    foreach,
);

fn foreach(cx: &mut Context, scope: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let rows = match args.rows("row") {
        Some(source) => source.open(cx, scope)?,
        None => RowSource::Nothing.open(cx, scope)?,
    };
    Ok(Box::new(Foreach {
        scope: scope.clone(),
        rows,
        query: args.rows("query").cloned(),
        column: args.text("column").cloned(),
        current: None,
    }))
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
