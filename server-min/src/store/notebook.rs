//! Notebooks on disk: cells in their order, and the rows of each cell's last run.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::chunk::{Chunk, Lines};
use super::server_event::Kind;
use super::{Store, StoreError, now_us, signed, unsigned};
use crate::model::notebook::{Cell, CellKind, CellState, Notebook, NotebookId};

const NOTEBOOK: &str = "SELECT id, name, description, creator, collaborators, preamble, created_us, changed_us \
                        FROM notebook";
const CELL: &str =
    "SELECT number, position, kind, input, state, runner, ran_us, rows, failure FROM cell";

impl Store {
    /// All notebooks, latest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn notebooks(&self) -> Result<Vec<Notebook>, StoreError> {
        self.read(|db| {
            let mut query = db.prepare_cached(&format!("{NOTEBOOK} ORDER BY number DESC"))?;
            query.query_and_then([], notebook)?.collect()
        })
    }

    /// One notebook.
    ///
    /// # Errors
    /// [`StoreError::NoNotebook`], or the store cannot be read.
    pub fn notebook(&self, id: &NotebookId) -> Result<Notebook, StoreError> {
        self.read(|db| find(db, id))
    }

    /// The cells of a notebook in their order.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn cells(&self, id: &NotebookId) -> Result<Vec<Cell>, StoreError> {
        self.read(|db| cells(db, id))
    }

    /// What a cell yielded or logged in its last run, as JSON objects.
    #[must_use]
    pub fn cell_lines(&self, cell: i64, kind: Kind) -> CellLines {
        let is_log = kind == Kind::Log;
        CellLines { store: self.clone(), cell, is_log, behind: 0, lines: Lines::default() }
    }
}

/// One notebook, within a transaction.
pub(crate) fn find(db: &Connection, id: &NotebookId) -> Result<Notebook, StoreError> {
    let mut query = db.prepare_cached(&format!("{NOTEBOOK} WHERE id = ?1"))?;
    let mut found = query.query_and_then([id.as_str()], notebook)?;
    found.next().ok_or_else(|| StoreError::NoNotebook(id.to_string()))?
}

/// The cells of a notebook in their order, within a transaction.
pub(crate) fn cells(db: &Connection, id: &NotebookId) -> Result<Vec<Cell>, StoreError> {
    let of = "WHERE notebook = (SELECT number FROM notebook WHERE id = ?1)";
    let mut query = db.prepare_cached(&format!("{CELL} {of} ORDER BY position, number"))?;
    query.query_and_then([id.as_str()], cell)?.collect()
}

/// One cell of a notebook, within a transaction.
pub(crate) fn find_cell(db: &Connection, id: &NotebookId, number: i64) -> Result<Cell, StoreError> {
    let of = "WHERE number = ?2 AND notebook = (SELECT number FROM notebook WHERE id = ?1)";
    let mut query = db.prepare_cached(&format!("{CELL} {of}"))?;
    let mut found = query.query_and_then(params![id.as_str(), number], cell)?;
    found.next().ok_or_else(|| StoreError::NoCell(id.to_string(), number))?
}

fn notebook(row: &Row<'_>) -> Result<Notebook, StoreError> {
    Ok(Notebook {
        id: row.get::<_, String>(0)?.parse()?,
        name: row.get(1)?,
        description: row.get(2)?,
        creator: row.get(3)?,
        collaborators: serde_json::from_str(&row.get::<_, String>(4)?)?,
        preamble: row.get(5)?,
        created_us: unsigned(row.get(6)?),
        changed_us: unsigned(row.get(7)?),
    })
}

fn cell(row: &Row<'_>) -> Result<Cell, StoreError> {
    let (kind, state): (String, String) = (row.get(2)?, row.get(4)?);
    let damaged = || StoreError::Damaged("a cell of a notebook");
    Ok(Cell {
        number: row.get(0)?,
        position: row.get(1)?,
        kind: CellKind::named(&kind).ok_or_else(damaged)?,
        input: row.get(3)?,
        state: CellState::named(&state).ok_or_else(damaged)?,
        runner: row.get(5)?,
        ran_us: unsigned(row.get(6)?),
        rows: unsigned(row.get(7)?),
        failure: row.get(8)?,
    })
}

