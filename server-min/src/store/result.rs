//! Results of collections: what there is, and its rows a page at a time.

use bytes::Bytes;
use rusqlite::{OptionalExtension, params};

use super::chunk::{Chunk, Lines};
use super::{Store, StoreError, flow, signed, unsigned};
use crate::model::id::{ArtifactName, FlowId};
use crate::model::site::Site;

/// Under this name the query log is kept; no artifact has it.
pub(super) const LOG: &str = "";

/// The rows of one name in a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultSet {
    /// Artifact and source.
    pub name: ArtifactName,
    /// Rows that are stored.
    pub rows: u64,
    /// Bytes of JSON before compression.
    pub bytes: u64,
}

impl Store {
    /// What a collection has brought, in the order of first arrival.
    ///
    /// # Errors
    /// [`StoreError::NoFlow`], or the store cannot be read.
    pub fn results(
        &self,
        site: impl Into<Site>,
        id: &FlowId,
    ) -> Result<Vec<ResultSet>, StoreError> {
        let site = site.into();
        self.read(|db| {
            let (number, _) = flow::existing(db, site, id)?;
            let sql = "SELECT name, rows, bytes FROM result_set \
                       WHERE flow = ?1 AND name <> '' ORDER BY number";
            let mut query = db.prepare_cached(sql)?;
            let rows = query.query_and_then([number], |row| {
                Ok(ResultSet {
                    name: row.get::<_, String>(0)?.parse()?,
                    rows: unsigned(row.get(1)?),
                    bytes: unsigned(row.get(2)?),
                })
            })?;
            rows.collect()
        })
    }

    /// The rows of one name from `start_row` on: nothing when there are none.
    ///
    /// # Errors
    /// [`StoreError::NoFlow`], or the store cannot be read.
    pub fn rows(
        &self,
        site: impl Into<Site>,
        id: &FlowId,
        name: &ArtifactName,
        start_row: u64,
    ) -> Result<RowReader, StoreError> {
        self.reader_of(site.into(), id, name.as_str(), start_row)
    }

    /// The query log of a collection: objects with `client_time`, `level` and `message`.
    ///
    /// # Errors
    /// [`StoreError::NoFlow`], or the store cannot be read.
    pub fn logs(
        &self,
        site: impl Into<Site>,
        id: &FlowId,
        start_row: u64,
    ) -> Result<RowReader, StoreError> {
        self.reader_of(site.into(), id, LOG, start_row)
    }

    fn reader_of(
        &self,
        site: Site,
        id: &FlowId,
        name: &str,
        start_row: u64,
    ) -> Result<RowReader, StoreError> {
        let result_set = self.read(|db| {
            let (number, _) = flow::existing(db, site, id)?;
            let sql = "SELECT number FROM result_set WHERE flow = ?1 AND name = ?2";
            Ok(db.query_row(sql, params![number, name], |row| row.get(0)).optional()?)
        })?;
        Ok(RowReader {
            store: self.clone(),
            result_set,
            next_row: start_row,
            lines: Lines::default(),
        })
    }
}

/// Rows one after the other; holds one chunk at a time and no lock.
///
/// Each item is one JSON object in UTF-8 without its line feed.
pub struct RowReader {
    store: Store,
    /// `None` when there are no rows, or no more.
    result_set: Option<i64>,
    next_row: u64,
    lines: Lines,
}

impl RowReader {
    /// Fetches the chunk with the next row. Answers false at the end.
    fn advance(&mut self, result_set: i64) -> Result<bool, StoreError> {
        let wanted = self.next_row;
        let found = self.store.read(|db| {
            let sql = "SELECT start_row, rows, raw_bytes, data FROM chunk \
                       WHERE result_set = ?1 AND start_row <= ?2 ORDER BY start_row DESC LIMIT 1";
            let mut query = db.prepare_cached(sql)?;
            let found = query.query_row(params![result_set, signed(wanted)], |row| {
                let data = Bytes::from(row.get::<_, Vec<u8>>(3)?);
                let rows = unsigned(row.get(1)?);
                Ok((unsigned(row.get(0)?), Chunk::from_store(rows, unsigned(row.get(2)?), data)))
            });
            Ok(found.optional()?)
        })?;
        let Some((start, chunk)) = found else { return Ok(false) };
        let end = start.saturating_add(chunk.rows());
        if end <= wanted {
            return Ok(false);
        }
        self.lines = Lines::new(chunk.lines()?);
        for _ in start..wanted {
            drop(self.lines.next());
        }
        self.next_row = end;
        Ok(true)
    }
}

impl Iterator for RowReader {
    type Item = Result<Bytes, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(line) = self.lines.next() {
                return Some(Ok(line));
            }
            let result_set = self.result_set?;
            match self.advance(result_set) {
                Ok(true) => {}
                Ok(false) => self.result_set = None,
                Err(error) => {
                    self.result_set = None;
                    return Some(Err(error));
                }
            }
        }
    }
}
