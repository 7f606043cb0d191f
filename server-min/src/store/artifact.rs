//! Definitions of artifacts that people have written here.

use rusqlite::{Connection, params};

use super::{Store, StoreError, now_us, signed};

impl Store {
    /// All kept definitions with their names.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn artifact_texts(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.read(|db| {
            let mut query = db.prepare_cached("SELECT name, text FROM artifact ORDER BY name")?;
            let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

/// Keeps a definition over the one that was there.
pub(crate) fn put(db: &Connection, name: &str, text: &str) -> Result<(), StoreError> {
    let sql = "INSERT INTO artifact (name, text, changed_us) VALUES (?1, ?2, ?3) \
               ON CONFLICT (name) DO UPDATE SET text = excluded.text, changed_us = excluded.changed_us";
    db.execute(sql, params![name, text, signed(now_us())])?;
    Ok(())
}

/// Forgets a definition.
pub(crate) fn remove(db: &Connection, name: &str) -> Result<(), StoreError> {
    db.execute("DELETE FROM artifact WHERE name = ?1", [name])?;
    Ok(())
}
