//! One collection: how far it is, its rows, its log, its files.

use std::io::Read;

use askama::Template;
use axum::Form;
use axum::body::Body;
use axum::extract::{Path, Query};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::clients::{Summary, client_id};
use super::fault::Fault;
use super::page::{self, Frame};
use super::time::Moment;
use super::visitor::Visitor;
use crate::limits;
use crate::model::door::Door;
use crate::model::id::{ArtifactName, ClientId, FlowId};
use crate::store::result::ResultSet;
use crate::store::upload::Upload;
use crate::stream::{self, Pieces};

#[derive(Template)]
#[template(path = "flow.html")]
struct Show {
    frame: Frame,
    client: ClientId,
    summary: Summary,
    status: String,
    is_over: bool,
    active: Moment,
    results: Vec<ResultSet>,
    table: Option<Table>,
    log: Vec<LogLine>,
    uploads: Vec<Upload>,
    may_cancel: bool,
    may_upload: bool,
}

/// A page of rows.
struct Table {
    name: String,
    start: u64,
    total: u64,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn end(&self) -> u64 {
        self.start.saturating_add(u64::try_from(self.rows.len()).unwrap_or(u64::MAX))
    }

    fn before(&self) -> u64 {
        self.start.saturating_sub(LINES)
    }
}

const LINES: u64 = limits::LINES_PER_PAGE as u64;

/// A line of the query log.
struct LogLine {
    time: Moment,
    level: String,
    message: String,
}

/// Which rows.
#[derive(Deserialize)]
pub(super) struct Wanted {
    name: Option<String>,
    #[serde(default)]
    start: u64,
}

