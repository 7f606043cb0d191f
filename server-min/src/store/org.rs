//! The organisations of a deployment, as the store of the root lists them.

use rusqlite::{Connection, Row, params};

use super::{Store, StoreError, signed, unsigned};
use crate::model::id::OrgId;

/// What is listed about an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrgRecord {
    /// Its name in paths, requests and records.
    pub id: OrgId,
    /// For people.
    pub name: String,
    /// What its agents say, and no others: it decides where an agent enrols.
    pub nonce: String,
    /// Microseconds since 1970; 0 for the root.
    pub created_us: u64,
}

impl Store {
    /// All organisations beside the root, in the order of their ids. Asked of the root's store.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn orgs(&self) -> Result<Vec<OrgRecord>, StoreError> {
        self.read(|db| {
            let sql = "SELECT id, name, nonce, created_us FROM org ORDER BY id";
            let mut query = db.prepare_cached(sql)?;
            query.query_and_then([], from_row)?.collect()
        })
    }
}

/// An organisation by its id, within a transaction.
pub(crate) fn find(db: &Connection, id: &OrgId) -> Result<Option<OrgRecord>, StoreError> {
    one(db, "SELECT id, name, nonce, created_us FROM org WHERE id = ?1", id.as_str())
}

/// The organisation whose agents have this nonce, within a transaction.
pub(crate) fn of_nonce(db: &Connection, nonce: &str) -> Result<Option<OrgRecord>, StoreError> {
    one(db, "SELECT id, name, nonce, created_us FROM org WHERE nonce = ?1", nonce)
}

/// Lists an organisation, within a transaction.
pub(crate) fn insert(db: &Connection, org: &OrgRecord) -> Result<(), StoreError> {
    let sql = "INSERT INTO org (id, name, nonce, created_us) VALUES (?1, ?2, ?3, ?4)";
    let values = params![org.id.as_str(), org.name, org.nonce, signed(org.created_us)];
    db.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// Takes an organisation from the list, with everybody's rights in it, within a transaction.
pub(crate) fn remove(db: &Connection, id: &OrgId) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM policy WHERE org = ?1")?.execute([id.as_str()])?;
    db.prepare_cached("DELETE FROM org WHERE id = ?1")?.execute([id.as_str()])?;
    Ok(())
}

fn one(db: &Connection, sql: &str, key: &str) -> Result<Option<OrgRecord>, StoreError> {
    let mut query = db.prepare_cached(sql)?;
    let mut rows = query.query_and_then([key], from_row)?;
    rows.next().transpose()
}

fn from_row(row: &Row<'_>) -> Result<OrgRecord, StoreError> {
    Ok(OrgRecord {
        id: row.get::<_, String>(0)?.parse()?,
        name: row.get(1)?,
        nonce: row.get(2)?,
        created_us: unsigned(row.get(3)?),
    })
}
