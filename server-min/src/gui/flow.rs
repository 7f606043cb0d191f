//! One collection: how far it is, its rows, its log, its files.

use std::io::Read;

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::clients::{Summary, site};
use super::download::{self, Format};
use super::fault::Fault;
use super::page::{self, Frame};
use super::table::{Table, View, cell};
use super::time::Moment;
use super::visitor::Visitor;
use crate::flows;
use crate::launcher::Collect;
use crate::limits;
use crate::model::door::Door;
use crate::model::flow::Flow;
use crate::model::id::{ArtifactName, FlowId};
use crate::model::site::Site;
use crate::store::result::ResultSet;
use crate::store::upload::Upload;
use crate::stream::{self, Pieces};

#[derive(Template)]
#[template(path = "flow.html")]
struct Show {
    frame: Frame,
    client: Site,
    summary: Summary,
    status: String,
    is_over: bool,
    active: Moment,
    /// When it does not begin any more.
    expires: Option<Moment>,
    results: Vec<ResultSet>,
    table: Option<Table>,
    log: Vec<LogLine>,
    uploads: Vec<Upload>,
    may_cancel: bool,
    may_upload: bool,
    /// Artifacts whose forms are offered with what they were given here.
    again: Vec<String>,
}

/// A line of the query log.
struct LogLine {
    time: Moment,
    level: String,
    message: String,
}

pub(super) async fn show(
    visitor: Visitor,
    Path((client, flow)): Path<(String, String)>,
    view: View,
) -> Result<Response, Fault> {
    let (client, id) = ids(&client, &flow)?;
    let work = move || {
        visitor
            .actor()
            .enter(Door::Results, json!({"client": client.as_str(), "flow_id": id.as_str()}))?;
        let store = visitor.store();
        let flow = store.flow(client, &id)?;
        let results = store.results(client, &id)?;
        let chosen = match &view.name {
            Some(name) => results.iter().find(|set| set.name.as_str() == name),
            None => results.first(),
        };
        let table = chosen.map(|set| table(&visitor, client, &id, set, &view)).transpose()?;
        let is_over = flow.complete;
        let show = Show {
            frame: Frame::of(&visitor),
            client,
            status: flow.status().to_owned(),
            active: Moment(flow.active_us),
            expires: Some(flow.expires_us()).filter(|time| *time > 0).map(Moment),
            log: log(&visitor, client, &id)?,
            uploads: store.uploads(client, &id)?,
            may_cancel: !is_over && visitor.may(Door::of_cancelling(client)),
            may_upload: visitor.may(Door::Uploads),
            again: match visitor.may(Door::of_collecting(client)) {
                true => asked_for(&flow),
                false => Vec::new(),
            },
            summary: Summary::of(flow),
            is_over,
            results,
            table,
        };
        Ok::<_, Fault>(page::html(StatusCode::OK, &show))
    };
    tokio::task::spawn_blocking(work).await?
}

/// The artifacts that were asked for.
fn asked_for(flow: &Flow) -> Vec<String> {
    let specs = Collect::read(&flow.spec).map(|asked| asked.specs).unwrap_or_default();
    specs.into_iter().map(|spec| spec.artifact).collect()
}

fn ids(client: &str, flow: &str) -> Result<(Site, FlowId), Fault> {
    let gone = |_| Fault::Missing(format!("`{flow}` is no id of a collection."));
    Ok((site(client)?, flow.parse().map_err(gone)?))
}

fn table(
    visitor: &Visitor,
    client: Site,
    flow: &FlowId,
    set: &ResultSet,
    view: &View,
) -> Result<Table, Fault> {
    let view = view.named(set.name.as_str());
    let open = |start| visitor.store().rows(client, flow, &set.name, start);
    let mut table = Table::read(&view, Some(set.rows), open)?;
    let base = &visitor.settings().base_path;
    let name: String = form_urlencoded::byte_serialize(set.name.as_str().as_bytes()).collect();
    table.download = format!("{base}/clients/{client}/flows/{flow}/rows?name={name}");
    Ok(table)
}