pub(super) async fn show(
    visitor: Visitor,
    Path((client, flow)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Fault> {
    let (client, id) = ids(&client, &flow)?;
    let work = move || {
        visitor
            .actor()
            .enter(Door::Results, json!({"client": client.as_str(), "flow_id": id.as_str()}))?;
        let store = visitor.store();
        let flow = store.flow(&client, &id)?;
        let results = store.results(&client, &id)?;
        let chosen = match &wanted.name {
            Some(name) => results.iter().find(|set| set.name.as_str() == name),
            None => results.first(),
        };
        let table =
            chosen.map(|set| table(&visitor, &client, &id, set, wanted.start)).transpose()?;
        let is_over = flow.complete;
        let show = Show {
            frame: Frame::of(&visitor),
            client,
            status: flow.status().to_owned(),
            active: Moment(flow.active_us),
            log: log(&visitor, &client, &id)?,
            uploads: store.uploads(&client, &id)?,
            may_cancel: !is_over && visitor.may(Door::Cancel),
            may_upload: visitor.may(Door::Uploads),
            summary: Summary::of(flow),
            is_over,
            results,
            table,
        };
        Ok::<_, Fault>(page::html(StatusCode::OK, &show))
    };
    tokio::task::spawn_blocking(work).await?
}

fn ids(client: &str, flow: &str) -> Result<(ClientId, FlowId), Fault> {
    let gone = |_| Fault::Missing(format!("`{flow}` is no id of a collection."));
    Ok((client_id(client)?, flow.parse().map_err(gone)?))
}

fn table(
    visitor: &Visitor,
    client: &ClientId,
    flow: &FlowId,
    set: &ResultSet,
    start: u64,
) -> Result<Table, Fault> {
    let start = start.min(set.rows);
    let reader = visitor.store().rows(client, flow, &set.name, start)?;
    let mut columns: Vec<String> = Vec::new();
    let mut objects: Vec<Map<String, Value>> = Vec::new();
    for line in reader.take(limits::LINES_PER_PAGE) {
        // An agent may send any line of UTF-8; what is no object is shown as it is.
        let line = line?;
        let row = serde_json::from_slice(&line).unwrap_or_else(|_| {
            Map::from_iter([("row".to_owned(), String::from_utf8_lossy(&line).into())])
        });
        for name in row.keys() {
            if columns.len() < limits::COLUMNS_PER_PAGE && !columns.contains(name) {
                columns.push(name.clone());
            }
        }
        objects.push(row);
    }
    let cells = |row: &Map<String, Value>| columns.iter().map(|name| cell(row.get(name))).collect();
    let rows = objects.iter().map(cells).collect();
    Ok(Table { name: set.name.to_string(), start, total: set.rows, rows, columns })
}

/// A value as people read it: text without quotes, the rest as JSON, and nothing endless.
fn cell(value: Option<&Value>) -> String {
    let mut text = match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    if let Some((end, _)) = text.char_indices().nth(limits::CELL_CHARACTERS) {
        text.truncate(end);
        text.push('…');
    }
    text
}

fn log(visitor: &Visitor, client: &ClientId, flow: &FlowId) -> Result<Vec<LogLine>, Fault> {
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
        visitor.look(Door::Cancel)?;
        // The store keeps the record of the cancellation in its transaction.
        Ok::<_, Fault>(visitor.store().cancel_flow(&client, &id, visitor.name().as_str())?)
    };
    tokio::task::spawn_blocking(work).await??;
    Ok(Redirect::to(&place).into_response())
}

/// Which rows to download.
#[derive(Deserialize)]
pub(super) struct Named {
    name: String,
}

/// All rows of one name, a JSON object on each line.
pub(super) async fn download(
    visitor: Visitor,
    Path((client, flow)): Path<(String, String)>,
    Query(Named { name }): Query<Named>,
) -> Result<Response, Fault> {
    let (client, id) = ids(&client, &flow)?;
    let named: ArtifactName =
        name.parse().map_err(|_| Fault::Missing(format!("`{name}` is no name of results.")))?;
    let file = format!("{id}.{}.jsonl", named.as_str().replace('/', "."));
    let open = move || {
        let record = visitor
            .actor()
            .enter(Door::Results, json!({"client": client.as_str(), "flow_id": id.as_str()}))?;
        visitor.store().audit(record)?;
        Ok::<_, Fault>(visitor.store().rows(&client, &id, &named, 0)?)
    };
    let reader = tokio::task::spawn_blocking(open).await??;
    let body = stream::body(move |pieces: &Pieces| {
        for line in reader {
            let mut line = line.map_err(std::io::Error::other)?.to_vec();
            line.push(b'\n');
            pieces.send(line.into())?;
        }
        Ok(())
    });
    attachment("application/x-ndjson", &file, body)
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
        let uploads = visitor.store().uploads(&client, &id)?;
        let upload = uploads.into_iter().find(|upload| upload.number == number);
        let gone = || Fault::Missing(format!("{id} has no file {number}."));
        let upload = upload.ok_or_else(gone)?;
        Ok::<_, Fault>((visitor.store().open_upload(&client, &id, number)?, upload))
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
    attachment("application/octet-stream", &name, body)
}

/// Something to save and never to show. The name is what an agent said, in letters that cannot do harm.
fn attachment(kind: &'static str, name: &str, body: Body) -> Result<Response, Fault> {
    let is_sound = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let sound: String = name.chars().map(|c| if is_sound(c) { c } else { '_' }).take(100).collect();
    let disposition = format!("attachment; filename=\"{}\"", sound.trim_start_matches('.'));
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let disposition = HeaderValue::try_from(disposition).map_err(|_| Fault::Failed)?;
    headers.insert(header::CONTENT_DISPOSITION, disposition);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_texts_or_json_and_never_endless() {
        assert_eq!(cell(Some(&json!("<b>"))), "<b>");
        assert_eq!(cell(Some(&json!({"a": [1]}))), r#"{"a":[1]}"#);
        assert_eq!(cell(None), "");
        let long = "ä".repeat(limits::CELL_CHARACTERS + 1);
        assert_eq!(cell(Some(&json!(long))).chars().count(), limits::CELL_CHARACTERS + 1);
    }

    #[test]
    fn names_of_files_are_made_safe() {
        let name = "../..\"\r\n\u{202e}/.ssh/id";
        let response = attachment("text/plain", name, Body::empty()).unwrap();
        let value = response.headers()[header::CONTENT_DISPOSITION].to_str().unwrap();
        assert_eq!(value, "attachment; filename=\"_.._____.ssh_id\"");
    }
}
