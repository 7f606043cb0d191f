//! `notebooks()`, `notebook_get()`, and what `source()` yields of a cell.

use troodon_vql::{
    Arg, Args, Availability, Context, Fault, Function, Kind, Permission, Plugin, Pull, Rows, Scope,
    Value,
};

use super::json::{line, value};
use super::{Backend, backend, fault};
use crate::model::notebook::CellKind;
use crate::notebooks;
use crate::store::server_event::Kind as Kept;

pub(super) const PLUGINS: &[&Plugin] = &[&NOTEBOOKS];
pub(super) const FUNCTIONS: &[&Function] = &[&NOTEBOOK_GET];

static NOTEBOOKS: Plugin = Plugin::new(
    "notebooks",
    "Yields the notebooks that the caller has made or that are shared with the caller, latest first.",
    &[],
    notebooks,
)
.needs(&[Permission::ReadResults])
.on(Availability::Server);

fn notebooks(cx: &mut Context, _: &Scope, _: Args) -> Result<Box<dyn Rows>, Fault> {
    let list = notebooks::list(&backend(cx)?.actor()).map_err(fault)?;
    let mut list = list.into_iter();
    Ok(Box::new(Pull::new(move |_| {
        let Some(one) = list.next() else { return Ok(None) };
        let shown = value(serde_json::to_value(one).map_err(fault)?);
        Ok(shown.as_dict().cloned())
    })))
}

static NOTEBOOK_GET: Function = Function::new(
    "notebook_get",
    "A notebook with its cells, as a dict.",
    &[Arg::required("notebook_id", Kind::String, "Which notebook.")],
    notebook_get,
)
.needs(&[Permission::ReadResults])
.on(Availability::Server);

fn notebook_get(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let id = args.string("notebook_id").unwrap_or_default().parse().map_err(fault)?;
    let (one, cells) = notebooks::show(&backend(cx)?.actor(), &id).map_err(fault)?;
    let mut shown = serde_json::to_value(one).map_err(fault)?;
    shown["cells"] = serde_json::to_value(cells).map_err(fault)?;
    Ok(value(shown))
}

/// The rows of a cell's last run, for `source(notebook_id=, notebook_cell_id=)`.
pub(super) fn cell_rows(backend: &Backend, args: &Args) -> Result<Box<dyn Rows>, Fault> {
    let id = args.string("notebook_id").unwrap_or_default().parse().map_err(fault)?;
    let (_, cells) = notebooks::show(&backend.actor(), &id).map_err(fault)?;
    let wanted = args.string("notebook_cell_id").filter(|number| !number.is_empty());
    let cell = match &wanted {
        None => cells.iter().rfind(|cell| cell.kind == CellKind::Vql),
        Some(number) => cells.iter().find(|cell| cell.number.to_string() == *number),
    };
    let Some(cell) = cell else {
        return Err(Fault::error(format!("{id} has no cell {}", wanted.unwrap_or_default())));
    };
    let start = args.int("start_row").map_or(0, |n| usize::try_from(n).unwrap_or_default());
    let mut lines = backend.store.cell_lines(cell.number, Kept::Rows).skip(start);
    Ok(Box::new(Pull::new(move |cx| {
        cx.charge(1)?;
        let Some(stored) = lines.next() else { return Ok(None) };
        line(&stored.map_err(fault)?).map(Some)
    })))
}
