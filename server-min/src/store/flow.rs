//! Collections: queue, look up, cancel.

use bytes::Bytes;
use rusqlite::{Connection, Row, params};
use serde_json::json;
use troodon_proto::{Cancel, Message, VeloMessage};

use super::server_flow;
use super::setting::{self, Setting};
use super::{Store, StoreError, audit, client, now_us, signed, task, unsigned};
use crate::limits;
use crate::model::audit::Record;
use crate::model::flow::{Flow, NewFlow, expires_us};
use crate::model::id::{ArtifactName, ClientId, FlowId};
use crate::model::site::Site;

const COLUMNS: &str = "id, creator, artifacts, spec, request, urgent, created_us, delivered_us, \
                       active_us, complete, failure, stats, client";

impl Store {
    /// Queues a collection for a client; a connected agent gets it at once.
    ///
    /// # Errors
    /// [`StoreError::NoClient`]; the id is taken; the store cannot be written.
    pub fn create_flow(&self, client: &ClientId, flow: NewFlow) -> Result<FlowId, StoreError> {
        let client = *client;
        self.write(move |db| {
            client::existing(db, &client)?;
            insert(db, client.into(), &flow)?;
            Ok(flow.id)
        })
    }

    /// Like [`Store::create_flow`], on the server as well; the record of who asked for it is kept with it or neither is.
    ///
    /// # Errors
    /// Those of [`Store::create_flow`].
    pub fn create_flow_on_record(
        &self,
        site: Site,
        flow: NewFlow,
        record: Record,
    ) -> Result<FlowId, StoreError> {
        self.write(move |db| {
            match site {
                Site::Client(client) => drop(client::existing(db, &client)?),
                Site::Server => server_flow::check_room(db)?,
            }
            insert(db, site, &flow)?;
            audit::append(db, &record)?;
            Ok(flow.id)
        })
    }

    /// One collection.
    ///
    /// # Errors
    /// [`StoreError::NoFlow`], or the store cannot be read.
    pub fn flow(&self, site: impl Into<Site>, id: &FlowId) -> Result<Flow, StoreError> {
        let site = site.into();
        self.read(|db| existing(db, site, id).map(|(_, flow)| flow))
    }

    /// The collections of a client or of the server, latest first: at most `limit` (and [`limits::PAGE`]) behind the first
    /// `skip`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn flows(
        &self,
        site: impl Into<Site>,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<Flow>, StoreError> {
        let site = site.into();
        self.read(|db| {
            let sql = format!(
                "SELECT {COLUMNS} FROM flow WHERE client = ?1 ORDER BY number DESC LIMIT ?2 OFFSET ?3"
            );
            let mut query = db.prepare_cached(&sql)?;
            let limit = i64::try_from(limit.min(limits::PAGE)).unwrap_or(i64::MAX);
            let skip = i64::try_from(skip).unwrap_or(i64::MAX);
            let rows = query.query_and_then(params![site.as_str(), limit, skip], from_row)?;
            rows.collect()
        })
    }

    /// The collections that were made last, of all clients: at most `limit` (and [`limits::PAGE`]).
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn latest_flows(&self, limit: usize) -> Result<Vec<Flow>, StoreError> {
        self.read(|db| {
            let sql = format!("SELECT {} FROM flow ORDER BY number DESC LIMIT ?1", COLUMNS);
            let mut query = db.prepare_cached(&sql)?;
            let limit = i64::try_from(limit.min(limits::PAGE)).unwrap_or(i64::MAX);
            let rows = query.query_and_then([limit], from_row)?;
            rows.collect()
        })
    }

    /// Ends a collection: it leaves the queue, and the agent is told to stop; on the server its queries stop soon.
    ///
    /// Answers false when it was over already.
    ///
    /// # Errors
    /// [`StoreError::NoFlow`], or the store cannot be written.
    pub fn cancel_flow(
        &self,
        site: impl Into<Site>,
        id: &FlowId,
        principal: &str,
    ) -> Result<bool, StoreError> {
        let (site, id, principal) = (site.into(), id.clone(), principal.to_owned());
        let record = Record {
            time_us: now_us(),
            org: self.org().clone(),
            principal: principal.clone(),
            operation: "CancelFlow".to_owned(),
            allowed: true,
            details: json!({"client": site.as_str(), "flow_id": id.as_str()}),
        };
        self.write(move |db| {
            let (number, flow) = existing(db, site, &id)?;
            if flow.complete {
                return Ok(false);
            }
            let failure = match flow.status() {
                "" => format!("Cancelled by {principal}"),
                earlier => format!("Cancelled by {principal}: {earlier}"),
            };
            fail(db, number, &failure)?;
            if let Site::Client(client) = site {
                let message = VeloMessage {
                    session_id: id.as_str().to_owned(),
                    cancel: Some(Cancel { principal }),
                    urgent: true,
                    ..VeloMessage::default()
                };
                task::queue_message(db, &client, &message)?;
            }
            audit::append(db, &record)?;
            Ok(true)
        })
    }