/// Makes or changes a notebook, within a transaction.
pub(crate) fn put(db: &Connection, one: &Notebook) -> Result<(), StoreError> {
    let sql = "INSERT INTO notebook (id, name, description, creator, collaborators, preamble, created_us, changed_us) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
               ON CONFLICT (id) DO UPDATE SET name = ?2, description = ?3, collaborators = ?5, changed_us = ?8";
    let collaborators = serde_json::to_string(&one.collaborators)?;
    db.execute(
        sql,
        params![
            one.id.as_str(),
            one.name,
            one.description,
            one.creator,
            collaborators,
            one.preamble,
            signed(one.created_us),
            signed(one.changed_us)
        ],
    )?;
    Ok(())
}

/// Removes a notebook with its cells, within a transaction.
pub(crate) fn remove(db: &Connection, id: &NotebookId) -> Result<(), StoreError> {
    db.execute("DELETE FROM notebook WHERE id = ?1", [id.as_str()])?;
    Ok(())
}

/// Puts a cell at the end, within a transaction; answers its number.
pub(crate) fn add_cell(
    db: &Connection,
    id: &NotebookId,
    kind: CellKind,
    input: &str,
) -> Result<i64, StoreError> {
    let sql = "INSERT INTO cell (notebook, position, kind, input) \
               SELECT number, (SELECT coalesce(max(position), 0) + 1 FROM cell WHERE notebook = n.number), ?2, ?3 \
               FROM notebook n WHERE id = ?1";
    if db.execute(sql, params![id.as_str(), kind.name(), input])? == 0 {
        return Err(StoreError::NoNotebook(id.to_string()));
    }
    Ok(db.last_insert_rowid())
}

/// How many cells a notebook has, within a transaction.
pub(crate) fn count_cells(db: &Connection, id: &NotebookId) -> Result<u64, StoreError> {
    let sql =
        "SELECT count(*) FROM cell WHERE notebook = (SELECT number FROM notebook WHERE id = ?1)";
    Ok(unsigned(db.query_row(sql, [id.as_str()], |row| row.get(0))?))
}

/// Changes the text of a cell, within a transaction; what it yielded is gone.
pub(crate) fn edit_cell(db: &Connection, cell: i64, input: &str) -> Result<(), StoreError> {
    let sql = "UPDATE cell SET input = ?2, state = 'fresh', run = run + 1, rows = 0, failure = '' WHERE number = ?1";
    db.execute(sql, params![cell, input])?;
    forget(db, cell)
}

/// Moves a cell by exchanging its place with another's, within a transaction.
pub(crate) fn swap_cells(db: &Connection, one: &Cell, other: &Cell) -> Result<(), StoreError> {
    place_cell(db, one.number, other.position)?;
    place_cell(db, other.number, one.position)
}

/// Gives a cell a place, within a transaction.
pub(crate) fn place_cell(db: &Connection, cell: i64, position: i64) -> Result<(), StoreError> {
    let mut query = db.prepare_cached("UPDATE cell SET position = ?2 WHERE number = ?1")?;
    query.execute([cell, position])?;
    Ok(())
}

/// Removes a cell, within a transaction.
pub(crate) fn remove_cell(db: &Connection, cell: i64) -> Result<(), StoreError> {
    db.execute("DELETE FROM cell WHERE number = ?1", [cell])?;
    Ok(())
}

/// Begins a run, within a transaction; answers its number. What the last one yielded is gone.
pub(crate) fn begin(db: &Connection, cell: i64, runner: &str) -> Result<i64, StoreError> {
    forget(db, cell)?;
    let sql = "UPDATE cell SET state = 'running', run = run + 1, rows = 0, failure = '', runner = ?2, ran_us = ?3 \
               WHERE number = ?1 RETURNING run";
    Ok(db.query_row(sql, params![cell, runner, signed(now_us())], |row| row.get(0))?)
}

