//! `range()`: numbers as rows.

use alloc::boxed::Box;
use alloc::vec;

use crate::args::Args;
use crate::budget::Fault;
use crate::context::Context;
use crate::engine::Scope;
use crate::registry::{Arg, Kind, Plugin};
use crate::rows::{Pull, Rows};
use crate::value::{Columns, Row, Value};

pub(super) static RANGE: Plugin = Plugin::new(
    "range",
    "Yields the column _value with the numbers from start up to, but without, end.",
    &[
        Arg::required("end", Kind::Int, "The first number that is left out."),
        Arg::optional("start", Kind::Int, "The first number; 0 if not given."),
        Arg::optional("step", Kind::Int, "The distance of the numbers; 1 if not given."),
    ],
    range,
);

fn range(_: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let end = args.int("end").unwrap_or(0);
    let step = args.int("step").unwrap_or(1);
    if step < 1 {
        return Err(Fault::error("step should be more than 0"));
    }
    let columns = Columns::fixed(&["_value"]);
    let mut next = Some(args.int("start").unwrap_or(0));
    Ok(Box::new(Pull::new(move |_| {
        let Some(number) = next.filter(|number| *number < end) else { return Ok(None) };
        next = number.checked_add(step);
        Ok(Some(Row::new(&columns, vec![Value::Int(number)])))
    })))
}
