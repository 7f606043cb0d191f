//! `items()`: the members of a dict or list as rows.

use alloc::boxed::Box;

use crate::args::Args;
use crate::budget::Fault;
use crate::context::Context;
use crate::engine::Scope;
use crate::registry::{Arg, Kind, Plugin};
use crate::rows::{Pull, RowSource, Rows, Step};
use crate::value::{Columns, Row, Value};

pub(super) static ITEMS: Plugin = Plugin::new(
    "items",
    "Yields the columns _key and _value for each member of a dict, element of a list or row of a query.",
    &[Arg::required("item", Kind::Any, "The dict, list or query.")],
    items,
);

fn items(cx: &mut Context, scope: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let columns = Columns::fixed(&["_key", "_value"]);
    match args.value("item").cloned().unwrap_or_default() {
        Value::Dict(row) => Ok(members(columns, row)),
        Value::Scope(inner) => Ok(members(columns, inner.to_row(cx)?)),
        Value::List(list) => {
            let mut next = 0_usize;
            Ok(Box::new(Pull::new(move |_| {
                let Some(value) = list.get(next) else { return Ok(None) };
                let row = Row::new(&columns, alloc::vec![Value::from(next), value.clone()]);
                next = next.saturating_add(1);
                Ok(Some(row))
            })))
        }
        other => {
            let rows = RowSource::from(other).open(cx, scope)?;
            Ok(Box::new(Numbered { columns, rows, next: 0 }))
        }
    }
}

fn members(columns: Columns, row: Row) -> Box<dyn Rows> {
    let mut next = 0_usize;
    Box::new(Pull::new(move |_| {
        let key = row.columns().names().get(next).cloned();
        let value = row.values().get(next).cloned();
        next = next.saturating_add(1);
        Ok(key.map(|key| Row::new(&columns, alloc::vec![Value::Str(key), value.into()])))
    }))
}

struct Numbered {
    columns: Columns,
    rows: Box<dyn Rows>,
    next: usize,
}

impl Rows for Numbered {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        Ok(match self.rows.next(cx)? {
            Step::Row(row) => {
                let key = Value::from(self.next);
                self.next = self.next.saturating_add(1);
                Step::Row(Row::new(&self.columns, alloc::vec![key, Value::Dict(row)]))
            }
            other => other,
        })
    }
}
