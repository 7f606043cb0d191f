//! Collections and what they brought: `flows()`, `flow_results()`, `source()`, `flow_logs()`, `uploads()`.

use troodon_vql::{
    Arg, Args, Availability, Context, Fault, Kind, Permission, Plugin, Pull, Row, Rows, Scope,
    Value,
};

use super::json::{self, dict, line, texts};
use super::{Backend, backend, event, fault};
use crate::export::safe_name;
use crate::limits::QUERY_FLOWS;
use crate::model::flow::Flow;
use crate::model::id::{ArtifactName, FlowId};
use crate::model::site::Site;
use crate::store::now_us;
use crate::store::server_event::Kind as Kept;
use crate::store::upload::Upload;

pub(super) const PLUGINS: &[&Plugin] = &[&FLOWS, &FLOW_RESULTS, &SOURCE, &FLOW_LOGS, &UPLOADS];

const CLIENT: Arg = Arg::required("client_id", Kind::String, "Which client, or `server`.");
const FLOW: Arg = Arg::required("flow_id", Kind::String, "Which collection.");

static FLOWS: Plugin = Plugin::new(
    "flows",
    "Yields the collections of a client, latest first.",
    &[CLIENT, Arg::optional("flow_id", Kind::String, "Only this collection.")],
    flows,
)
.needs(&[Permission::ReadResults])
.on(Availability::Server);

fn flows(cx: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let backend = backend(cx)?;
    let client = site(&args)?;
    if let Some(id) = args.string("flow_id") {
        let flow = backend.store.flow(client, &id.parse().map_err(fault)?).map_err(fault)?;
        let mut row = Some(shown(&flow));
        return Ok(Box::new(Pull::new(move |_| Ok(row.take()))));
    }
    let (mut skip, mut page) = (0, Vec::new().into_iter());
    Ok(Box::new(Pull::new(move |_| {
        if page.len() == 0 {
            let next = backend.store.flows(client, skip, QUERY_FLOWS).map_err(fault)?;
            skip += next.len();
            page = next.into_iter();
        }
        Ok(page.next().map(|flow: Flow| shown(&flow)))
    })))
}

/// The row of a collection. Columns and their units are Velociraptor's.
pub(super) fn shown(flow: &Flow) -> Row {
    let totals = flow.totals();
    let names = flow.stats.query_status.iter().flat_map(|query| &query.names_with_response);
    let queries = flow.stats.query_status.iter().map(|query| {
        Value::Dict(dict([
            ("status", Value::from(query.status().as_str_name())),
            ("error_message", Value::from(query.error_message.as_str())),
            ("names_with_response", texts(&query.names_with_response)),
            ("result_rows", Value::from(query.result_rows)),
            ("log_rows", Value::from(query.log_rows)),
            ("uploaded_files", Value::from(query.uploaded_files)),
            ("uploaded_bytes", Value::from(query.uploaded_bytes)),
            ("duration", Value::from(query.duration)),
        ]))
    });
    let queries = queries.collect::<Vec<_>>();
    dict([
        ("session_id", Value::from(flow.id.as_str())),
        ("client_id", Value::from(flow.site.as_str())),
        ("creator", Value::from(flow.creator.as_str())),
        ("artifacts", texts(&flow.artifacts)),
        ("request", json::value(flow.spec.clone())),
        ("create_time", Value::from(flow.created_us)),
        ("start_time", Value::from(flow.delivered_us)),
        ("active_time", Value::from(flow.active_us)),
        ("expires", Value::from(flow.expires_us())),
        ("state", Value::from(flow.state(now_us()).name())),
        ("status", Value::from(flow.status())),
        ("execution_duration", Value::from(totals.duration_ns)),
        ("total_collected_rows", Value::from(totals.rows)),
        ("total_logs", Value::from(totals.logs)),
        ("total_uploaded_files", Value::from(totals.uploaded_files)),
        ("total_uploaded_bytes", Value::from(totals.uploaded_bytes)),
        ("total_expected_uploaded_bytes", Value::from(totals.expected_bytes)),
        ("artifacts_with_results", texts(names)),
        ("query_stats", Value::from(queries)),
    ])
}

static FLOW_RESULTS: Plugin = Plugin::new(
    "flow_results",
    "Yields the rows of a collection: those of its first table unless an artifact is named.",
    &[
        CLIENT,
        FLOW,
        Arg::optional(
            "artifact",
            Kind::String,
            "The artifact, with a slash and its source if it has one.",
        ),
        Arg::optional("source", Kind::String, "The source."),
        Arg::optional("start_row", Kind::Int, "Rows to leave out at the beginning."),
    ],
    flow_results,
)
.needs(&[Permission::ReadResults])
.on(Availability::Server);

fn flow_results(cx: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    stored_rows(&*backend(cx)?, &args)
}