fn log(visitor: &Visitor, client: Site, flow: &FlowId) -> Result<Vec<LogLine>, Fault> {
    let lines = visitor.store().logs(client, flow, 0)?.take(limits::LINES_PER_PAGE);
    lines.map(|line| Ok(log_line(&line?))).collect()
}

fn log_line(line: &[u8]) -> LogLine {
    let value: Value = serde_json::from_slice(line).unwrap_or_default();
    let seconds = value["client_time"].as_u64().unwrap_or_default();
    LogLine {
        time: Moment(seconds.saturating_mul(1_000_000)),
        level: cell(value.get("level")),
        message: cell(value.get("message")),
    }
}

/// What the cancel button sends.
#[derive(Deserialize)]
pub(super) struct Sent {
    csrf: String,
}

pub(super) async fn cancel(
    visitor: Visitor,
    Path((client, flow)): Path<(String, String)>,
    Form(form): Form<Sent>,
) -> Result<Response, Fault> {
    let (client, id) = ids(&client, &flow)?;
    visitor.sent(&form.csrf)?;
    let place = format!("{}/clients/{client}/flows/{id}", visitor.settings().base_path);
    let work = move || {
        // Who was too late finds it over.
        Ok::<_, Fault>(flows::cancel(visitor.actor(), client, &id).map(drop)?)
    };
    tokio::task::spawn_blocking(work).await??;
    Ok(Redirect::to(&place).into_response())
}

/// Which rows to download.
#[derive(Deserialize)]
pub(super) struct Named {
    name: String,
    #[serde(default)]
    format: Format,
}

/// All rows of one name.
pub(super) async fn download(
    visitor: Visitor,
    Path((client, flow)): Path<(String, String)>,
    Query(wanted): Query<Named>,
) -> Result<Response, Fault> {
    let (client, id) = ids(&client, &flow)?;
    let gone = |_| Fault::Missing(format!("`{}` is no name of results.", wanted.name));
    let wanted_name: ArtifactName = wanted.name.parse().map_err(gone)?;
    let file = format!("{id}.{}", wanted_name.as_str().replace('/', "."));
    let store = visitor.store().clone();
    let (of_client, of_flow, name) = (client, id.clone(), wanted_name.clone());
    let enter = move || {
        let details = json!({"client": of_client.as_str(), "flow_id": of_flow.as_str()});
        visitor.store().audit(visitor.actor().enter(Door::Results, details)?)?;
        // What is not there is said before anything is sent.
        visitor.store().rows(of_client, &of_flow, &name, 0)?;
        Ok::<_, Fault>(())
    };
    tokio::task::spawn_blocking(enter).await??;
    download::rows(&file, wanted.format, move || store.rows(client, &id, &wanted_name, 0))
}

/// The bytes of a file that an agent sent.
pub(super) async fn upload(
    visitor: Visitor,
    Path((client, flow, number)): Path<(String, String, u64)>,
) -> Result<Response, Fault> {
    let (client, id) = ids(&client, &flow)?;
    let open = move || {
        let about = json!({"client": client.as_str(), "flow_id": id.as_str(), "upload": number});
        let record = visitor.actor().enter(Door::Uploads, about)?;
        visitor.store().audit(record)?;
        let uploads = visitor.store().uploads(client, &id)?;
        let upload = uploads.into_iter().find(|upload| upload.number == number);
        let gone = || Fault::Missing(format!("{id} has no file {number}."));
        let upload = upload.ok_or_else(gone)?;
        Ok::<_, Fault>((visitor.store().open_upload(client, &id, number)?, upload))
    };
    let (file, upload) = tokio::task::spawn_blocking(open).await??;
    let name = upload.components.last().unwrap_or(&upload.path).clone();
    let body = stream::body(move |pieces: &Pieces| {
        let mut rest = file.take(upload.stored);
        loop {
            let mut piece = vec![0; limits::PIECE_BYTES];
            let count = rest.read(&mut piece)?;
            if count == 0 {
                return Ok(());
            }
            piece.truncate(count);
            pieces.send(Bytes::from(piece))?;
        }
    });
    download::attachment("application/octet-stream", &name, body)
}
