//! Notebooks that programs read, write and run.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tonic::Status;
use troodon_vql::Interrupt;

use super::generated::{NotebookCell, NotebookCellRequest, NotebookMetadata, Notebooks, Nothing};
use super::here::{Here, Why, id};
use crate::limits;
use crate::model::door::Door;
use crate::model::id::UserName;
use crate::model::notebook::{Cell, CellKind, CellState, Notebook, NotebookId};
use crate::notebooks::{self, Change, Edit, NewNotebook};
use crate::store::StoreError;
use crate::store::server_event::Kind;

/// One notebook with its cells, or those that the caller may see, without cells.
pub(super) fn get(here: &Here, wanted: &NotebookCellRequest) -> Result<Notebooks, Status> {
    if !wanted.notebook_id.is_empty() {
        return Ok(Notebooks {
            items: vec![shown(here, &id("notebook_id", &wanted.notebook_id)?)?],
        });
    }
    let all = notebooks::list(&here.actor);
    let all = all.map_err(|error| here.refusal(Door::ShowNotebooks, error))?.into_iter();
    let (offset, count) = (usize::try_from(wanted.offset), super::table::rows(wanted.count));
    let page = all.skip(offset.unwrap_or(usize::MAX)).take(count);
    Ok(Notebooks { items: page.map(metadata).collect() })
}

/// Makes a notebook, shared with those whom the request names.
pub(super) fn create(here: &Here, wanted: NotebookMetadata) -> Result<NotebookMetadata, Status> {
    expect_not_public(&wanted)?;
    let template = match wanted.artifacts.as_slice() {
        [] => None,
        [artifact] => {
            let given = wanted.specs.iter().find(|spec| spec.artifact == *artifact);
            let given = given.and_then(|spec| spec.parameters.as_ref()).into_iter();
            let given = given.flat_map(|parameters| &parameters.env);
            let given = given.map(|one| (one.key.clone(), one.value.clone()));
            Some((artifact.clone(), given.collect()))
        }
        _ => return Err(Status::invalid_argument("artifacts: a notebook has one template")),
    };
    let sharing = sharing(&wanted)?;
    let new = NewNotebook {
        name: wanted.name,
        description: wanted.description,
        cells: Vec::new(),
        template,
    };
    let refused = |error| here.refusal(Door::EditNotebooks, Why::from(error));
    let made = notebooks::create(&here.actor, &here.org.launcher, new).map_err(refused)?;
    if !sharing.is_empty() {
        notebooks::share(&here.actor, &made, &sharing).map_err(refused)?;
    }
    shown(here, &made)
}

/// Changes what a notebook is called and with whom it is shared, and puts its cells into the order of the request, if that
/// names any: those that it leaves out are removed.
pub(super) fn update(here: &Here, wanted: &NotebookMetadata) -> Result<NotebookMetadata, Status> {
    expect_not_public(wanted)?;
    here.enter(Door::EditNotebooks, json!({"notebook_id": wanted.notebook_id}))?;
    let notebook = id("notebook_id", &wanted.notebook_id)?;
    let refused = |error| here.refusal(Door::EditNotebooks, Why::from(error));
    let sharing = sharing(wanted)?;
    let (before, _) = notebooks::show(&here.actor, &notebook).map_err(refused)?;
    let names: Vec<String> = sharing.iter().map(ToString::to_string).collect();
    if names != before.collaborators {
        notebooks::share(&here.actor, &notebook, &sharing).map_err(refused)?;
    }
    if !wanted.cell_metadata.is_empty() {
        let order = wanted.cell_metadata.iter().map(|cell| id("cell_id", &cell.cell_id));
        let order = Change::Arrange(order.collect::<Result<_, _>>()?);
        notebooks::change(&here.actor, &notebook, order).map_err(refused)?;
    }
    let edit = Edit { name: wanted.name.clone(), description: wanted.description.clone() };
    notebooks::edit(&here.actor, &notebook, edit).map_err(refused)?;
    shown(here, &notebook)
}

/// Removes a notebook.
pub(super) fn delete(here: &Here, wanted: &NotebookMetadata) -> Result<Nothing, Status> {
    notebooks::delete(&here.actor, &id("notebook_id", &wanted.notebook_id)?)
        .map_err(|error| here.refusal(Door::EditNotebooks, error))?;
    Ok(Nothing {})
}

