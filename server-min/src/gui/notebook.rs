//! One notebook: its cells, what they yielded, and what is done to them.

use std::time::Duration;

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use troodon_vql::reference;

use super::download::{self, Format};
use super::fault::Fault;
use super::notebooks::notebook_id;
use super::page::{self, Frame};
use super::table::{self, Table, View};
use super::time::Moment;
use super::visitor::Visitor;
use crate::limits;
use crate::model::door::Door;
use crate::model::notebook::{Cell, CellKind, CellState, Notebook, NotebookId};
use crate::names::AGENT;
use crate::notebooks::{self, Change};
use crate::store::server_event::Kind;
use crate::store::{Store, StoreError};

#[derive(Template)]
#[template(path = "notebook.html")]
struct Show {
    frame: Frame,
    notebook: Notebook,
    cells: Vec<Shown>,
    changed: Moment,
    /// Whether the visitor has made it.
    is_own: bool,
    may_edit: bool,
    may_export: bool,
}

/// A cell as its page shows it.
struct Shown {
    cell: Cell,
    /// Of a text: as HTML in which nothing runs.
    html: String,
    /// The chart that the query asks for: numbers, and text that is escaped.
    drawing: Option<String>,
    ran: Moment,
    /// The first rows.
    table: Option<Table>,
    /// The first messages: level and text.
    log: Vec<(String, String)>,
}

impl Shown {
    fn of(store: &Store, cell: Cell) -> Result<Self, StoreError> {
        let is_text = cell.kind == CellKind::Markdown;
        let html = if is_text { notebooks::html(&cell.input) } else { String::new() };
        let first =
            |_| Ok(store.cell_lines(cell.number, Kind::Rows).take(limits::NOTEBOOK_SHOWN_ROWS));
        let table = match cell.rows {
            0 => None,
            total => Some(Table::read(&View::default(), Some(total), first)?),
        };
        let drawing = match cell.rows {
            0 => None,
            _ => notebooks::drawing(&cell.input, store.cell_lines(cell.number, Kind::Rows))?,
        };
        let lines = store.cell_lines(cell.number, Kind::Log).take(limits::NOTEBOOK_SHOWN_LINES);
        let log: Result<_, StoreError> = lines.map(|line| Ok(message(&line?))).collect();
        Ok(Self { html, drawing, ran: Moment(cell.ran_us), table, log: log?, cell })
    }

    fn is_query(&self) -> bool {
        self.cell.kind == CellKind::Vql
    }

    fn is_running(&self) -> bool {
        self.cell.state == CellState::Running
    }

    /// How high its editor is.
    fn lines(&self) -> usize {
        self.cell.input.lines().count().saturating_add(1).clamp(2, 30)
    }
}

fn message(line: &Bytes) -> (String, String) {
    let line: Value = serde_json::from_slice(line).unwrap_or_default();
    (table::cell(line.get("level")), table::cell(line.get("message")))
}

pub(super) async fn show(
    visitor: Visitor,
    Path(notebook): Path<String>,
) -> Result<Response, Fault> {
    let id = notebook_id(&notebook)?;
    let work = move || {
        let (notebook, cells) = notebooks::show(visitor.actor(), &id)?;
        let cells: Result<_, StoreError> =
            cells.into_iter().map(|cell| Shown::of(visitor.store(), cell)).collect();
        let show = Show {
            frame: Frame::of(&visitor),
            cells: cells?,
            changed: Moment(notebook.changed_us),
            is_own: notebook.creator.eq_ignore_ascii_case(visitor.name().as_str()),
            may_edit: visitor.may(Door::EditNotebooks),
            may_export: visitor.may(Door::ExportNotebook),
            notebook,
        };
        Ok::<_, Fault>(page::html(StatusCode::OK, &show))
    };
    tokio::task::spawn_blocking(work).await?
}

/// What the form at the end of a notebook sends.
#[derive(Deserialize)]
pub(super) struct Added {
    csrf: String,
    kind: String,
    #[serde(default)]
    text: String,
}

pub(super) async fn add(
    visitor: Visitor,
    Path(notebook): Path<String>,
    Form(form): Form<Added>,
) -> Result<Response, Fault> {
    let id = notebook_id(&notebook)?;
    visitor.sent(&form.csrf)?;
    let gone = || Fault::Wrong(format!("`{}` is no kind of cell", form.kind));
    let kind = CellKind::named(&form.kind).ok_or_else(gone)?;
    let base = visitor.settings().base_path.clone();
    let (about, text) = (id.clone(), written(&form.text));
    let work = move || {
        let cell = notebooks::change(visitor.actor(), &about, Change::Add(kind, text))?;
        Ok::<_, Fault>((visitor, cell))
    };
    let (visitor, cell) = tokio::task::spawn_blocking(work).await??;
    if kind == CellKind::Vql {
        run(visitor, &id, cell, None).await?;
    }
    Ok(Redirect::to(&format!("{base}/notebooks/{id}#cell-{cell}")).into_response())
}

