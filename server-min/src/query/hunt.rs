//! `hunts()`, `hunt_flows()`, `hunt_results()`, `hunt_delete()`.

use serde_json::Value as Json;
use troodon_vql::{
    Arg, Args, Availability, Context, Fault, Kind, Permission, Plugin, Pull, Row, Rows, Scope,
    Value,
};

use super::flow::{self, artifact_name};
use super::json::{self, dict};
use super::{Backend, backend, fault};
use crate::hunts::{self, HuntRows};
use crate::limits::{QUERY_FLOWS, QUERY_PARTICIPANTS};
use crate::model::hunt::{Hunt, Participant};
use crate::model::id::HuntId;
use crate::store::StoreError;

pub(super) const PLUGINS: &[&Plugin] = &[&HUNTS, &HUNT_FLOWS, &HUNT_RESULTS, &HUNT_DELETE];

const HUNT: Arg = Arg::required("hunt_id", Kind::String, "Which hunt.");

static HUNTS: Plugin = Plugin::new(
    "hunts",
    "Yields hunts with their statistics, latest first.",
    &[
        Arg::optional("hunt_id", Kind::String, "Only this one."),
        Arg::optional("offset", Kind::Int, "Hunts to leave out at the beginning."),
        Arg::optional("count", Kind::Int, "At most so many."),
    ],
    hunts_plugin,
)
.needs(&[Permission::ReadResults])
.on(Availability::Server);

fn hunts_plugin(cx: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let backend = backend(cx)?;
    if args.has("hunt_id") {
        let hunt = backend.store.hunt(&hunt_id(&args)?).map_err(fault)?;
        let mut row = Some(shown(&backend, &hunt)?);
        return Ok(Box::new(Pull::new(move |_| Ok(row.take()))));
    }
    let number = |name: &str, usual| {
        args.int(name).map_or(usual, |n| usize::try_from(n).unwrap_or_default())
    };
    let (mut skip, mut left) = (number("offset", 0), number("count", usize::MAX));
    let mut page = Vec::new().into_iter();
    Ok(Box::new(Pull::new(move |_| {
        if page.len() == 0 {
            let next = backend.store.hunts(skip, left.min(QUERY_FLOWS)).map_err(fault)?;
            skip += next.len();
            left -= next.len();
            page = next.into_iter();
        }
        page.next().map(|hunt| shown(&backend, &hunt)).transpose()
    })))
}

pub(super) fn shown(backend: &Backend, hunt: &Hunt) -> Result<Row, Fault> {
    match hunts::shown(&backend.store, hunt).map_err(fault)? {
        Json::Object(fields) => Ok(json::row(fields)),
        _ => Err(Fault::error("a hunt is damaged")),
    }
}

pub(super) fn hunt_id(args: &Args) -> Result<HuntId, Fault> {
    args.string("hunt_id").unwrap_or_default().parse().map_err(fault)
}

static HUNT_FLOWS: Plugin = Plugin::new(
    "hunt_flows",
    "Yields the clients of a hunt, each with its collection.",
    &[HUNT],
    hunt_flows,
)
.needs(&[Permission::ReadResults])
.on(Availability::Server);

fn hunt_flows(cx: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let (backend, hunt) = (backend(cx)?, hunt_id(&args)?);
    let mut after = None;
    let mut page = Vec::new().into_iter();
    Ok(Box::new(Pull::new(move |_| {
        if page.len() == 0 {
            let next = backend.store.participants(&hunt, after.as_ref(), QUERY_PARTICIPANTS);
            page = next.map_err(fault)?.into_iter();
        }
        let Some(next) = page.next() else { return Ok(None) };
        after = Some(next.client);
        flow_row(&backend, &hunt, &next).map(Some)
    })))
}

fn flow_row(backend: &Backend, hunt: &HuntId, next: &Participant) -> Result<Row, Fault> {
    let found = match backend.store.flow(next.client, &next.flow) {
        Ok(found) => Value::Dict(flow::shown(&found)),
        // Somebody deleted it.
        Err(StoreError::NoFlow { .. }) => Value::Null,
        Err(other) => return Err(fault(other)),
    };
    Ok(dict([
        ("HuntId", Value::from(hunt.as_str())),
        ("ClientId", Value::from(next.client.as_str())),
        ("FlowId", Value::from(next.flow.as_str())),
        ("Timestamp", Value::from(next.joined_us / 1_000_000)),
        ("Flow", found),
    ]))
}

static HUNT_RESULTS: Plugin = Plugin::new(
    "hunt_results",
    "Yields the rows of all clients of a hunt: those of the first table unless an artifact is named.",
    &[
        HUNT,
        Arg::optional("artifact", Kind::String, "The artifact, with a slash and its source if it has one."),
        Arg::optional("source", Kind::String, "The source."),
    ],
    hunt_results,
)
.needs(&[Permission::ReadResults])
.on(Availability::Server);

fn hunt_results(cx: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let backend = backend(cx)?;
    let hunt = hunt_id(&args)?;
    backend.store.hunt(&hunt).map_err(fault)?;
    let mut rows = HuntRows::new(backend.store.clone(), hunt, artifact_name(&args)?);
    Ok(Box::new(Pull::new(move |cx| {
        cx.charge(1)?;
        let Some(next) = rows.next() else { return Ok(None) };
        Ok(Some(json::row(next.map_err(fault)?.object().map_err(fault)?)))
    })))
}

static HUNT_DELETE: Plugin = Plugin::new(
    "hunt_delete",
    "Removes a hunt with the collections that it made; yields what goes.",
    &[HUNT, Arg::optional("really_do_it", Kind::Bool, "Without it nothing is removed.")],
    hunt_delete,
)
.needs(&[Permission::ServerAdmin])
.on(Availability::Server);

fn hunt_delete(cx: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let (backend, hunt, really) = (backend(cx)?, hunt_id(&args)?, args.flag("really_do_it"));
    let own = hunt.flow();
    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let page = backend.store.participants(&hunt, after.as_ref(), QUERY_PARTICIPANTS);
        let page = page.map_err(fault)?;
        let Some(last) = page.last() else { break };
        after = Some(last.client);
        rows.extend(page.iter().filter(|one| one.flow == own).map(|one| gone(one, really)));
    }
    if really {
        hunts::delete(&backend.actor(), &hunt).map_err(fault)?;
    }
    let mut rows = rows.into_iter();
    Ok(Box::new(Pull::new(move |_| Ok(rows.next()))))
}

fn gone(one: &Participant, really: bool) -> Row {
    dict([
        ("client_id", Value::from(one.client.as_str())),
        ("flow_id", Value::from(one.flow.as_str())),
        ("really_do_it", Value::Bool(really)),
    ])
}
