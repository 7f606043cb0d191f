//! Rows and messages of one event query on their way to the store: some are stored together.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};
use troodon_vql::{Level, LogSink, Row, json as vql_json};

use super::ALERTS;
use crate::limits::{
    EVENT_GATHER_BYTES, EVENT_GATHER_MS, EVENT_GATHER_ROWS, EVENT_LOG_LINES, ROW_BYTES,
};
use crate::model::id::ArtifactName;
use crate::store::chunk::{Chunk, RowFault};
use crate::store::server_event::{self, Kind};
use crate::store::{Store, StoreError, now_us};

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
        let (rows, log) = (chunk(&self.rows)?, chunk(&lines.all)?);
        let alerts = chunk(&lines.alerts)?;
        let (name, alert_name) = (self.name.clone(), ALERTS.parse::<ArtifactName>()?);
        self.store.write(move |db| {
            let parts = [
                (&name, rows, Kind::Rows),
                (&name, log, Kind::Log),
                (&alert_name, alerts, Kind::Rows),
            ];
            for (name, chunk, kind) in parts {
                if chunk.rows() > 0 {
                    server_event::insert(db, name, &chunk, kind)?;
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

/// Messages of a query, with the time of each in seconds since 1970.
#[derive(Clone, Default)]
pub(super) struct Messages(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    lines: Vec<(u64, Level, String)>,
    /// Messages for which there was no room.
    lost: usize,
}

/// Messages as they are stored.
struct Lines {
    all: Vec<u8>,
    alerts: Vec<u8>,
    count: usize,
}

impl Messages {
    /// Takes one message.
    pub(super) fn note(&self, level: Level, message: &str) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.lines.len() >= EVENT_LOG_LINES {
            waiting.lost = waiting.lost.saturating_add(1);
            return;
        }
        waiting.lines.push((now_us() / 1_000_000, level, message.to_owned()));
    }

    fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).lines.is_empty()
    }

    fn lines(&self) -> Lines {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines = Lines { all: Vec::new(), alerts: Vec::new(), count: waiting.lines.len() };
        for (time, level, message) in &waiting.lines {
            let line = json!({"client_time": time, "level": level.name(), "message": message});
            push(&mut lines.all, &line);
            if *level == Level::Alert {
                push(&mut lines.alerts, &alert(*time, message));
            }
        }
        if waiting.lost > 0 {
            let message = format!("{} messages are not kept", waiting.lost);
            let time = now_us() / 1_000_000;
            let line =
                json!({"client_time": time, "level": Level::Warn.name(), "message": message});
            push(&mut lines.all, &line);
        }
        lines
    }

    /// Drops the first messages, which are stored.
    fn forget(&self, count: usize) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = count.min(waiting.lines.len());
        waiting.lines.drain(..count);
        waiting.lost = 0;
    }
}

impl LogSink for Messages {
    fn log(&mut self, level: Level, message: &str) {
        self.note(level, message);
    }
}

fn push(lines: &mut Vec<u8>, line: &Value) {
    lines.extend(line.to_string().into_bytes());
    lines.push(b'\n');
}

/// What an alert of the server looks like: the object that the query logged, or its text.
fn alert(time: u64, message: &str) -> Value {
    let event = serde_json::from_str(message).unwrap_or_else(|_| json!({"name": message}));
    json!({"client_id": "server", "timestamp": time, "event": event})
}