/// What the buttons of a cell send.
#[derive(Deserialize)]
pub(super) struct Sent {
    csrf: String,
    action: String,
    #[serde(default)]
    text: String,
}

pub(super) async fn change(
    visitor: Visitor,
    Path((notebook, cell)): Path<(String, i64)>,
    Form(form): Form<Sent>,
) -> Result<Response, Fault> {
    let id = notebook_id(&notebook)?;
    visitor.sent(&form.csrf)?;
    let text = written(&form.text);
    let base = visitor.settings().base_path.clone();
    let change = match form.action.as_str() {
        "run" => None,
        "save" => Some(Change::Edit(cell, text.clone())),
        "up" => Some(Change::Up(cell)),
        "down" => Some(Change::Down(cell)),
        "remove" => Some(Change::Remove(cell)),
        "stop" => Some(Change::Cancel(cell)),
        other => return Err(Fault::Wrong(format!("`{other}` is nothing that a cell can do"))),
    };
    match change {
        None => run(visitor, &id, cell, Some(text)).await?,
        Some(change) => {
            let about = id.clone();
            let work = move || notebooks::change(visitor.actor(), &about, change).map(drop);
            tokio::task::spawn_blocking(work).await??;
        }
    }
    Ok(Redirect::to(&format!("{base}/notebooks/{id}#cell-{cell}")).into_response())
}

/// Runs the query of a cell, which has this text from now on. A quick one has ended when this answers; others go on.
async fn run(
    visitor: Visitor,
    id: &NotebookId,
    cell: i64,
    text: Option<String>,
) -> Result<(), Fault> {
    let place = visitor.place_to_run()?;
    let id = id.clone();
    let work = move || {
        let _place = place;
        if let Some(text) = text {
            let (_, cells) = notebooks::show(visitor.actor(), &id)?;
            if cells.iter().any(|one| one.number == cell && one.input != text) {
                notebooks::change(visitor.actor(), &id, Change::Edit(cell, text))?;
            }
        }
        notebooks::run(visitor.actor(), &visitor.queries(), &id, cell).map(drop)
    };
    let wait = Duration::from_millis(limits::NOTEBOOK_WAIT_MS);
    match tokio::time::timeout(wait, tokio::task::spawn_blocking(work)).await {
        Ok(ended) => Ok(ended??),
        Err(_) => Ok(()),
    }
}

/// Browsers end lines as HTTP does.
fn written(text: &str) -> String {
    text.replace("\r\n", "\n")
}

#[derive(Template)]
#[template(path = "cell_rows.html")]
struct Rows {
    frame: Frame,
    notebook: Notebook,
    cell: i64,
    table: Table,
}

pub(super) async fn rows(
    visitor: Visitor,
    Path((notebook, number)): Path<(String, i64)>,
    view: View,
) -> Result<Response, Fault> {
    let id = notebook_id(&notebook)?;
    let work = move || {
        let (notebook, cell) = find(&visitor, &id, number)?;
        let open = |start| {
            let skip = usize::try_from(start).unwrap_or(usize::MAX);
            Ok(visitor.store().cell_lines(number, Kind::Rows).skip(skip))
        };
        let mut table = Table::read(&view, Some(cell.rows), open)?;
        let base = &visitor.settings().base_path;
        table.download = format!("{base}/notebooks/{id}/cells/{number}/rows?");
        let rows = Rows { frame: Frame::of(&visitor), notebook, cell: number, table };
        Ok::<_, Fault>(page::html(StatusCode::OK, &rows))
    };
    tokio::task::spawn_blocking(work).await?
}

/// How somebody wants the rows of a cell.
#[derive(Deserialize)]
pub(super) struct Download {
    #[serde(default)]
    format: Format,
}

/// All rows of a cell.
pub(super) async fn download(
    visitor: Visitor,
    Path((notebook, number)): Path<(String, i64)>,
    Query(wanted): Query<Download>,
) -> Result<Response, Fault> {
    let id = notebook_id(&notebook)?;
    let store = visitor.store().clone();
    let name = format!("{id}.{number}");
    tokio::task::spawn_blocking(move || find(&visitor, &id, number).map(drop)).await??;
    download::rows(&name, wanted.format, move || Ok(store.cell_lines(number, Kind::Rows)))
}

/// What queries can use on a host, for those who write them.
pub(super) async fn names(visitor: Visitor, Path(host): Path<String>) -> Result<Response, Fault> {
    let text = match host.as_str() {
        "server" => reference::json(&visitor.queries().registry),
        "agent" => AGENT.to_owned(),
        other => return Err(Fault::Missing(format!("There are no queries on `{other}`."))),
    };
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

/// A cell of a notebook that the visitor may see.
fn find(visitor: &Visitor, id: &NotebookId, number: i64) -> Result<(Notebook, Cell), Fault> {
    let (notebook, cells) = notebooks::show(visitor.actor(), id)?;
    let found = cells.into_iter().find(|cell| cell.number == number);
    let gone = || Fault::Missing(format!("There is no cell {number} in {id}."));
    Ok((notebook, found.ok_or_else(gone)?))
}
