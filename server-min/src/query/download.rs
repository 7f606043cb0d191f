//! What of collections can be taken away: `enumerate_flow()`, `delete_flow()`, `create_flow_download()`,
//! `create_hunt_download()`.

use troodon_vql::{
    Arg, Args, Availability, Context, Fault, Function, Kind, Permission, Plugin, Pull, Row, Rows,
    Scope, Value,
};
use zeroize::Zeroizing;

use super::flow::{flow_id, site};
use super::hunt::hunt_id;
use super::json::{dict, texts};
use super::{Backend, backend, fault};
use crate::export::{self, Wishes};
use crate::flows;
use crate::model::id::FlowId;
use crate::model::site::Site;

pub(super) const PLUGINS: &[&Plugin] = &[&ENUMERATE_FLOW, &DELETE_FLOW];
pub(super) const FUNCTIONS: &[&Function] = &[&CREATE_FLOW_DOWNLOAD, &CREATE_HUNT_DOWNLOAD];

const CLIENT: Arg = Arg::required("client_id", Kind::String, "Which client, or `server`.");
const FLOW: Arg = Arg::required("flow_id", Kind::String, "Which collection.");
const WAIT: Arg =
    Arg::optional("wait", Kind::Bool, "Without effect: the answer comes when it is made.");
const PASSWORD: Arg = Arg::optional("password", Kind::String, "Encrypts it with AES-256.");

static ENUMERATE_FLOW: Plugin = Plugin::new(
    "enumerate_flow",
    "Yields what belongs to a collection: tables, the log and files.",
    &[CLIENT, FLOW],
    enumerate_flow,
)
.needs(&[Permission::ReadResults])
.on(Availability::Server);

fn enumerate_flow(cx: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    yielded(parts(&*backend(cx)?, site(&args)?, &flow_id(&args)?, &[])?)
}

static DELETE_FLOW: Plugin = Plugin::new(
    "delete_flow",
    "Removes a collection with its rows and files; yields what goes.",
    &[CLIENT, FLOW, Arg::optional("really_do_it", Kind::Bool, "Without it nothing is removed.")],
    delete_flow,
)
.needs(&[Permission::DeleteResults])
.on(Availability::Server);

fn delete_flow(cx: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let (backend, client, flow) = (backend(cx)?, site(&args)?, flow_id(&args)?);
    let really = args.flag("really_do_it");
    let rows = parts(&backend, client, &flow, &[("really_do_it", Value::Bool(really))])?;
    if really {
        flows::delete(&backend.actor(), client, &flow).map_err(fault)?;
    }
    yielded(rows)
}

fn yielded(rows: Vec<Row>) -> Result<Box<dyn Rows>, Fault> {
    let mut rows = rows.into_iter();
    Ok(Box::new(Pull::new(move |_| Ok(rows.next()))))
}

fn parts(
    backend: &Backend,
    client: Site,
    flow: &FlowId,
    more: &[(&str, Value)],
) -> Result<Vec<Row>, Fault> {
    let row = |kind: &str, name: &str, size: u64| {
        let mut row = troodon_vql::RowBuilder::new();
        row.set("client_id", Value::from(client.as_str()));
        row.set("flow_id", Value::from(flow.as_str()));
        row.set("Type", Value::from(kind));
        row.set("Name", Value::from(name));
        row.set("Size", Value::from(size));
        for (name, value) in more {
            row.set(*name, value.clone());
        }
        row.build()
    };
    let mut rows = vec![row("Flow", flow.as_str(), 0)];
    for set in backend.store.results(client, flow).map_err(fault)? {
        rows.push(row("Result", set.name.as_str(), set.bytes));
    }
    for file in backend.store.uploads(client, flow).map_err(fault)? {
        rows.push(row("Upload", &file.path, file.stored));
    }
    Ok(rows)
}

static CREATE_FLOW_DOWNLOAD: Function = Function::new(
    "create_flow_download",
    "Makes a zip file of a collection; answers with its Components, by which programs fetch it.",
    &[CLIENT, FLOW, WAIT, PASSWORD],
    create_flow_download,
)
.needs(&[Permission::PrepareResults])
.on(Availability::Server);

fn create_flow_download(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let actor = backend(cx)?.actor();
    let (client, flow) = (site(args)?, flow_id(args)?);
    let made = export::flow_download(&actor, client, &flow, &wishes(args)).map_err(fault)?;
    Ok(Value::Dict(dict([("Components", texts(made))])))
}

static CREATE_HUNT_DOWNLOAD: Function = Function::new(
    "create_hunt_download",
    "Makes a zip file of a hunt; answers with its Components, by which programs fetch it.",
    &[Arg::required("hunt_id", Kind::String, "Which hunt."), WAIT, PASSWORD],
    create_hunt_download,
)
.needs(&[Permission::PrepareResults])
.on(Availability::Server);

fn create_hunt_download(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let actor = backend(cx)?.actor();
    let made = export::hunt_download(&actor, &hunt_id(args)?, &wishes(args)).map_err(fault)?;
    Ok(Value::Dict(dict([("Components", texts(made))])))
}

fn wishes(args: &Args) -> Wishes {
    let password = args.string("password").filter(|password| !password.is_empty());
    Wishes { password: password.map(Zeroizing::new) }
}
