//! `if()` after FROM.

use alloc::boxed::Box;

use crate::args::Args;
use crate::budget::Fault;
use crate::context::Context;
use crate::engine::{Scope, truth};
use crate::registry::{Arg, Kind, Plugin};
use crate::rows::{RowSource, Rows};

pub(super) static IF: Plugin = Plugin::new(
    "if",
    "Yields the rows of one of two queries. The other one is not evaluated.",
    &[
        Arg::required("condition", Kind::Any, "What decides; a query is true if it has a row."),
        Arg::optional("then", Kind::Lazy, "The rows if the condition is true."),
        Arg::optional("else", Kind::Lazy, "The rows if it is not."),
    ],
    open,
);

fn open(cx: &mut Context, scope: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let condition = args.value("condition").cloned().unwrap_or_default();
    let branch = if truth(cx, scope, &condition)? { "then" } else { "else" };
    let value = args.lazy(cx, branch)?;
    RowSource::from(value).open(cx, scope)
}
