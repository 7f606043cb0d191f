//! Records of clients.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Store, StoreError, flow, hunt, now_us, search, signed, unsigned};
use crate::limits;
use crate::model::client::{self, Client, Host};
use crate::model::id::{ClientId, FlowId};

pub(super) const COLUMNS: &str = "id, enrolled_us, seen_us, address, host, labels, labels_changed_ns, \
                       event_table_version, interrogation, refused";
/// How many they are.
pub(super) const COLUMN_COUNT: usize = 10;

impl Store {
    /// Keeps the key of a client. Answers whether the client is a new one; the key of a known one stays.
    ///
    /// The id is derived from the key, so that the same id always means the same key.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn enrol(&self, id: ClientId, public_key: Vec<u8>) -> Result<bool, StoreError> {
        self.write_async(move |db| insert(db, &id, &public_key)).await
    }

    /// The public key of a client (PKCS#1, DER).
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn public_key(&self, id: &ClientId) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|db| {
            let mut query = db.prepare_cached("SELECT public_key FROM client WHERE id = ?1")?;
            Ok(query.query_row([id.as_str()], |row| row.get(0)).optional()?)
        })
    }

    /// Makes sure that a client was not deleted.
    ///
    /// # Errors
    /// [`StoreError::NoClient`], or the store cannot be read.
    pub(crate) async fn expect_client(&self, id: ClientId) -> Result<(), StoreError> {
        self.read_async(move |db| {
            let mut query = db.prepare_cached("SELECT 1 FROM client WHERE id = ?1")?;
            let found = query.exists([id.as_str()])?;
            if found { Ok(()) } else { Err(StoreError::NoClient(id.to_string())) }
        })
        .await
    }

    /// The record of a client.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn client(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        self.read(|db| find(db, id))
    }

    /// At most `limit` (and [`limits::PAGE`]) records in the order of ids, behind the id `after`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn clients(
        &self,
        after: Option<&ClientId>,
        limit: usize,
    ) -> Result<Vec<Client>, StoreError> {
        self.read(|db| page(db, after, limit))
    }

    /// How many clients there are.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn client_count(&self) -> Result<u64, StoreError> {
        self.read(|db| {
            Ok(unsigned(db.query_row("SELECT count(*) FROM client", [], |row| row.get(0))?))
        })
    }

    /// Gives labels to a client and takes labels away; what was there stays in its order.
    ///
    /// Answers whether anything changed. A change makes the client get an event table anew.
    ///
    /// # Errors
    /// [`StoreError::NoClient`], or the store cannot be written.
    pub fn label(
        &self,
        id: &ClientId,
        add: Vec<String>,
        remove: Vec<String>,
    ) -> Result<bool, StoreError> {
        let id = *id;
        self.write(move |db| label(db, &id, &add, &remove))
    }

    /// Notes which collection asks the client about its host.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn set_interrogation(&self, id: &ClientId, flow: &FlowId) -> Result<(), StoreError> {
        let (id, flow) = (*id, flow.clone());
        self.write(move |db| {
            let sql = "UPDATE client SET interrogation = ?2 WHERE id = ?1";
            db.execute(sql, params![id.as_str(), flow.as_str()])?;
            Ok(())
        })
    }

    /// Removes a client with its collections and events; its agent will have to enrol again.
    ///
    /// Answers whether there was such a client.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn delete_client(&self, id: &ClientId) -> Result<bool, StoreError> {
        let key = *id;
        let gone = self.write(move |db| delete(db, &key))?;
        let found = gone.is_some();
        self.remove_upload_folders(&gone.unwrap_or_default())?;
        Ok(found)
    }
}

/// Adds a client; answers whether it is a new one.
pub(super) fn insert(
    db: &Connection,
    id: &ClientId,
    public_key: &[u8],
) -> Result<bool, StoreError> {
    let sql = "INSERT INTO client (id, public_key, enrolled_us) VALUES (?1, ?2, ?3) \
               ON CONFLICT (id) DO NOTHING";
    let fresh = db.execute(sql, params![id.as_str(), public_key, signed(now_us())])? == 1;
    if fresh {
        search::index(db, &existing(db, id)?)?;
    }
    Ok(fresh)
}

