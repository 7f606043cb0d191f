//! `clients()`, `client_info()`, `label()`, `client_delete()`.

use troodon_vql::{
    Arg, Args, Availability, Context, Fault, Function, Kind, Permission, Plugin, Pull, Row, Rows,
    Scope, Value,
};

use super::json::{dict, texts};
use super::{backend, fault};
use crate::clients;
use crate::limits::{QUERY_CLIENTS, QUERY_FLOWS};
use crate::model::client::{Client, Host};
use crate::model::id::ClientId;
use crate::model::search::Search;
use crate::store::search::Page;

pub(super) const PLUGINS: &[&Plugin] = &[&CLIENTS, &CLIENT_DELETE];
pub(super) const FUNCTIONS: &[&Function] = &[&CLIENT_INFO, &LABEL];

static CLIENTS: Plugin = Plugin::new(
    "clients",
    "Yields the record of each client: in the order of ids, or of what was found.",
    &[
        Arg::optional("client_id", Kind::String, "Only this client."),
        Arg::optional(
            "search",
            Kind::String,
            "Only clients with `label:L`, `host:H`, `mac:M`, or the beginning of an id, of a word in a name, of a label; \
             `*` stands for anything.",
        ),
        Arg::optional("limit", Kind::Int, "At most so many."),
    ],
    clients,
)
.needs(&[Permission::ReadResults])
.on(Availability::Server);

fn clients(cx: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let backend = backend(cx)?;
    let mut left = args.int("limit").map_or(usize::MAX, |n| usize::try_from(n).unwrap_or_default());
    if let Some(id) = args.string("client_id") {
        let found = backend.store.client(&id.parse().map_err(fault)?).map_err(fault)?;
        let mut found = found.iter().map(shown).collect::<Vec<_>>().into_iter();
        return Ok(Box::new(Pull::new(move |_| Ok(found.next()))));
    }
    let search = Search::parse(&args.string("search").unwrap_or_default());
    let mut page = Vec::new().into_iter();
    let mut cursor = None;
    let mut done = false;
    Ok(Box::new(Pull::new(move |cx| {
        cx.charge(1)?;
        if page.len() == 0 && !done {
            let wanted = left.min(QUERY_CLIENTS);
            let found = backend.store.search_clients(&search, cursor.as_ref(), wanted);
            let Page { clients, next } = found.map_err(fault)?;
            done = next.is_none();
            (page, cursor) = (clients.into_iter(), next);
        }
        let Some(client) = page.next().filter(|_| left > 0) else { return Ok(None) };
        left -= 1;
        Ok(Some(shown(&client)))
    })))
}

/// The row of a client. Columns and their units are Velociraptor's.
fn shown(client: &Client) -> Row {
    let Host { hostname, fqdn, system, release, architecture, .. } = &client.host;
    let agent = [
        ("version", Value::from(client.host.client_version.as_str())),
        ("name", Value::from(client.host.client_name.as_str())),
        ("build_time", Value::from(client.host.build_time.as_str())),
        ("build_url", Value::from(client.host.build_url.as_str())),
    ];
    let system = [
        ("system", Value::from(system.as_str())),
        ("hostname", Value::from(hostname.as_str())),
        ("release", Value::from(release.as_str())),
        ("machine", Value::from(architecture.as_str())),
        ("fqdn", Value::from(fqdn.as_str())),
        ("mac_addresses", texts(&client.host.mac_addresses)),
    ];
    let interrogation = client.interrogation.as_ref().map_or("", |flow| flow.as_str());
    dict([
        ("client_id", Value::from(client.id.as_str())),
        ("agent_information", Value::Dict(dict(agent))),
        ("os_info", Value::Dict(dict(system))),
        ("first_seen_at", Value::from(client.enrolled_us / 1_000_000)),
        ("last_seen_at", Value::from(client.seen_us)),
        ("last_ip", Value::from(client.address.as_str())),
        ("last_interrogate_flow_id", Value::from(interrogation)),
        ("labels", texts(&client.labels)),
    ])
}

static CLIENT_INFO: Function = Function::new(
    "client_info",
    "The record of a client; NULL if there is none.",
    &[Arg::required("client_id", Kind::String, "Which client.")],
    client_info,
)
.needs(&[Permission::ReadResults])
.on(Availability::Server);

fn client_info(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let id = args.string("client_id").unwrap_or_default().parse().map_err(fault)?;
    let found = backend(cx)?.store.client(&id).map_err(fault)?;
    Ok(found.map_or(Value::Null, |client| Value::Dict(shown(&client))))
}

static LABEL: Function = Function::new(
    "label",
    "Gives labels to a client, or takes them away.",
    &[
        Arg::required("client_id", Kind::String, "Which client."),
        Arg::required("labels", Kind::List, "The labels."),
        Arg::optional("op", Kind::String, "`set` (which is what happens without it) or `remove`."),
    ],
    label,
)
.needs(&[Permission::LabelClient])
.on(Availability::Server);

fn label(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let id = args.string("client_id").unwrap_or_default().parse().map_err(fault)?;
    let labels: Vec<String> = args
        .list("labels")
        .into_iter()
        .flat_map(|list| list.iter())
        .filter_map(|label| label.as_text().map(|text| text.to_str_lossy().into_owned()))
        .collect();
    let (add, remove) = match args.string("op").as_deref() {
        None | Some("" | "set" | "add") => (labels, Vec::new()),
        Some("remove") => (Vec::new(), labels),
        Some(other) => return Err(Fault::error(format!("op is set or remove, not {other}"))),
    };
    clients::label(&backend(cx)?.actor(), &id, add, remove).map_err(fault)?;
    Ok(Value::Bool(true))
}

static CLIENT_DELETE: Plugin = Plugin::new(
    "client_delete",
    "Removes a client with its collections, files and events; yields what goes.",
    &[
        Arg::required("client_id", Kind::String, "Which client."),
        Arg::optional("really_do_it", Kind::Bool, "Without it nothing is removed."),
    ],
    client_delete,
)
.needs(&[Permission::ServerAdmin])
.on(Availability::Server);

fn client_delete(cx: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let backend = backend(cx)?;
    let id: ClientId = args.string("client_id").unwrap_or_default().parse().map_err(fault)?;
    let really = args.flag("really_do_it");
    let mut rows = Vec::new();
    if backend.store.client(&id).map_err(fault)?.is_some() {
        rows.push(gone(&id, "client", id.as_str(), really));
    }
    let mut skip = 0;
    loop {
        let page = backend.store.flows(id, skip, QUERY_FLOWS).map_err(fault)?;
        skip += page.len();
        rows.extend(page.iter().map(|flow| gone(&id, "flow", flow.id.as_str(), really)));
        if page.len() < QUERY_FLOWS {
            break;
        }
    }
    let names = backend.store.event_names(&id).map_err(fault)?;
    rows.extend(names.iter().map(|name| gone(&id, "events", name.as_str(), really)));
    if really {
        clients::delete(&backend.actor(), &id).map_err(fault)?;
    }
    let mut rows = rows.into_iter();
    Ok(Box::new(Pull::new(move |_| Ok(rows.next()))))
}

fn gone(client: &ClientId, kind: &str, name: &str, really: bool) -> Row {
    dict([
        ("client_id", Value::from(client.as_str())),
        ("type", Value::from(kind)),
        ("name", Value::from(name)),
        ("really_do_it", Value::Bool(really)),
    ])
}