/// Whether a run still is the cell's last, and nobody has stopped it.
pub(crate) fn is_wanted(db: &Connection, cell: i64, run: i64) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM cell WHERE number = ?1 AND run = ?2 AND state = 'running'";
    Ok(db.prepare_cached(sql)?.query_row([cell, run], |_| Ok(())).optional()?.is_some())
}

/// Keeps rows or messages of a run, within a transaction. Answers false, and keeps nothing, when it is not wanted.
pub(crate) fn append(
    db: &Connection,
    (cell, run): (i64, i64),
    kind: Kind,
    chunk: &Chunk,
) -> Result<bool, StoreError> {
    if !is_wanted(db, cell, run)? {
        return Ok(false);
    }
    let (rows, raw_bytes) = (signed(chunk.rows()), signed(chunk.stored_raw_bytes()));
    let sql =
        "INSERT INTO cell_chunk (cell, log, rows, raw_bytes, data) VALUES (?1, ?2, ?3, ?4, ?5)";
    db.execute(sql, params![cell, kind == Kind::Log, rows, raw_bytes, chunk.data()])?;
    if kind == Kind::Rows {
        db.execute("UPDATE cell SET rows = rows + ?2 WHERE number = ?1", [cell, rows])?;
    }
    Ok(true)
}

/// Ends a run, within a transaction, unless it was ended by somebody else.
pub(crate) fn end(
    db: &Connection,
    (cell, run): (i64, i64),
    state: CellState,
    failure: &str,
) -> Result<(), StoreError> {
    let sql = "UPDATE cell SET state = ?3, failure = ?4 WHERE number = ?1 AND run = ?2 AND state = 'running'";
    db.execute(sql, params![cell, run, state.name(), failure])?;
    Ok(())
}

/// Stops the run of a cell, within a transaction. Answers whether there was one.
pub(crate) fn cancel(db: &Connection, cell: i64) -> Result<bool, StoreError> {
    let sql = "UPDATE cell SET state = 'cancelled' WHERE number = ?1 AND state = 'running'";
    Ok(db.execute(sql, [cell])? > 0)
}

fn forget(db: &Connection, cell: i64) -> Result<(), StoreError> {
    db.execute("DELETE FROM cell_chunk WHERE cell = ?1", [cell])?;
    Ok(())
}

/// Lines of a cell one after the other; holds one chunk at a time and no lock.
pub struct CellLines {
    store: Store,
    cell: i64,
    is_log: bool,
    /// The chunk that was read last.
    behind: i64,
    lines: Lines,
}

impl CellLines {
    fn advance(&mut self) -> Result<bool, StoreError> {
        let found = self.store.read(|db| {
            let sql = "SELECT number, rows, raw_bytes, data FROM cell_chunk \
                       WHERE cell = ?1 AND log = ?2 AND number > ?3 ORDER BY number LIMIT 1";
            let mut query = db.prepare_cached(sql)?;
            let mut rows = query.query(params![self.cell, self.is_log, self.behind])?;
            let Some(row) = rows.next()? else { return Ok(None) };
            let data = Bytes::from(row.get::<_, Vec<u8>>(3)?);
            let chunk = Chunk::from_store(unsigned(row.get(1)?), unsigned(row.get(2)?), data);
            Ok(Some((row.get::<_, i64>(0)?, chunk)))
        })?;
        let Some((number, chunk)) = found else { return Ok(false) };
        self.behind = number;
        self.lines = Lines::new(chunk.lines()?);
        Ok(true)
    }
}

impl Iterator for CellLines {
    type Item = Result<Bytes, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(line) = self.lines.next() {
                return Some(Ok(line));
            }
            match self.advance() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
