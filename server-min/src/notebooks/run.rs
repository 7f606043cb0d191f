//! Runs the query of a cell, and keeps what it yields.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;
use troodon_vql::{Budget, Interrupt, Registry, json as vql_json};

use super::{NotebookError, seen};
use crate::actor::{ActError, Actor};
use crate::limits::{
    EVENT_GATHER_BYTES, EVENT_GATHER_ROWS, NOTEBOOK_LOOK_MS, NOTEBOOK_ROWS, NOTEBOOK_SECONDS,
    ROW_BYTES,
};
use crate::model::door::Door;
use crate::model::notebook::{Cell, CellKind, CellState, NotebookId};
use crate::query::{Asked, Backend, Messages, Running, Turn};
use crate::store::chunk::Chunk;
use crate::store::server_event::Kind;
use crate::store::{Store, StoreError, audit, notebook};

/// What queries in cells work with.
#[derive(Clone)]
pub struct Services {
    /// The store, the launcher, and the rights of whoever runs the cell.
    pub backend: Arc<Backend>,
    /// What queries can use.
    pub registry: Arc<Registry>,
    /// Stops them.
    pub interrupt: Interrupt,
}

/// Runs the query of a cell with the rights of [`Services::backend`], and answers the cell when it has ended. It ends when
/// another run of the cell begins, when somebody cancels it, and after [`NOTEBOOK_SECONDS`]; blocks as long.
///
/// # Errors
/// The caller may not see the notebook or edit notebooks, the cell holds no query, or the store cannot be used. What is
/// wrong with the query is no error: the cell says so.
pub fn run(
    actor: &Actor,
    services: &Services,
    id: &NotebookId,
    cell: i64,
) -> Result<Cell, NotebookError> {
    let details = json!({"notebook_id": id, "action": "run_cell", "cell": cell});
    let record = actor.enter(Door::EditNotebooks, details)?;
    let one = seen(actor, id, &record)?;
    let store = actor.store();
    let found = store.read(|db| notebook::find_cell(db, id, cell))?;
    if found.kind != CellKind::Vql {
        return Err(ActError::Wrong(format!("cell {cell} of {id} holds no query")).into());
    }
    let runner = actor.principal().name().to_owned();
    let run = store.write(move |db| {
        audit::append(db, &record)?;
        notebook::begin(db, cell, &runner)
    })?;
    // Mistakes are found in the lines that people see.
    let text = match one.preamble.as_str() {
        "" => found.input,
        preamble => format!("{preamble}\n{}", found.input),
    };
    let (state, failure) = match execute(store, services, &text, (cell, run)) {
        Ok(()) => (CellState::Done, String::new()),
        Err(why) => (CellState::Failed, why),
    };
    store.write(move |db| notebook::end(db, (cell, run), state, &failure))?;
    Ok(store.read(|db| notebook::find_cell(db, id, cell))?)
}

/// Runs the text; what goes wrong is for whoever reads the cell.
fn execute(store: &Store, services: &Services, text: &str, run: (i64, i64)) -> Result<(), String> {
    let log = Messages::default();
    let mut page = Page { store: store.clone(), run, rows: Vec::new(), count: 0, total: 0 };
    let asked = Asked {
        backend: Arc::clone(&services.backend),
        registry: Arc::clone(&services.registry),
        log: Box::new(log.clone()),
        interrupt: services.interrupt.clone(),
        budget: Budget::host(),
        artifact: None,
        uploader: None,
    };
    let ended = drive(text, asked, &mut page);
    let kept = page.flush().and_then(|_| page.keep_log(&log));
    ended.and_then(|()| kept.map(drop).map_err(|error| error.to_string()))
}

fn drive(text: &str, asked: Asked, page: &mut Page) -> Result<(), String> {
    let start = Instant::now();
    let mut looked = start;
    let mut running = Running::start(text, &[], asked).map_err(|error| error.to_string())?;
    loop {
        match running.step().map_err(|stop| stop.to_string())? {
            Turn::Row(row) => {
                let before = page.rows.len();
                vql_json::write_row(&row, &mut page.rows);
                if page.rows.len().saturating_sub(before) > ROW_BYTES {
                    return Err(format!("a row has more than {ROW_BYTES} bytes"));
                }
                page.rows.push(b'\n');
                page.count += 1;
                page.total += 1;
                if page.total >= NOTEBOOK_ROWS {
                    return Err(format!("more than {NOTEBOOK_ROWS} rows: the rest is left out"));
                }
            }
            Turn::Wait(time) => std::thread::sleep(time),
            Turn::Busy => {}
            Turn::End => return Ok(()),
        }
        if start.elapsed() >= Duration::from_secs(NOTEBOOK_SECONDS) {
            return Err(format!("it took longer than {NOTEBOOK_SECONDS} s"));
        }
        let is_full = page.count >= EVENT_GATHER_ROWS || page.rows.len() >= EVENT_GATHER_BYTES;
        if is_full || looked.elapsed() >= Duration::from_millis(NOTEBOOK_LOOK_MS) {
            looked = Instant::now();
            if !page.flush().map_err(|error| error.to_string())? {
                return Err("it was stopped".into());
            }
        }
    }
}

/// Rows that wait to be kept.
struct Page {
    store: Store,
    /// The cell, and which run of it.
    run: (i64, i64),
    rows: Vec<u8>,
    count: usize,
    total: usize,
}

impl Page {
    /// Keeps what waits; answers whether the run is still wanted.
    fn flush(&mut self) -> Result<bool, StoreError> {
        let run = self.run;
        if self.count == 0 {
            return self.store.read(|db| notebook::is_wanted(db, run.0, run.1));
        }
        let chunk = chunk(std::mem::take(&mut self.rows))?;
        self.count = 0;
        self.store.write(move |db| notebook::append(db, run, Kind::Rows, &chunk))
    }

    fn keep_log(&self, log: &Messages) -> Result<bool, StoreError> {
        if log.is_empty() {
            return Ok(true);
        }
        let (chunk, run) = (chunk(log.lines().text)?, self.run);
        self.store.write(move |db| notebook::append(db, run, Kind::Log, &chunk))
    }
}

fn chunk(lines: Vec<u8>) -> Result<Chunk, StoreError> {
    Chunk::from_plain(Bytes::from(lines)).map_err(|_| StoreError::Damaged("a row of a cell"))
}
