//! Events as queries see them: `monitoring()`, `monitoring_logs()`, `watch_monitoring()`, `send_event()`.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use troodon_vql::{
    Arg, Args, Availability, Context, Fault, Function, Instant, Kind, Permission, Plugin, Pull,
    Rows, Scope, Step, Value, json as vql_json,
};

use super::flow::{artifact_name, micros};
use super::{Backend, backend, fault, json};
use crate::events;
use crate::limits::FOLLOW_MS;
use crate::model::id::ArtifactName;
use crate::store::event::EventReader;
use crate::store::server_event::{Arrived, Kind as Kept, Mark};

pub(super) const PLUGINS: &[&Plugin] = &[&MONITORING, &MONITORING_LOGS, &WATCH_MONITORING];
pub(super) const FUNCTIONS: &[&Function] = &[&SEND_EVENT];

/// Whose events those of the server are.
const SERVER: &str = "server";

const ARTIFACT: Arg = Arg::required(
    "artifact",
    Kind::String,
    "The artifact, with a slash and its source if it has one.",
);
const SOURCE: Arg = Arg::optional("source", Kind::String, "The source.");

const CLIENT: Arg =
    Arg::optional("client_id", Kind::String, "Whose; `server` or nothing for the server's.");
const START: Arg = Arg::optional(
    "start_time",
    Kind::Any,
    "What arrived from then on: a time or seconds since 1970.",
);
const END: Arg =
    Arg::optional("end_time", Kind::Any, "What arrived before: a time or seconds since 1970.");

static MONITORING: Plugin = Plugin::new(
    "monitoring",
    "Yields stored events: of a client, or without one of the server.",
    &[ARTIFACT, SOURCE, CLIENT, START, END],
    monitoring,
)
.needs(&[Permission::ReadResults])
.on(Availability::Server);

fn monitoring(cx: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    stored(&*backend(cx)?, &args, Kept::Rows)
}

static MONITORING_LOGS: Plugin = Plugin::new(
    "monitoring_logs",
    "Yields what event queries logged, of a client or without one of the server, and how many events of an artifact a \
     client had to drop.",
    &[ARTIFACT, SOURCE, CLIENT, START, END],
    monitoring_logs,
)
.needs(&[Permission::ReadResults])
.on(Availability::Server);

fn monitoring_logs(cx: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    stored(&*backend(cx)?, &args, Kept::Log)
}

/// Events of a client or of the server, as the arguments say.
pub(super) fn stored(backend: &Backend, args: &Args, kept: Kept) -> Result<Box<dyn Rows>, Fault> {
    let Some(name) = artifact_name(args)? else {
        return Err(Fault::error("name an artifact"));
    };
    let time = time(args)?;
    let (whose, events): (String, EventReader) = match args.string("client_id").as_deref() {
        None | Some("" | SERVER) => {
            let events = match kept {
                Kept::Rows => backend.store.server_events(&name, time),
                Kept::Log => backend.store.server_event_logs(&name, time),
            };
            (SERVER.to_owned(), events)
        }
        Some(id) => {
            let client = id.parse().map_err(fault)?;
            let events = match kept {
                Kept::Rows => backend.store.events(&client, &name, time),
                Kept::Log => backend.store.event_logs(&client, &name, time),
            };
            (id.to_owned(), events)
        }
    };
    Ok(rows(events, whose))
}

/// Microseconds since 1970.
fn time(args: &Args) -> Result<Range<u64>, Fault> {
    let start = args.value("start_time").map_or(Ok(0), micros)?;
    Ok(start..args.value("end_time").map_or(Ok(u64::MAX), micros)?)
}

fn rows(mut events: EventReader, whose: String) -> Box<dyn Rows> {
    Box::new(Pull::new(move |cx| {
        cx.charge(1)?;
        let Some(event) = events.next() else { return Ok(None) };
        let event = event.map_err(fault)?;
        json::event(&event.row, &whose, event.received_us).map(Some)
    }))
}

static WATCH_MONITORING: Plugin = Plugin::new(
    "watch_monitoring",
    "Yields events as they arrive, from all clients and from the server, until it is stopped.",
    &[ARTIFACT, SOURCE],
    watch_monitoring,
)
.needs(&[Permission::ReadResults])
.on(Availability::Server);

fn watch_monitoring(cx: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let backend = backend(cx)?;
    let Some(name) = artifact_name(&args)? else {
        return Err(Fault::error("name an artifact"));
    };
    let mark = backend.store.latest_events().map_err(fault)?;
    let (arrived, due) = (Vec::new().into_iter(), cx.instant());
    Ok(Box::new(Follow { backend, name, mark, arrived, due }))
}

/// Events behind a place.
struct Follow {
    backend: Arc<Backend>,
    name: ArtifactName,
    mark: Mark,
    arrived: std::vec::IntoIter<Arrived>,
    /// When the store is looked at again.
    due: Instant,
}

impl Rows for Follow {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        cx.charge(1)?;
        if self.arrived.len() == 0 {
            if cx.instant() < self.due {
                return Ok(Step::Pending(self.due));
            }
            let found = self.backend.store.events_behind(&self.name, self.mark);
            let (arrived, mark) = found.map_err(fault)?;
            (self.arrived, self.mark) = (arrived.into_iter(), mark);
        }
        match self.arrived.next() {
            None => {
                self.due = cx.instant().after(Duration::from_millis(FOLLOW_MS));
                Ok(Step::Pending(self.due))
            }
            Some(Arrived { client, received_us, row }) => {
                let whose = client.as_ref().map_or(SERVER, |id| id.as_str());
                Ok(Step::Row(json::event(&row, whose, received_us)?))
            }
        }
    }
}

static SEND_EVENT: Function = Function::new(
    "send_event",
    "Keeps an event of the server under the name of an artifact; answers TRUE.",
    &[ARTIFACT, Arg::required("row", Kind::Dict, "The event.")],
    send_event,
)
.needs(&[Permission::ServerAdmin])
.on(Availability::Server);

fn send_event(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let (Some(queue), Some(row)) = (artifact_name(args)?, args.dict("row")) else {
        return Err(Fault::error("name an artifact and give a row"));
    };
    let mut line = Vec::new();
    vql_json::write_row(row, &mut line);
    events::send(&backend(cx)?.actor(), &queue, &line).map_err(fault)?;
    Ok(Value::Bool(true))
}
