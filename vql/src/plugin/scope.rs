//! `scope()`: one row, the variables in sight.

use alloc::boxed::Box;
use alloc::vec;

use crate::args::Args;
use crate::budget::Fault;
use crate::context::Context;
use crate::engine::Scope;
use crate::registry::Plugin;
use crate::rows::{Ready, Rows};
use crate::value::Row;

pub(super) static SCOPE: Plugin = Plugin::new(
    "scope",
    "Yields one row with all variables in sight. Mostly used to evaluate expressions once.",
    &[],
    scope,
);

fn scope(cx: &mut Context, scope: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    // Columns that are named are found in the scope anyway, so only `*` needs the copy.
    let row = if args.wants_all_columns() { scope.to_row(cx)? } else { Row::empty() };
    Ok(Ready::boxed(vec![row]))
}
