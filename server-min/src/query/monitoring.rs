//! What is watched: `add_client_monitoring()`, `rm_client_monitoring()`, `get_client_monitoring()`, and the same of the
//! server.

use std::collections::BTreeMap;

use troodon_vql::{
    Arg, Args, Availability, Context, Fault, Function, Kind, Permission, Scope, Value,
};

use super::collect::text;
use super::json::value;
use super::{backend, fault};
use crate::model::monitoring::Watch;
use crate::server_monitoring;

pub(super) const FUNCTIONS: &[&Function] =
    &[&ADD, &REMOVE, &GET, &ADD_SERVER, &REMOVE_SERVER, &GET_SERVER];

static ADD: Function = Function::new(
    "add_client_monitoring",
    "Lets clients watch an event artifact; answers with all that is watched.",
    &[
        Arg::required("artifact", Kind::String, "A CLIENT_EVENT artifact."),
        Arg::optional("label", Kind::String, "Only clients with this label; without it all."),
        Arg::optional("parameters", Kind::Dict, "Parameters of the artifact."),
    ],
    add,
)
.needs(&[Permission::CollectClient])
.on(Availability::Server);

fn add(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let backend = backend(cx)?;
    let label = args.string("label").filter(|label| !label.is_empty());
    let principal = backend.token.principal();
    let list = backend.monitoring.add(principal, label.as_deref(), watch(args)).map_err(fault)?;
    shown(&list)
}

fn watch(args: &Args) -> Watch {
    let parameters: BTreeMap<String, String> = args
        .dict("parameters")
        .into_iter()
        .flat_map(|dict| dict.iter())
        .map(|(name, value)| (name.to_str_lossy().into_owned(), text(value)))
        .collect();
    Watch { artifact: args.string("artifact").unwrap_or_default(), parameters }
}

static REMOVE: Function = Function::new(
    "rm_client_monitoring",
    "Lets clients watch an event artifact no longer; answers with all that is watched.",
    &[
        Arg::required("artifact", Kind::String, "Its name."),
        Arg::optional("label", Kind::String, "The label with which it was added."),
    ],
    remove,
)
.needs(&[Permission::CollectClient])
.on(Availability::Server);

fn remove(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let backend = backend(cx)?;
    let artifact = args.string("artifact").unwrap_or_default();
    let label = args.string("label").filter(|label| !label.is_empty());
    let principal = backend.token.principal();
    let list = backend.monitoring.remove(principal, label.as_deref(), &artifact).map_err(fault)?;
    shown(&list)
}

static GET: Function =
    Function::new("get_client_monitoring", "All event artifacts that clients watch.", &[], get)
        .needs(&[Permission::ReadResults])
        .on(Availability::Server);

fn get(cx: &mut Context, _: &Scope, _: &Args) -> Result<Value, Fault> {
    shown(&backend(cx)?.monitoring.list().map_err(fault)?)
}

static ADD_SERVER: Function = Function::new(
    "add_server_monitoring",
    "Lets an event artifact run on the server with the caller's rights; answers with all that runs there.",
    &[
        Arg::required("artifact", Kind::String, "A SERVER_EVENT artifact."),
        Arg::optional("parameters", Kind::Dict, "Parameters of the artifact."),
    ],
    add_server,
)
.needs(&[Permission::CollectServer])
.on(Availability::Server);

fn add_server(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let backend = backend(cx)?;
    let list = server_monitoring::add(&backend.actor(), &backend.launcher, watch(args));
    shown(&list.map_err(fault)?)
}

static REMOVE_SERVER: Function = Function::new(
    "rm_server_monitoring",
    "Ends an event artifact on the server; answers with all that runs there.",
    &[Arg::required("artifact", Kind::String, "Its name.")],
    remove_server,
)
.needs(&[Permission::CollectServer])
.on(Availability::Server);

fn remove_server(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let backend = backend(cx)?;
    let artifact = args.string("artifact").unwrap_or_default();
    let list = server_monitoring::remove(&backend.actor(), &backend.launcher, &artifact);
    shown(&list.map_err(fault)?)
}

static GET_SERVER: Function = Function::new(
    "get_server_monitoring",
    "All event artifacts that run on the server, with whose rights they run.",
    &[],
    get_server,
)
.needs(&[Permission::ReadResults])
.on(Availability::Server);

fn get_server(cx: &mut Context, _: &Scope, _: &Args) -> Result<Value, Fault> {
    let backend = backend(cx)?;
    shown(&server_monitoring::list(&backend.store, &backend.launcher).map_err(fault)?)
}

fn shown(list: &impl serde::Serialize) -> Result<Value, Fault> {
    Ok(value(serde_json::to_value(list).map_err(fault)?))
}
