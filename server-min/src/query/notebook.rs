//! `notebooks()`, `notebook_get()`.

use troodon_vql::{
    Arg, Args, Availability, Context, Fault, Function, Kind, Permission, Plugin, Pull, Rows, Scope,
    Value,
};

use super::json::value;
use super::{backend, fault};
use crate::notebooks;

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
