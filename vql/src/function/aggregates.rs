//! Aggregates: `count()`, `sum()`, `min()`, `max()`, `enumerate()`.

use crate::args::Args;
use crate::budget::Fault;
use crate::context::Context;
use crate::engine::Scope;
use crate::registry::{Arg, FoldState, Function, Kind};
use crate::value::operators::{add, less, number, truncated};
use crate::value::{List, Value};

pub(super) static COUNT: Function = Function::fold(
    "count",
    "Counts the rows so far.",
    &[Arg::optional("items", Kind::Lazy, "Not looked at.")],
    |_, _, _, state| {
        let count = add(&so_far(state).unwrap_or(Value::Int(0)), &Value::Int(1));
        Ok(keep(state, count))
    },
);

pub(super) static SUM: Function = Function::fold(
    "sum",
    "Adds up the whole numbers so far; of fractions the part before the point counts.",
    &[Arg::required("item", Kind::Resolved, "The number to add; what is none is left out.")],
    |_, _, args, state| {
        let item = match args.value("item") {
            // Not by way of a fraction, which has only 53 bits.
            Some(Value::Int(whole)) => *whole,
            other => match other.and_then(number) {
                Some(fraction) => truncated(fraction),
                None => return Ok(Value::Null),
            },
        };
        let sum = match so_far(state) {
            Some(Value::Int(before)) => before.wrapping_add(item),
            _ => item,
        };
        Ok(keep(state, Value::Int(sum)))
    },
);

pub(super) static MIN: Function = Function::fold(
    "min",
    "The least value so far.",
    &[Arg::required("item", Kind::Resolved, "The value to compare.")],
    |_, _, args, state| Ok(best(args, state, less)),
);

pub(super) static MAX: Function = Function::fold(
    "max",
    "The greatest value so far.",
    &[Arg::required("item", Kind::Resolved, "The value to compare.")],
    |_, _, args, state| Ok(best(args, state, |item, best| !less(item, best))),
);

pub(super) static ENUMERATE: Function = Function::fold(
    "enumerate",
    "Collects the values so far in a list.",
    &[Arg::required("items", Kind::Resolved, "The value to append.")],
    enumerate,
);

fn enumerate(
    _: &mut Context,
    _: &Scope,
    args: &Args,
    state: &mut FoldState,
) -> Result<Value, Fault> {
    let mut list = match so_far(state) {
        Some(Value::List(list)) => list,
        _ => List::default(),
    };
    list.push(args.value("items").cloned().unwrap_or_default());
    Ok(keep(state, Value::List(list)))
}

fn best(args: &Args, state: &mut FoldState, is_better: fn(&Value, &Value) -> bool) -> Value {
    let item = args.value("item").cloned().unwrap_or_default();
    let best = match so_far(state) {
        Some(best) if !is_better(&item, &best) => best,
        _ => item,
    };
    keep(state, best)
}

/// Takes the value out, so that a list in it has no second owner.
fn so_far(state: &mut FoldState) -> Option<Value> {
    state.take()
}

fn keep(state: &mut FoldState, value: Value) -> Value {
    *state = Some(value.clone());
    value
}