/// Adds a cell: behind the one that the request names, or at the end. Runs it if it is a query.
pub(super) fn add(
    here: &Here,
    wanted: &NotebookCellRequest,
    turn: OwnedSemaphorePermit,
) -> Result<NotebookMetadata, Status> {
    here.enter(Door::EditNotebooks, json!({"notebook_id": wanted.notebook_id}))?;
    let notebook: NotebookId = id("notebook_id", &wanted.notebook_id)?;
    let kind = match wanted.r#type.as_str() {
        "" => CellKind::Vql,
        name => kind(name)?,
    };
    let change = |change| {
        notebooks::change(&here.actor, &notebook, change)
            .map_err(|error| here.refusal(Door::EditNotebooks, error))
    };
    let behind = match wanted.cell_id.as_str() {
        "" => None,
        cell => Some(find(here, &notebook, id("cell_id", cell)?)?.number),
    };
    let cell = change(Change::Add(kind, wanted.input.clone()))?;
    if let Some(behind) = behind {
        let (_, cells) = notebooks::show(&here.actor, &notebook)
            .map_err(|error| here.refusal(Door::ShowNotebooks, error))?;
        let others = cells.iter().map(|one| one.number).filter(|number| *number != cell);
        let order = others.flat_map(|number| match number == behind {
            true => vec![number, cell],
            false => vec![number],
        });
        change(Change::Arrange(order.collect()))?;
    }
    if kind == CellKind::Vql && !wanted.input.trim().is_empty() {
        run(here, &notebook, cell, wanted.sync, turn)?;
    }
    Ok(NotebookMetadata { latest_cell_id: cell.to_string(), ..shown(here, &notebook)? })
}

/// Gives a cell another text, and runs it if it is a query.
pub(super) fn edit(
    here: &Here,
    wanted: &NotebookCellRequest,
    turn: OwnedSemaphorePermit,
) -> Result<NotebookCell, Status> {
    here.enter(Door::EditNotebooks, json!({"notebook_id": wanted.notebook_id}))?;
    let (notebook, number) = place(wanted)?;
    let before = find(here, &notebook, number)?;
    if !wanted.r#type.is_empty() && kind(&wanted.r#type)? != before.kind {
        return Err(Status::invalid_argument("type: a cell stays what it is; add another one"));
    }
    let change = Change::Edit(number, wanted.input.clone());
    notebooks::change(&here.actor, &notebook, change)
        .map_err(|error| here.refusal(Door::EditNotebooks, error))?;
    if before.kind == CellKind::Vql {
        run(here, &notebook, number, wanted.sync, turn)?;
    }
    cell(here, wanted)
}

/// Runs the query of a cell. A quick one has ended when this answers; others go on, unless somebody is patient. What is
/// wrong with the query is in the cell.
fn run(
    here: &Here,
    notebook: &NotebookId,
    cell: i64,
    is_patient: bool,
    turn: OwnedSemaphorePermit,
) -> Result<(), Status> {
    let services = notebooks::Services {
        backend: Arc::new(here.backend()),
        registry: Arc::clone(&here.services.registry),
        interrupt: Interrupt::new(),
    };
    let (ended, runs) = std::sync::mpsc::channel();
    let (runner, notebook) = (here.again(), notebook.clone());
    let work = move || {
        let _turn = turn;
        let done = notebooks::run(&runner.actor, &services, &notebook, cell);
        // Nobody may be left to hear it: the cell says the same.
        drop(ended.send(done.map_err(|error| runner.refusal(Door::EditNotebooks, error))));
    };
    let full = |_| Status::resource_exhausted("no thread can be started");
    std::thread::Builder::new().name("api-cell".into()).spawn(work).map_err(full)?;
    let heard = match is_patient {
        true => runs.recv().ok(),
        false => runs.recv_timeout(Duration::from_millis(limits::NOTEBOOK_WAIT_MS)).ok(),
    };
    heard.map_or(Ok(()), |done| done.map(drop))
}

