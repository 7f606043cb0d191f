//! What people note about a client or about the server: values by name, which no agent sees.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::setting::{self, Setting};
use super::{Store, StoreError, client};
use crate::limits;
use crate::model::id::ClientId;

/// Notes by name.
pub type Metadata = BTreeMap<String, String>;

/// Changes of notes by name; `None` removes one.
pub type Changes = BTreeMap<String, Option<String>>;

impl Store {
    /// The notes about a client; none when there is no such client.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn client_metadata(&self, id: &ClientId) -> Result<Metadata, StoreError> {
        self.read(|db| of_client(db, id))
    }

    /// The notes about the server.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn server_metadata(&self) -> Result<Metadata, StoreError> {
        self.read(of_server)
    }
}

fn of_client(db: &Connection, id: &ClientId) -> Result<Metadata, StoreError> {
    let mut query =
        db.prepare_cached("SELECT name, value FROM client_metadata WHERE client = ?1")?;
    let rows = query.query_map([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn of_server(db: &Connection) -> Result<Metadata, StoreError> {
    let found = setting::find(db, Setting::ServerMetadata)?;
    Ok(found.map(|bytes| serde_json::from_slice(&bytes)).transpose()?.unwrap_or_default())
}

/// Changes notes about a client, within a transaction.
pub(crate) fn change(db: &Connection, id: &ClientId, changes: &Changes) -> Result<(), StoreError> {
    client::existing(db, id)?;
    let mut all = of_client(db, id)?;
    apply(&mut all, changes)?;
    let sql = "DELETE FROM client_metadata WHERE client = ?1";
    db.prepare_cached(sql)?.execute([id.as_str()])?;
    let sql = "INSERT INTO client_metadata (client, name, value) VALUES (?1, ?2, ?3)";
    let mut insert = db.prepare_cached(sql)?;
    for (name, value) in all {
        insert.execute(params![id.as_str(), name, value])?;
    }
    Ok(())
}

/// Changes notes about the server, within a transaction.
pub(crate) fn change_server(db: &Connection, changes: &Changes) -> Result<(), StoreError> {
    let mut all = of_server(db)?;
    apply(&mut all, changes)?;
    setting::put(db, Setting::ServerMetadata, &serde_json::to_vec(&all)?)
}

fn apply(all: &mut Metadata, changes: &Changes) -> Result<(), StoreError> {
    for (name, value) in changes {
        match value {
            None => drop(all.remove(name)),
            Some(value) => drop(all.insert(name.clone(), value.clone())),
        }
    }
    let bytes: usize = all.iter().map(|(name, value)| name.len().saturating_add(value.len())).sum();
    if bytes > limits::METADATA_BYTES {
        let limit = u64::try_from(limits::METADATA_BYTES).unwrap_or(u64::MAX);
        return Err(StoreError::Limit("the metadata", limit));
    }
    Ok(())
}
