//! `flatten()`: a row for each element of a row's lists.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::args::Args;
use crate::budget::Fault;
use crate::context::Context;
use crate::engine::{Scope, resolve};
use crate::registry::{Arg, Kind, Plugin};
use crate::rows::{RowSource, Rows, Step};
use crate::value::{Row, Value};

pub(super) static FLATTEN: Plugin = Plugin::new(
    "flatten",
    "Repeats each row for every combination of the elements of its lists. An empty list stays.",
    &[Arg::required("query", Kind::Rows, "The rows.")],
    flatten,
);

fn flatten(cx: &mut Context, scope: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let source = args.rows("query").cloned().unwrap_or(RowSource::Nothing);
    let rows = source.open(cx, scope)?;
    Ok(Box::new(Flatten { scope: scope.clone(), rows, current: None }))
}

struct Flatten {
    scope: Scope,
    rows: Box<dyn Rows>,
    current: Option<Product>,
}

/// The combinations of one row, counted like an odometer: the first column turns fastest.
struct Product {
    row: Row,
    digits: Vec<usize>,
}

impl Product {
    fn new(row: Row) -> Self {
        let digits = alloc::vec![0; row.len()];
        Self { row, digits }
    }

    fn current(&self) -> Row {
        let pairs = self.row.values().iter().zip(&self.digits);
        let values = pairs.map(|(value, digit)| match value {
            Value::List(list) => list.get(*digit).unwrap_or(value).clone(),
            other => other.clone(),
        });
        Row::new(self.row.columns(), values.collect())
    }

    /// Turns to the next combination; `false` after the last.
    fn advance(&mut self) -> bool {
        for (value, digit) in self.row.values().iter().zip(&mut self.digits) {
            let elements = value.as_list().map_or(1, |list| list.len());
            *digit = digit.saturating_add(1);
            if *digit < elements {
                return true;
            }
            *digit = 0;
        }
        false
    }
}

impl Rows for Flatten {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        loop {
            if let Some(product) = &mut self.current {
                cx.charge(1)?;
                let row = product.current();
                if !product.advance() {
                    self.current = None;
                }
                return Ok(Step::Row(row));
            }
            let row = match self.rows.next(cx)? {
                Step::Row(row) => row,
                other => return Ok(other),
            };
            let Value::Dict(row) = resolve(cx, &self.scope, Value::Dict(row))? else { continue };
            self.current = Some(Product::new(row));
        }
    }
}
