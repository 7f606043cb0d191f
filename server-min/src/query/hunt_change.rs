//! `hunt()`, `hunt_add()`, `hunt_update()`, `hunt_info()`.

use troodon_vql::{
    Arg, Args, Availability, Context, Fault, Function, Kind, Permission, Scope, Value,
};

use super::collect::{texts, wanted};
use super::flow::micros;
use super::hunt::{hunt_id, shown};
use super::json::dict;
use super::{backend, fault};
use crate::hunts::{self, Edit, NewHunt};
use crate::model::hunt::{Condition, HuntState, Os};

pub(super) const FUNCTIONS: &[&Function] = &[&HUNT, &HUNT_ADD, &HUNT_UPDATE, &HUNT_INFO];

const ID: Arg = Arg::required("hunt_id", Kind::String, "Which hunt.");

static HUNT: Function = Function::new(
    "hunt",
    "Makes a hunt, which takes clients at once unless it is to pause; answers with its HuntId.",
    &[
        Arg::required("artifacts", Kind::List, "Names of artifacts."),
        Arg::optional("description", Kind::String, "For people."),
        Arg::optional("env", Kind::Dict, "Parameters of all artifacts."),
        Arg::optional(
            "spec",
            Kind::Dict,
            "Parameters of each: a dict of dicts, by the artifact's name.",
        ),
        Arg::optional("timeout", Kind::Int, "Seconds that a query may run."),
        Arg::optional("ops_per_second", Kind::Float, "Steps in a second."),
        Arg::optional("cpu_limit", Kind::Float, "Percent of the processor."),
        Arg::optional("iops_limit", Kind::Float, "Operations in a second."),
        Arg::optional("max_rows", Kind::Int, "Rows after which a collection ends."),
        Arg::optional("max_bytes", Kind::Int, "Bytes of files after which a collection ends."),
        Arg::optional("urgent", Kind::Bool, "Overtakes other collections."),
        Arg::optional("pause", Kind::Bool, "Takes no clients until somebody starts it."),
        Arg::optional(
            "expires",
            Kind::Any,
            "When it takes no more clients: a time or seconds since 1970.",
        ),
        Arg::optional("include_labels", Kind::List, "Only clients with one of these labels."),
        Arg::optional("exclude_labels", Kind::List, "No clients with one of these labels."),
        Arg::optional("os", Kind::String, "Only clients with `linux`, `windows` or `darwin`."),
        Arg::optional("client_limit", Kind::Int, "At most so many clients."),
    ],
    hunt,
)
.needs(&[Permission::CollectClient])
.on(Availability::Server);

fn hunt(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let backend = backend(cx)?;
    let os = match args.string("os").as_deref() {
        None | Some("" | "all" | "ALL") => None,
        Some(name) => match Os::named(name) {
            None => {
                return Err(Fault::error(format!("os is linux, windows or darwin, not {name}")));
            }
            known => known,
        },
    };
    let new = NewHunt {
        description: args.string("description").unwrap_or_default(),
        collect: wanted(args),
        condition: Condition {
            labels: texts(args, "include_labels"),
            excluded_labels: texts(args, "exclude_labels"),
            os,
        },
        client_limit: args.int("client_limit").map_or(0, |n| u64::try_from(n).unwrap_or_default()),
        expires_us: args.value("expires").map_or(Ok(0), micros)?,
        running: !args.flag("pause"),
    };
    let id = hunts::create(&backend.actor(), &backend.launcher, &new).map_err(fault)?;
    Ok(Value::Dict(dict([("HuntId", Value::from(id.as_str()))])))
}

static HUNT_ADD: Function = Function::new(
    "hunt_add",
    "Puts a client into a hunt, whatever the hunt wants; answers whether it was not in it before.",
    &[
        Arg::required("client_id", Kind::String, "Which client."),
        ID,
        Arg::optional(
            "flow_id",
            Kind::String,
            "A collection that is there; without it, the client gets one.",
        ),
    ],
    hunt_add,
)
.needs(&[Permission::StartHunt])
.on(Availability::Server);

fn hunt_add(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let backend = backend(cx)?;
    let client = args.string("client_id").unwrap_or_default().parse().map_err(fault)?;
    let flow = args.string("flow_id").filter(|id| !id.is_empty());
    let flow = flow.map(|id| id.parse()).transpose().map_err(fault)?;
    let (actor, hunt) = (backend.actor(), hunt_id(args)?);
    hunts::add(&actor, &backend.launcher, &hunt, &client, flow).map(Value::Bool).map_err(fault)
}

static HUNT_UPDATE: Function = Function::new(
    "hunt_update",
    "Starts, pauses, stops or describes a hunt; answers with its hunt_id.",
    &[
        ID,
        Arg::optional("start", Kind::Bool, "It takes clients."),
        Arg::optional("pause", Kind::Bool, "It takes no clients for the time being."),
        Arg::optional("stop", Kind::Bool, "It takes no more clients."),
        Arg::optional("description", Kind::String, "For people."),
        Arg::optional(
            "expires",
            Kind::Any,
            "When it takes no more clients: a time or seconds since 1970.",
        ),
    ],
    hunt_update,
)
.needs(&[Permission::CollectClient])
.on(Availability::Server);

fn hunt_update(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let backend = backend(cx)?;
    let state = match (args.flag("start"), args.flag("pause"), args.flag("stop")) {
        (false, false, false) => None,
        (true, false, false) => Some(HuntState::Running),
        (false, true, false) => Some(HuntState::Paused),
        (false, false, true) => Some(HuntState::Stopped),
        _ => return Err(Fault::error("one of start, pause and stop")),
    };
    let edit = Edit {
        state,
        description: args.string("description"),
        expires_us: args.value("expires").map(micros).transpose()?,
    };
    let hunt = hunt_id(args)?;
    hunts::edit(&backend.actor(), &backend.launcher, &hunt, edit).map_err(fault)?;
    Ok(Value::from(hunt.as_str()))
}

static HUNT_INFO: Function =
    Function::new("hunt_info", "A hunt with its statistics, as a dict.", &[ID], hunt_info)
        .needs(&[Permission::ReadResults])
        .on(Availability::Server);

fn hunt_info(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let backend = backend(cx)?;
    let hunt = backend.store.hunt(&hunt_id(args)?).map_err(fault)?;
    shown(&backend, &hunt).map(Value::Dict)
}
