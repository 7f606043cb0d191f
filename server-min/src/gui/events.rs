//! Event rows of a client or of the server, within a time.

use std::ops::Range;

use askama::Template;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::clients::{client_id, missing};
use super::download::{self, Format};
use super::fault::Fault;
use super::page::{self, Frame};
use super::table::{Table, View};
use super::time::{Moment, instant};
use super::visitor::Visitor;
use crate::model::door::Door;
use crate::model::id::{ArtifactName, ClientId};
use crate::store::event::EventRow;
use crate::store::{Store, StoreError, now_us};

/// What is shown unless somebody asks for another time.
const USUAL_US: u64 = 24 * 3_600_000_000;

#[derive(Template)]
#[template(path = "events.html")]
struct Show {
    frame: Frame,
    /// `None`: of the server.
    client: Option<ClientId>,
    host: String,
    names: Vec<ArtifactName>,
    table: Option<Table>,
    from: String,
    until: String,
    span: (Moment, Moment),
}

pub(super) async fn of_client(
    visitor: Visitor,
    Path(client): Path<String>,
    view: View,
) -> Result<Response, Fault> {
    let id = client_id(&client)?;
    tokio::task::spawn_blocking(move || show(&visitor, Some(id), &view)).await?
}

pub(super) async fn of_server(visitor: Visitor, view: View) -> Result<Response, Fault> {
    tokio::task::spawn_blocking(move || show(&visitor, None, &view)).await?
}

fn show(visitor: &Visitor, client: Option<ClientId>, view: &View) -> Result<Response, Fault> {
    visitor.actor().enter(Door::Results, about(client))?;
    let store = visitor.store();
    let host = match &client {
        Some(id) => store.client(id)?.ok_or_else(|| missing(id))?.host.hostname,
        None => String::new(),
    };
    let names = match &client {
        Some(id) => store.event_names(id)?,
        None => store.server_event_names()?,
    };
    let chosen = match &view.name {
        Some(wanted) => names.iter().find(|name| name.as_str() == wanted),
        None => names.first(),
    };
    let span = span(view.field("from"), view.field("until"))?;
    let base = &visitor.settings().base_path;
    let table = chosen.map(|name| table(store, base, client, name, (view, &span)));
    let show = Show {
        frame: Frame::of(visitor),
        client,
        host,
        table: table.transpose()?,
        names,
        from: view.field("from").to_owned(),
        until: view.field("until").to_owned(),
        span: (Moment(span.start), Moment(span.end)),
    };
    Ok(page::html(StatusCode::OK, &show))
}

fn about(client: Option<ClientId>) -> Value {
    json!({"client": client.map(|id| id.to_string()), "events": true})
}

/// The times of the form in UTC; a day back from now where they are empty.
fn span(from: &str, until: &str) -> Result<Range<u64>, Fault> {
    let at = |text: &str, usual: u64| match text {
        "" => Ok(usual),
        given => instant(given).ok_or_else(|| {
            Fault::Wrong(format!("`{given}` is no time such as 2026-05-31T23:00 (UTC)"))
        }),
    };
    let end = at(until, now_us().saturating_add(1))?;
    Ok(at(from, end.saturating_sub(USUAL_US))?..end)
}

fn table(
    store: &Store,
    base: &str,
    client: Option<ClientId>,
    name: &ArtifactName,
    (view, span): (&View, &Range<u64>),
) -> Result<Table, StoreError> {
    let view = view.named(name.as_str());
    let open = |start| {
        let skip = usize::try_from(start).unwrap_or(usize::MAX);
        Ok(rows(store, client, name, span.clone()).skip(skip))
    };
    let mut table = Table::read(&view, None, open)?;
    let place = match client {
        Some(id) => format!("{base}/clients/{id}/events/rows?"),
        None => format!("{base}/monitoring/events/rows?"),
    };
    let mut query = form_urlencoded::Serializer::new(place);
    query.append_pair("name", name.as_str());
    for field in ["from", "until"] {
        query.append_pair(field, view.field(field));
    }
    table.download = query.finish();
    Ok(table)
}

fn rows(
    store: &Store,
    client: Option<ClientId>,
    name: &ArtifactName,
    span: Range<u64>,
) -> impl Iterator<Item = Result<Bytes, StoreError>> + use<> {
    let reader = match &client {
        Some(id) => store.events(id, name, span),
        None => store.server_events(name, span),
    };
    reader.map(|row| row.map(|row| with_time(&row)))
}

/// A row with the time at which the server got it before everything else.
fn with_time(event: &EventRow) -> Bytes {
    let mut fields = Map::new();
    fields.insert("_Received".to_owned(), Moment(event.received_us).text().into());
    match serde_json::from_slice::<Map<String, Value>>(&event.row) {
        Ok(own) => own.into_iter().for_each(|(name, value)| {
            // What an agent sends does not replace what the server knows.
            fields.entry(name).or_insert(value);
        }),
        Err(_) => {
            fields.insert("row".to_owned(), String::from_utf8_lossy(&event.row).into());
        }
    }
    Value::Object(fields).to_string().into()
}

/// Which rows, and how.
#[derive(Deserialize)]
pub(super) struct Wanted {
    name: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    until: String,
    #[serde(default)]
    format: Format,
}

pub(super) async fn client_rows(
    visitor: Visitor,
    Path(client): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Fault> {
    save(visitor, Some(client_id(&client)?), wanted).await
}

pub(super) async fn server_rows(
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Fault> {
    save(visitor, None, wanted).await
}

async fn save(
    visitor: Visitor,
    client: Option<ClientId>,
    wanted: Wanted,
) -> Result<Response, Fault> {
    let gone = |_| Fault::Missing(format!("`{}` is no name of events.", wanted.name));
    let name: ArtifactName = wanted.name.parse().map_err(gone)?;
    let span = span(&wanted.from, &wanted.until)?;
    let store = visitor.store().clone();
    let enter = move || {
        let record = visitor.actor().enter(Door::Results, about(client))?;
        Ok::<_, Fault>(visitor.store().audit(record)?)
    };
    tokio::task::spawn_blocking(enter).await??;
    let file = name.as_str().replace('/', ".");
    download::rows(&file, wanted.format, move || Ok(rows(&store, client, &name, span.clone())))
}