    /// Removes a collection with its results and files. Answers whether there was one.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn delete_flow(&self, site: impl Into<Site>, id: &FlowId) -> Result<bool, StoreError> {
        let (site, id) = (site.into(), id.clone());
        let number = self.write(move |db| match delete(db, site, &id) {
            Ok(number) => Ok(Some(number)),
            Err(StoreError::NoFlow { .. }) => Ok(None),
            Err(other) => Err(other),
        })?;
        number.map(|number| self.remove_upload_folder(number)).transpose()?;
        Ok(number.is_some())
    }
}

pub(super) fn insert(db: &Connection, site: Site, flow: &NewFlow) -> Result<(), StoreError> {
    let artifacts: Vec<&str> = flow.artifacts.iter().map(ArtifactName::as_str).collect();
    let sql = "INSERT INTO flow \
               (number, client, id, creator, artifacts, spec, request, urgent, created_us, expires_us) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    db.execute(
        sql,
        params![
            next_number(db)?,
            site.as_str(),
            flow.id.as_str(),
            flow.creator,
            serde_json::to_string(&artifacts)?,
            flow.spec.to_string(),
            flow.request.encode_to_vec(),
            flow.urgent,
            signed(now_us()),
            signed(expires_us(&flow.request)),
        ],
    )?;
    match site {
        Site::Client(client) => task::queue_flow(db, &client, db.last_insert_rowid(), flow.urgent),
        // The server finds what it has to do itself in the table.
        Site::Server => Ok(()),
    }
}

/// A number that no collection ever had: the files of a deleted one may still be on their way out.
fn next_number(db: &Connection) -> Result<i64, StoreError> {
    let latest: i64 =
        db.query_row("SELECT coalesce(max(number), 0) FROM flow", [], |row| row.get(0))?;
    Ok(latest.max(retired(db)?).saturating_add(1))
}

/// The highest number of collections that are gone.
fn retired(db: &Connection) -> Result<i64, StoreError> {
    match setting::find(db, Setting::RetiredFlow)? {
        None => Ok(0),
        Some(bytes) => {
            bytes.try_into().map(i64::from_be_bytes).map_err(|_| StoreError::Damaged("a number"))
        }
    }
}

/// Notes that these numbers are not to be used again.
pub(super) fn retire(db: &Connection, numbers: &[i64]) -> Result<(), StoreError> {
    let highest = numbers.iter().copied().max().unwrap_or_default();
    if highest > retired(db)? {
        setting::put(db, Setting::RetiredFlow, &highest.to_be_bytes())?;
    }
    Ok(())
}

/// Removes a collection with its results; answers its number, whose files are to be removed behind the transaction.
pub(crate) fn delete(db: &Connection, site: Site, id: &FlowId) -> Result<i64, StoreError> {
    let (number, _) = existing(db, site, id)?;
    retire(db, &[number])?;
    db.execute("DELETE FROM flow WHERE number = ?1", [number])?;
    Ok(number)
}

/// The numbers of all collections of a client.
pub(super) fn numbers_of(db: &Connection, client: &ClientId) -> Result<Vec<i64>, StoreError> {
    let mut query = db.prepare_cached("SELECT number FROM flow WHERE client = ?1")?;
    let rows = query.query_map([client.as_str()], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Marks a collection as ended by the server and takes it out of the queue.
pub(super) fn fail(db: &Connection, number: i64, failure: &str) -> Result<(), StoreError> {
    let sql = "UPDATE flow SET complete = 1, failure = ?2 WHERE number = ?1";
    db.execute(sql, params![number, failure])?;
    db.execute("DELETE FROM task WHERE flow = ?1", [number])?;
    Ok(())
}

/// A collection with its number; a missing one is an error.
pub(super) fn existing(
    db: &Connection,
    site: Site,
    id: &FlowId,
) -> Result<(i64, Flow), StoreError> {
    let sql = format!("SELECT {COLUMNS}, number FROM flow WHERE client = ?1 AND id = ?2");
    let mut query = db.prepare_cached(&sql)?;
    let mut rows = query.query_and_then([site.as_str(), id.as_str()], |row| {
        Ok::<_, StoreError>((row.get::<_, i64>(13)?, from_row(row)?))
    })?;
    let missing = || StoreError::NoFlow { client: site.to_string(), flow: id.to_string() };
    rows.next().ok_or_else(missing)?
}

fn from_row(row: &Row<'_>) -> Result<Flow, StoreError> {
    let artifacts: Vec<String> = serde_json::from_str(&row.get::<_, String>(2)?)?;
    Ok(Flow {
        site: row.get::<_, String>(12)?.parse().map_err(|_| StoreError::Damaged("a client id"))?,
        id: row.get::<_, String>(0)?.parse()?,
        creator: row.get(1)?,
        artifacts: artifacts.iter().map(|name| name.parse()).collect::<Result<_, _>>()?,
        spec: serde_json::from_str(&row.get::<_, String>(3)?)?,
        request: Message::decode(Bytes::from(row.get::<_, Vec<u8>>(4)?))?,
        urgent: row.get(5)?,
        created_us: unsigned(row.get(6)?),
        delivered_us: unsigned(row.get(7)?),
        active_us: unsigned(row.get(8)?),
        complete: row.get(9)?,
        failure: row.get(10)?,
        stats: Message::decode(Bytes::from(row.get::<_, Vec<u8>>(11)?))?,
    })
}
