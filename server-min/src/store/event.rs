//! Rows of event queries, by client, name and time of arrival.

use std::collections::BTreeSet;
use std::ops::Range;

use bytes::Bytes;
use rusqlite::params;
use troodon_proto::VqlEventTable;

use super::chunk::{Chunk, Lines};
use super::{Store, StoreError, signed, unsigned};
use crate::model::id::{ArtifactName, ClientId};

/// One row of an event query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// When the server got it, in microseconds since 1970.
    pub received_us: u64,
    /// One JSON object in UTF-8.
    pub row: Bytes,
}

impl Store {
    /// Allows a client to send rows of the queries in this table, before it is sent.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn grant_events(
        &self,
        client: ClientId,
        table: &VqlEventTable,
    ) -> Result<(), StoreError> {
        let queries = table.event.iter().flat_map(|event| &event.query);
        let names: BTreeSet<ArtifactName> =
            queries.filter_map(|query| query.name.parse().ok()).collect();
        self.write_async(move |db| {
            let sql =
                "INSERT INTO event_grant (client, name) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            let mut query = db.prepare_cached(sql)?;
            for name in names {
                query.execute(params![client.as_str(), name.as_str()])?;
            }
            Ok(())
        })
        .await
    }

    /// The names under which a client has sent event rows.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn event_names(&self, client: &ClientId) -> Result<Vec<ArtifactName>, StoreError> {
        self.read(|db| {
            let sql = "SELECT DISTINCT name FROM event WHERE client = ?1 AND log = 0 ORDER BY name";
            let mut query = db.prepare_cached(sql)?;
            let rows = query
                .query_and_then([client.as_str()], |row| Ok(row.get::<_, String>(0)?.parse()?))?;
            rows.collect()
        })
    }

    /// Event rows that arrived within a time, in microseconds since 1970, oldest first.
    #[must_use]
    pub fn events(&self, client: &ClientId, name: &ArtifactName, time: Range<u64>) -> EventReader {
        EventReader::new(self.clone(), Some(*client), name, time, false)
    }

    /// Query logs of event queries, like [`Store::events`].
    #[must_use]
    pub fn event_logs(
        &self,
        client: &ClientId,
        name: &ArtifactName,
        time: Range<u64>,
    ) -> EventReader {
        EventReader::new(self.clone(), Some(*client), name, time, true)
    }
}

const OF_CLIENT: &str = "SELECT number, received_us, rows, raw_bytes, data FROM event \
                         WHERE client = ?1 AND name = ?2 AND log = ?3 \
                         AND (received_us, number) > (?4, ?5) AND received_us < ?6 \
                         ORDER BY received_us, number LIMIT 1";
/// With the same parameters, of which the first means nothing here.
const OF_SERVER: &str = "SELECT number, received_us, rows, raw_bytes, data FROM server_event \
                         WHERE ?1 = '' AND name = ?2 AND log = ?3 \
                         AND (received_us, number) > (?4, ?5) AND received_us < ?6 \
                         ORDER BY received_us, number LIMIT 1";

/// Event rows one after the other; holds one chunk at a time and no lock.
pub struct EventReader {
    store: Store,
    /// `None`: events of the server.
    client: Option<ClientId>,
    name: ArtifactName,
    log: bool,
    /// Time and number behind which the next chunk is.
    position: (u64, i64),
    end_us: u64,
    done: bool,
    received_us: u64,
    lines: Lines,
}

impl EventReader {
    pub(super) fn new(
        store: Store,
        client: Option<ClientId>,
        name: &ArtifactName,
        time: Range<u64>,
        log: bool,
    ) -> Self {
        Self {
            store,
            client,
            name: name.clone(),
            log,
            position: (time.start, 0),
            end_us: time.end,
            done: false,
            received_us: 0,
            lines: Lines::default(),
        }
    }

    /// Fetches the next chunk. Answers false at the end.
    fn advance(&mut self) -> Result<bool, StoreError> {
        let (from, behind) = self.position;
        let found = self.store.read(|db| {
            let sql = if self.client.is_some() { OF_CLIENT } else { OF_SERVER };
            let mut query = db.prepare_cached(sql)?;
            let end = signed(self.end_us);
            let mut rows = query.query(params![
                self.client.as_ref().map_or("", ClientId::as_str),
                self.name.as_str(),
                self.log,
                signed(from),
                behind,
                end
            ])?;
            let Some(row) = rows.next()? else { return Ok(None) };
            let data = Bytes::from(row.get::<_, Vec<u8>>(4)?);
            let chunk = Chunk::from_store(unsigned(row.get(2)?), unsigned(row.get(3)?), data);
            Ok(Some((row.get::<_, i64>(0)?, unsigned(row.get(1)?), chunk)))
        })?;
        let Some((number, received_us, chunk)) = found else { return Ok(false) };
        self.position = (received_us, number);
        self.received_us = received_us;
        self.lines = Lines::new(chunk.lines()?);
        Ok(true)
    }
}

impl Iterator for EventReader {
    type Item = Result<EventRow, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.done {
            if let Some(row) = self.lines.next() {
                return Some(Ok(EventRow { received_us: self.received_us, row }));
            }
            match self.advance() {
                Ok(more) => self.done = !more,
                Err(error) => {
                    self.done = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}
