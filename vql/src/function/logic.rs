//! `dict()`, `if()` and `scope()`.

use crate::args::Args;
use crate::budget::Fault;
use crate::context::Context;
use crate::engine::{Scope, truth};
use crate::registry::{Arg, Function, Kind};
use crate::value::{RowBuilder, Value};

pub(super) static DICT: Function =
    Function::new("dict", "Makes a dict of its arguments, which have any name.", &[], dict)
        .keeps_others();

fn dict(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let mut row = RowBuilder::new();
    for (name, lazy) in args.others() {
        let value = lazy.value(cx)?;
        row.set(name.clone(), value);
    }
    Ok(Value::Dict(row.build()))
}

pub(super) static IF: Function = Function::new(
    "if",
    "Answers one of two values. The other one is not evaluated.",
    &[
        Arg::required("condition", Kind::Any, "What decides; a query is true if it has a row."),
        Arg::optional("then", Kind::Lazy, "The value if the condition is true."),
        Arg::optional("else", Kind::Lazy, "The value if it is not."),
    ],
    choose,
);

fn choose(cx: &mut Context, scope: &Scope, args: &Args) -> Result<Value, Fault> {
    let condition = args.value("condition").cloned().unwrap_or_default();
    let branch = if truth(cx, scope, &condition)? { "then" } else { "else" };
    Ok(args.lazy(cx, branch)?)
}

pub(super) static SCOPE: Function =
    Function::new("scope", "Answers all variables in sight, to look up members in.", &[], scope);

fn scope(_: &mut Context, scope: &Scope, _: &Args) -> Result<Value, Fault> {
    Ok(Value::Scope(scope.clone()))
}