/// Gives labels and takes labels away; answers whether anything changed.
pub(crate) fn label(
    db: &Connection,
    id: &ClientId,
    add: &[String],
    remove: &[String],
) -> Result<bool, StoreError> {
    let mut record = existing(db, id)?;
    let before = record.labels.clone();
    let gone: Vec<String> = remove.iter().map(|text| text.trim().to_lowercase()).collect();
    record.labels.retain(|held| !gone.contains(&held.to_lowercase()));
    client::add_labels(&mut record.labels, add.iter().map(String::as_str));
    if record.labels == before {
        return Ok(false);
    }
    set_labels(db, &record)?;
    Ok(true)
}

/// Removes a client with all that belongs to it; answers the numbers of its collections, whose files are to be removed
/// behind the transaction. `None`: there was no such client.
pub(crate) fn delete(db: &Connection, id: &ClientId) -> Result<Option<Vec<i64>>, StoreError> {
    let flows = flow::numbers_of(db, id)?;
    flow::retire(db, &flows)?;
    let found = db.execute("DELETE FROM client WHERE id = ?1", [id.as_str()])? == 1;
    Ok(found.then_some(flows))
}

/// Records in the order of ids, behind an id.
pub(super) fn page(
    db: &Connection,
    after: Option<&ClientId>,
    limit: usize,
) -> Result<Vec<Client>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM client WHERE id > ?1 ORDER BY id LIMIT ?2");
    let mut query = db.prepare_cached(&sql)?;
    let start = after.map_or("", ClientId::as_str);
    let limit = i64::try_from(limit.min(limits::PAGE)).unwrap_or(i64::MAX);
    let rows = query.query_and_then(params![start, limit], from_row)?;
    rows.collect()
}

/// The record of a client within a transaction.
pub(crate) fn find(db: &Connection, id: &ClientId) -> Result<Option<Client>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM client WHERE id = ?1");
    let mut query = db.prepare_cached(&sql)?;
    let mut rows = query.query_and_then([id.as_str()], from_row)?;
    rows.next().transpose()
}

/// [`find`] where a missing client is an error.
pub(super) fn existing(db: &Connection, id: &ClientId) -> Result<Client, StoreError> {
    find(db, id)?.ok_or_else(|| StoreError::NoClient(id.to_string()))
}

/// Writes the labels of a record and makes the event table due.
fn set_labels(db: &Connection, record: &Client) -> Result<(), StoreError> {
    let sql = "UPDATE client SET labels = ?2, labels_changed_ns = ?3 WHERE id = ?1";
    let changed_ns = signed(now_us().saturating_mul(1000));
    let labels = serde_json::to_string(&record.labels)?;
    db.execute(sql, params![record.id.as_str(), labels, changed_ns])?;
    search::index(db, record)?;
    hunt::look_again(db, &record.id)
}

/// Writes what the agent says about its host; its labels join those that are there.
pub(super) fn set_host(
    db: &Connection,
    id: &ClientId,
    host: &Host,
    labels: &[String],
) -> Result<(), StoreError> {
    let mut record = existing(db, id)?;
    let is_labelled = client::add_labels(&mut record.labels, labels.iter().map(String::as_str));
    if record.host != *host {
        let text = serde_json::to_string(host)?;
        db.execute("UPDATE client SET host = ?2 WHERE id = ?1", params![id.as_str(), text])?;
        record.host = host.clone();
        search::index(db, &record)?;
        hunt::look_again(db, id)?;
    }
    if is_labelled { set_labels(db, &record) } else { Ok(()) }
}

pub(super) fn from_row(row: &Row<'_>) -> Result<Client, StoreError> {
    let id: String = row.get(0)?;
    let interrogation: Option<String> = row.get(8)?;
    Ok(Client {
        id: id.parse().map_err(|_| StoreError::Damaged("a client id"))?,
        enrolled_us: unsigned(row.get(1)?),
        seen_us: unsigned(row.get(2)?),
        address: row.get(3)?,
        host: serde_json::from_str(&row.get::<_, String>(4)?)?,
        labels: serde_json::from_str(&row.get::<_, String>(5)?)?,
        labels_changed_ns: unsigned(row.get(6)?),
        event_table_version: unsigned(row.get(7)?),
        interrogation: interrogation.map(|text| text.parse()).transpose()?,
        refused: unsigned(row.get(9)?),
    })
}
