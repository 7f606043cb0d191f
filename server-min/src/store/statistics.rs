//! Counts over the whole store, for people who watch over it.

use std::fs;

use rusqlite::{Connection, params};

use super::{Store, StoreError, database, signed, unsigned};
use crate::activity::Sample;

/// How full the disk is, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// Of the database, with what is still in its log.
    pub database: u64,
    /// Free for the server.
    pub free: u64,
    /// Of the whole file system.
    pub size: u64,
}

/// The counters of [`Sample`] within a transaction.
pub(crate) fn sample(db: &Connection, now_us: u64, online_us: u64) -> Result<Sample, StoreError> {
    let sql = "SELECT (SELECT count(*) FROM client WHERE seen_us > ?1), \
               (SELECT count(*) FROM client), \
               (SELECT coalesce(max(number), 0) FROM flow), \
               (SELECT coalesce(max(number), 0) FROM event) \
               + (SELECT coalesce(max(number), 0) FROM server_event)";
    let mut query = db.prepare_cached(sql)?;
    let number = |row: &rusqlite::Row<'_>, at| row.get(at).map(unsigned);
    let since = signed(now_us.saturating_sub(online_us));
    Ok(query.query_row(params![since], |row| {
        Ok(Sample {
            time: now_us / 1_000_000,
            online: number(row, 0)?,
            clients: number(row, 1)?,
            collections: number(row, 2)?,
            events: number(row, 3)?,
        })
    })?)
}

impl Store {
    /// How full the disk is.
    ///
    /// # Errors
    /// The file system does not say.
    pub fn disk(&self) -> Result<Disk, StoreError> {
        let folder = &self.shared.folder;
        let found = rustix::fs::statvfs(folder).map_err(std::io::Error::from)?;
        let database = database(folder);
        let log = fs::metadata(database.with_extension("sqlite-wal")).map_or(0, |log| log.len());
        Ok(Disk {
            database: fs::metadata(&database)?.len().saturating_add(log),
            free: found.f_bavail.saturating_mul(found.f_frsize),
            size: found.f_blocks.saturating_mul(found.f_frsize),
        })
    }
}
