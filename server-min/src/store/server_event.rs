//! Events that belong to no client, and following events as they arrive.

use bytes::Bytes;
use rusqlite::{Connection, params};

use super::chunk::{Chunk, Lines};
use super::event::EventReader;
use super::{Store, StoreError, now_us, signed, unsigned};
use crate::limits;
use crate::model::id::{ArtifactName, ClientId};

/// An event that has just arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// Who sent it; `None` for events of the server.
    pub client: Option<ClientId>,
    /// When, in microseconds since 1970.
    pub received_us: u64,
    /// One JSON object in UTF-8.
    pub row: Bytes,
}

/// A place in all events of one name: what is behind it arrived later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    client: i64,
    server: i64,
}

impl Store {
    /// Events of the server that arrived within a time, in microseconds since 1970, oldest first.
    #[must_use]
    pub fn server_events(&self, name: &ArtifactName, time: std::ops::Range<u64>) -> EventReader {
        EventReader::new(self.clone(), None, name, time, false)
    }

    /// The names of events of the server.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn server_event_names(&self) -> Result<Vec<ArtifactName>, StoreError> {
        self.read(|db| {
            let sql = "SELECT DISTINCT name FROM server_event ORDER BY name";
            let mut query = db.prepare_cached(sql)?;
            let rows = query.query_and_then([], |row| Ok(row.get::<_, String>(0)?.parse()?))?;
            rows.collect()
        })
    }

    /// What event queries of the server logged, like [`Store::server_events`].
    #[must_use]
    pub fn server_event_logs(
        &self,
        name: &ArtifactName,
        time: std::ops::Range<u64>,
    ) -> EventReader {
        EventReader::new(self.clone(), None, name, time, true)
    }

    /// The place behind all events that are here.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn latest_events(&self) -> Result<Mark, StoreError> {
        self.read(|db| {
            let latest = |table: &str| {
                let sql = format!("SELECT coalesce(max(number), 0) FROM {table}");
                db.prepare_cached(&sql)?.query_row([], |row| row.get(0))
            };
            Ok(Mark { client: latest("event")?, server: latest("server_event")? })
        })
    }

    /// Events of one name, from all clients and the server, that arrived behind a place; and the place behind them. Of
    /// many it answers the first [`limits::FOLLOWED_CHUNKS`] messages.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn events_behind(
        &self,
        name: &ArtifactName,
        mark: Mark,
    ) -> Result<(Vec<Arrived>, Mark), StoreError> {
        self.read(|db| {
            let mut arrived = Vec::new();
            let sql = "SELECT number, received_us, rows, raw_bytes, data, client FROM event \
                       WHERE name = ?1 AND number > ?2 AND log = 0 ORDER BY number LIMIT ?3";
            let client = take(db, sql, name, mark.client, &mut arrived)?;
            let sql = "SELECT number, received_us, rows, raw_bytes, data, NULL FROM server_event \
                       WHERE name = ?1 AND number > ?2 AND log = 0 ORDER BY number LIMIT ?3";
            let server = take(db, sql, name, mark.server, &mut arrived)?;
            Ok((arrived, Mark { client, server }))
        })
    }
}

fn take(
    db: &Connection,
    sql: &str,
    name: &ArtifactName,
    behind: i64,
    arrived: &mut Vec<Arrived>,
) -> Result<i64, StoreError> {
    let mut query = db.prepare_cached(sql)?;
    let mut rows = query.query(params![name.as_str(), behind, limits::FOLLOWED_CHUNKS])?;
    let mut last = behind;
    while let Some(row) = rows.next()? {
        last = row.get(0)?;
        let client: Option<String> = row.get(5)?;
        let client = client.map(|id| id.parse()).transpose();
        let client = client.map_err(|_| StoreError::Damaged("a client id"))?;
        let received_us = unsigned(row.get(1)?);
        let data = Bytes::from(row.get::<_, Vec<u8>>(4)?);
        let chunk = Chunk::from_store(unsigned(row.get(2)?), unsigned(row.get(3)?), data);
        for row in Lines::new(chunk.lines()?) {
            arrived.push(Arrived { client, received_us, row });
        }
    }
    Ok(last)
}

/// What an event query says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What it yields.
    Rows,
    /// What it logs.
    Log,
}

/// Keeps events of the server, within a transaction.
pub(crate) fn insert(
    db: &Connection,
    name: &ArtifactName,
    chunk: &Chunk,
    kind: Kind,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO server_event (name, received_us, rows, raw_bytes, data, log) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let (rows, raw_bytes) = (signed(chunk.rows()), signed(chunk.stored_raw_bytes()));
    let (now, is_log) = (signed(now_us()), kind == Kind::Log);
    let arguments = params![name.as_str(), now, rows, raw_bytes, chunk.data(), is_log];
    db.prepare_cached(sql)?.execute(arguments)?;
    Ok(())
}
