//! Rows and messages of one event query on their way to the store: some are stored together.

use std::time::{Duration, Instant};

use bytes::Bytes;
use troodon_vql::{Level, Row, json as vql_json};

use crate::limits::{EVENT_GATHER_BYTES, EVENT_GATHER_MS, EVENT_GATHER_ROWS, ROW_BYTES};
use crate::model::id::ArtifactName;
use crate::query::Messages;
use crate::store::chunk::{Chunk, RowFault};
use crate::store::server_event::{self, Kind};
use crate::store::{Store, StoreError};

/// What waits to be stored.
pub(super) struct Gather {
    store: Store,
    name: ArtifactName,
    rows: Vec<u8>,
    count: usize,
    log: Messages,
    /// When the oldest of it came.
    since: Option<Instant>,
}

impl Gather {
    pub(super) fn new(store: Store, name: ArtifactName) -> Self {
        let log = Messages::default();
        Self { store, name, rows: Vec::new(), count: 0, log, since: None }
    }

    /// Where messages of the query go.
    pub(super) fn messages(&self) -> Messages {
        self.log.clone()
    }

    /// Takes one row. One that is longer than the store takes is left out, and said to be.
    pub(super) fn row(&mut self, row: &Row) {
        let before = self.rows.len();
        vql_json::write_row(row, &mut self.rows);
        if self.rows.len().saturating_sub(before) > ROW_BYTES {
            self.rows.truncate(before);
            let text = format!("A row of more than {ROW_BYTES} bytes is left out");
            return self.log.note(Level::Error, &text);
        }
        self.rows.push(b'\n');
        self.count = self.count.saturating_add(1);
    }

    /// Whether what waits has waited long enough, or is enough.
    pub(super) fn is_due(&mut self) -> bool {
        if self.count == 0 && self.log.is_empty() {
            self.since = None;
            return false;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        self.rows.len() >= EVENT_GATHER_BYTES
            || self.count >= EVENT_GATHER_ROWS
            || since.elapsed() >= Duration::from_millis(EVENT_GATHER_MS)
    }

    /// Stores all that waits, in one transaction; what cannot be stored still waits.
    ///
    /// # Errors
    /// The store cannot be written.
    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        let lines = self.log.lines();
        let (rows, log) = (chunk(&self.rows)?, chunk(&lines.text)?);
        let name = self.name.clone();
        self.store.write(move |db| {
            for (chunk, kind) in [(rows, Kind::Rows), (log, Kind::Log)] {
                if chunk.rows() > 0 {
                    server_event::insert(db, &name, &chunk, kind)?;
                }
            }
            Ok(())
        })?;
        self.rows.clear();
        self.count = 0;
        self.since = None;
        self.log.forget(lines.count);
        Ok(())
    }
}

fn chunk(lines: &[u8]) -> Result<Chunk, StoreError> {
    let fault = |_: RowFault| StoreError::Damaged("a row of an event query");
    Chunk::from_plain(Bytes::copy_from_slice(lines)).map_err(fault)
}