/// Stops the query of a cell.
pub(super) fn cancel(here: &Here, wanted: &NotebookCellRequest) -> Result<Nothing, Status> {
    let (notebook, cell) = place(wanted)?;
    notebooks::change(&here.actor, &notebook, Change::Cancel(cell))
        .map_err(|error| here.refusal(Door::EditNotebooks, error))?;
    Ok(Nothing {})
}

/// One cell with what its query logged; GetTable has its rows.
pub(super) fn cell(here: &Here, wanted: &NotebookCellRequest) -> Result<NotebookCell, Status> {
    let (notebook, number) = place(wanted)?;
    let cell = find(here, &notebook, number)?;
    let mut shown = summary(&notebook, cell);
    let lines = here.org.store.cell_lines(number, Kind::Log);
    for line in lines.take(limits::NOTEBOOK_SHOWN_LINES.saturating_add(1)) {
        let line = line.map_err(|error| here.refusal(Door::ShowNotebooks, error))?;
        let line: serde_json::Value = serde_json::from_slice(&line).unwrap_or_default();
        let text = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
        shown.messages.push(format!("{}:{}", text("level"), text("message")));
    }
    shown.more_messages = shown.messages.len() > limits::NOTEBOOK_SHOWN_LINES;
    shown.messages.truncate(limits::NOTEBOOK_SHOWN_LINES);
    Ok(shown)
}

fn place(wanted: &NotebookCellRequest) -> Result<(NotebookId, i64), Status> {
    Ok((id("notebook_id", &wanted.notebook_id)?, id("cell_id", &wanted.cell_id)?))
}

fn kind(name: &str) -> Result<CellKind, Status> {
    CellKind::named(name).ok_or_else(|| Status::invalid_argument("type is markdown or vql"))
}

fn expect_not_public(wanted: &NotebookMetadata) -> Result<(), Status> {
    match wanted.public {
        false => Ok(()),
        true => Err(Status::invalid_argument("public: name those with whom it is shared")),
    }
}

fn sharing(wanted: &NotebookMetadata) -> Result<Vec<UserName>, Status> {
    wanted.collaborators.iter().map(|name| id("collaborators", name)).collect()
}

fn find(here: &Here, notebook: &NotebookId, number: i64) -> Result<Cell, Status> {
    let refused = |error: Why| here.refusal(Door::ShowNotebooks, error);
    let found = notebooks::show(&here.actor, notebook);
    let (_, cells) = found.map_err(|error| refused(error.into()))?;
    let found = cells.into_iter().find(|cell| cell.number == number);
    found.ok_or_else(|| refused(StoreError::NoCell(notebook.to_string(), number).into()))
}

fn shown(here: &Here, notebook: &NotebookId) -> Result<NotebookMetadata, Status> {
    let found = notebooks::show(&here.actor, notebook);
    let (one, cells) = found.map_err(|error| here.refusal(Door::ShowNotebooks, error))?;
    let cell_metadata = cells.into_iter().map(|cell| summary(notebook, cell)).collect();
    Ok(NotebookMetadata { cell_metadata, ..metadata(one) })
}

fn metadata(one: Notebook) -> NotebookMetadata {
    let seconds = |micros: u64| i64::try_from(micros / 1_000_000).unwrap_or(i64::MAX);
    NotebookMetadata {
        notebook_id: one.id.to_string(),
        created_time: seconds(one.created_us),
        modified_time: seconds(one.changed_us),
        name: one.name,
        description: one.description,
        creator: one.creator,
        collaborators: one.collaborators,
        ..NotebookMetadata::default()
    }
}

fn summary(notebook: &NotebookId, cell: Cell) -> NotebookCell {
    let is_text = cell.kind == CellKind::Markdown;
    NotebookCell {
        notebook_id: notebook.to_string(),
        cell_id: cell.number.to_string(),
        output: if is_text { notebooks::html(&cell.input) } else { String::new() },
        r#type: cell.kind.name().to_owned(),
        timestamp: i64::try_from(cell.ran_us.saturating_mul(1000)).unwrap_or(i64::MAX),
        calculating: cell.state == CellState::Running,
        error: match cell.state {
            CellState::Cancelled => "it was stopped".to_owned(),
            _ => cell.failure,
        },
        input: cell.input,
        messages: Vec::new(),
        more_messages: false,
    }
}