static SOURCE: Plugin = Plugin::new(
    "source",
    "Yields stored rows: of a collection when flow_id is given, of a cell when notebook_id is, else the events that a client \
     sent, or the server's.",
    &[
        Arg::optional("client_id", Kind::String, "Which client; `server` or nothing for events of the server."),
        Arg::optional("flow_id", Kind::String, "Which collection."),
        Arg::optional("artifact", Kind::String, "The artifact, with a slash and its source if it has one."),
        Arg::optional("source", Kind::String, "The source."),
        Arg::optional("start_row", Kind::Int, "Rows of a collection to leave out at the beginning."),
        Arg::optional("start_time", Kind::Any, "Events that arrived from then on: a time or seconds since 1970."),
        Arg::optional("end_time", Kind::Any, "Events that arrived before: a time or seconds since 1970."),
        Arg::optional("notebook_id", Kind::String, "Which notebook; the caller has to see it."),
        Arg::optional("notebook_cell_id", Kind::String, "Which cell (the last one with a query)."),
    ],
    source,
)
.needs(&[Permission::ReadResults])
.on(Availability::Server);

fn source(cx: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let backend = backend(cx)?;
    if args.has("notebook_id") {
        return super::notebook::cell_rows(&backend, &args);
    }
    if args.has("flow_id") {
        return stored_rows(&backend, &args);
    }
    event::stored(&backend, &args, Kept::Rows)
}

fn stored_rows(backend: &Backend, args: &Args) -> Result<Box<dyn Rows>, Fault> {
    let (client, flow) = (site(args)?, flow_id(args)?);
    let name = match artifact_name(args)? {
        Some(name) => name,
        None => match backend.store.results(client, &flow).map_err(fault)?.into_iter().next() {
            Some(first) => first.name,
            None => return Ok(Box::new(Pull::new(|_| Ok(None)))),
        },
    };
    let start = args.int("start_row").map_or(0, |n| u64::try_from(n).unwrap_or_default());
    let mut lines = backend.store.rows(client, &flow, &name, start).map_err(fault)?;
    Ok(Box::new(Pull::new(move |_| {
        let Some(stored) = lines.next() else { return Ok(None) };
        line(&stored.map_err(fault)?).map(Some)
    })))
}

static FLOW_LOGS: Plugin = Plugin::new(
    "flow_logs",
    "Yields what the queries of a collection logged.",
    &[CLIENT, FLOW],
    flow_logs,
)
.needs(&[Permission::ReadResults])
.on(Availability::Server);

fn flow_logs(cx: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let backend = backend(cx)?;
    let mut lines = backend.store.logs(site(&args)?, &flow_id(&args)?, 0).map_err(fault)?;
    Ok(Box::new(Pull::new(move |_| {
        let Some(stored) = lines.next() else { return Ok(None) };
        line(&stored.map_err(fault)?).map(Some)
    })))
}

static UPLOADS: Plugin = Plugin::new(
    "uploads",
    "Yields the files that a collection copied to the server.",
    &[CLIENT, FLOW],
    uploads,
)
.needs(&[Permission::ReadResults])
.on(Availability::Server);

fn uploads(cx: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let (client, flow) = (site(&args)?, flow_id(&args)?);
    let mut files = backend(cx)?.store.uploads(client, &flow).map_err(fault)?.into_iter();
    Ok(Box::new(Pull::new(move |_| Ok(files.next().map(|file| file_row(client, &flow, &file))))))
}

fn file_row(client: Site, flow: &FlowId, file: &Upload) -> Row {
    let name = safe_name(file.number, &file.path);
    let place = ["clients", client.as_str(), "collections", flow.as_str(), "uploads", &name];
    let stored = [
        ("Path", Value::from(file.path.as_str())),
        ("Size", Value::from(file.size)),
        ("StoredSize", Value::from(file.stored)),
        ("Accessor", Value::from(file.accessor.as_str())),
        ("Components", texts(place)),
    ];
    dict([
        ("started", Value::from(file.started_us)),
        ("client_path", Value::from(file.path.as_str())),
        ("accessor", Value::from(file.accessor.as_str())),
        ("file_size", Value::from(file.size)),
        ("uploaded_size", Value::from(file.stored)),
        ("complete", Value::Bool(file.complete)),
        ("upload_number", Value::from(file.number)),
        ("Upload", Value::Dict(dict(stored))),
    ])
}

/// A client, or the server.
pub(super) fn site(args: &Args) -> Result<Site, Fault> {
    args.string("client_id").unwrap_or_default().parse().map_err(fault)
}

/// A collection.
pub(super) fn flow_id(args: &Args) -> Result<FlowId, Fault> {
    args.string("flow_id").unwrap_or_default().parse().map_err(fault)
}

pub(super) fn artifact_name(args: &Args) -> Result<Option<ArtifactName>, Fault> {
    let Some(artifact) = args.string("artifact").filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    let name = match args.string("source").filter(|name| !name.is_empty()) {
        Some(source) => format!("{artifact}/{source}"),
        None => artifact,
    };
    name.parse().map(Some).map_err(fault)
}

/// Microseconds since 1970 of a time or of a number of seconds.
pub(super) fn micros(value: &Value) -> Result<u64, Fault> {
    let seconds =
        |seconds: i64| u64::try_from(seconds).unwrap_or_default().saturating_mul(1_000_000);
    match value {
        Value::Time(time) => Ok(u64::try_from(time.nanos() / 1000).unwrap_or_default()),
        Value::Int(number) => Ok(seconds(*number)),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the cast saturates, and nobody asks for fractions"
        )]
        Value::Float(number) => Ok(seconds(*number as i64)),
        _ => Err(Fault::error("a time is a timestamp() or seconds since 1970")),
    }
}
