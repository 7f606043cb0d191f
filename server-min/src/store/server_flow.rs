//! Collections of the server itself: which is next, and what it brings.

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::json;
use troodon_proto::{FileBuffer, FlowStats, Message};

use super::chunk::Chunk;
use super::result::LOG;
use super::{Store, StoreError, audit, flow, ingest, now_us, signed, unsigned};
use crate::limits;
use crate::model::audit::Record;
use crate::model::flow::Flow;
use crate::model::id::{ArtifactName, FlowId};
use crate::model::site::Site;

/// What a running collection has brought since it was last kept.
pub(crate) struct Brought {
    /// Rows by the name of their query.
    pub rows: Vec<(ArtifactName, Chunk)>,
    /// Lines of its log.
    pub log: Chunk,
    /// How far it is.
    pub stats: FlowStats,
}

impl Store {
    /// Begins the collection that is next: an urgent one, else that which waits longest. Answers it with its number.
    ///
    /// # Errors
    /// The store cannot be used.
    pub(crate) fn begin_server_flow(&self) -> Result<Option<(i64, Flow)>, StoreError> {
        if self.read(next)?.is_none() {
            return Ok(None);
        }
        self.write(|db| {
            let Some(id) = next(db)? else { return Ok(None) };
            let (number, flow) = flow::existing(db, Site::Server, &id)?;
            let sql = "UPDATE flow SET delivered_us = ?2, active_us = ?2, deliveries = 1 WHERE number = ?1";
            db.execute(sql, params![number, signed(now_us())])?;
            Ok(Some((number, flow)))
        })
    }

    /// Ends the collections, of clients as well, that nobody has begun in their time. Each is on record.
    ///
    /// Answers which.
    ///
    /// # Errors
    /// The store cannot be used.
    pub(crate) fn expire_flows(
        &self,
        server: &str,
        now_us: u64,
    ) -> Result<Vec<(Site, FlowId)>, StoreError> {
        const WHY: &str = "Expired: nobody has begun it in its time";
        if self.read(|db| overdue(db, now_us))?.is_empty() {
            return Ok(Vec::new());
        }
        let (org, server) = (self.org().clone(), server.to_owned());
        self.write(move |db| {
            let mut ended = Vec::new();
            for (number, site, id) in overdue(db, now_us)? {
                end_on_log(db, number, WHY)?;
                let details = json!({"client": site, "flow_id": id});
                audit::append(
                    db,
                    &Record {
                        time_us: now_us,
                        org: org.clone(),
                        principal: server.clone(),
                        operation: "ExpireFlow".to_owned(),
                        allowed: true,
                        details,
                    },
                )?;
                let site = site.parse().map_err(|_| StoreError::Damaged("a client id"))?;
                ended.push((site, id.parse()?));
            }
            Ok(ended)
        })
    }

    /// Ends the collections that ran when an earlier process ended: what they had done by then is not known. Answers how
    /// many.
    ///
    /// # Errors
    /// The store cannot be used.
    pub(crate) fn end_interrupted_flows(&self) -> Result<usize, StoreError> {
        const WHY: &str = "The server ended while the collection ran";
        self.write(|db| {
            let sql = "SELECT number FROM flow WHERE client = 'server' AND complete = 0 AND delivered_us > 0";
            let numbers: Vec<i64> =
                db.prepare(sql)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            numbers.iter().try_for_each(|number| end_on_log(db, *number, WHY))?;
            Ok(numbers.len())
        })
    }

    /// Keeps what a running collection has brought. Answers false, and keeps nothing, when somebody has cancelled or
    /// deleted it.
    ///
    /// # Errors
    /// The store cannot be written.
    pub(crate) fn keep_brought(&self, number: i64, brought: Brought) -> Result<bool, StoreError> {
        self.write(move |db| {
            if !is_wanted(db, number)? {
                return Ok(false);
            }
            for (name, chunk) in &brought.rows {
                append(db, number, name.as_str(), chunk)?;
            }
            append(db, number, LOG, &brought.log)?;
            note(db, number, &brought.stats)?;
            Ok(true)
        })
    }

    /// Ends a collection that has brought all that it brings; with `failure` it has failed as a whole.
    ///
    /// # Errors
    /// The store cannot be written.
    pub(crate) fn end_server_flow(
        &self,
        number: i64,
        stats: FlowStats,
        failure: Option<String>,
    ) -> Result<(), StoreError> {
        self.write(move |db| {
            if !is_wanted(db, number)? {
                return Ok(());
            }
            note(db, number, &stats)?;
            let sql = "UPDATE flow SET complete = 1, failure = ?2 WHERE number = ?1";
            db.execute(sql, params![number, failure])?;
            Ok(())
        })
    }

    /// Keeps a part of a file, behind those that are there. Answers false when the collection is not wanted any more.
    ///
    /// # Errors
    /// The disk or the store cannot be written.
    pub(crate) fn keep_part(&self, number: i64, part: FileBuffer) -> Result<bool, StoreError> {
        if !self.read(|db| is_wanted(db, number))? {
            return Ok(false);
        }
        let upload = u64::try_from(part.upload_number).unwrap_or_default();
        self.write_upload(number, upload, part.offset, &part.data)?;
        self.write(move |db| {
            if !is_wanted(db, number)? {
                return Ok(false);
            }
            let bytes = u64::try_from(part.data.len()).unwrap_or(u64::MAX);
            let (end, now_us) = (part.offset.saturating_add(bytes), now_us());
            ingest::note_file(db, number, upload, &part, end, now_us)?;
            let sql = "UPDATE flow SET upload_bytes = upload_bytes + ?2, active_us = ?3 WHERE number = ?1";
            db.prepare_cached(sql)?.execute(params![number, signed(bytes), signed(now_us)])?;
            Ok(true)
        })
    }
}

/// Collections that nobody has begun in their time: number, place and id. At most a page of them.
fn overdue(db: &Connection, now_us: u64) -> Result<Vec<(i64, String, String)>, StoreError> {
    let sql = "SELECT number, client, id FROM flow \
               WHERE expires_us > 0 AND complete = 0 AND delivered_us = 0 AND expires_us <= ?1 \
               ORDER BY expires_us LIMIT ?2";
    let limit = i64::try_from(limits::PAGE).unwrap_or(i64::MAX);
    let mut query = db.prepare_cached(sql)?;
    let rows = query.query_map(params![signed(now_us), limit], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Ends a collection as failed, and says so in its log.
fn end_on_log(db: &Connection, number: i64, why: &str) -> Result<(), StoreError> {
    let seconds = now_us() / 1_000_000;
    let line = json!({"client_time": seconds, "level": "ERROR", "message": why});
    let line = Chunk::from_plain(format!("{line}\n").into_bytes().into());
    let line = line.map_err(|_| StoreError::Damaged("a line of a log"))?;
    append(db, number, LOG, &line)?;
    flow::fail(db, number, why)
}

/// Refuses one more when too many wait.
pub(super) fn check_room(db: &Connection) -> Result<(), StoreError> {
    let sql = "SELECT count(*) FROM flow WHERE client = 'server' AND complete = 0";
    let waiting = unsigned(db.query_row(sql, [], |row| row.get(0))?);
    if waiting < limits::QUEUED_TASKS {
        return Ok(());
    }
    Err(StoreError::Limit("the queue of the server's collections", limits::QUEUED_TASKS))
}

fn next(db: &Connection) -> Result<Option<FlowId>, StoreError> {
    let sql = "SELECT id FROM flow WHERE client = 'server' AND complete = 0 AND delivered_us = 0 \
               AND (expires_us = 0 OR expires_us > ?1) ORDER BY urgent DESC, number LIMIT 1";
    let mut query = db.prepare_cached(sql)?;
    let now = signed(now_us());
    let found: Option<String> = query.query_row([now], |row| row.get(0)).optional()?;
    found.map(|id| Ok(id.parse()?)).transpose()
}

fn is_wanted(db: &Connection, number: i64) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM flow WHERE number = ?1 AND complete = 0)";
    Ok(db.prepare_cached(sql)?.query_row([number], |row| row.get(0))?)
}

fn note(db: &Connection, number: i64, stats: &FlowStats) -> Result<(), StoreError> {
    let sql = "UPDATE flow SET stats = ?2, active_us = ?3 WHERE number = ?1";
    let parameters = params![number, stats.encode_to_vec(), signed(now_us())];
    db.prepare_cached(sql)?.execute(parameters)?;
    Ok(())
}

/// Puts rows behind those of the same name.
fn append(db: &Connection, number: i64, name: &str, chunk: &Chunk) -> Result<(), StoreError> {
    if chunk.rows() == 0 {
        return Ok(());
    }
    let sql = "SELECT next_row FROM result_set WHERE flow = ?1 AND name = ?2";
    let next = db.prepare_cached(sql)?.query_row(params![number, name], |row| row.get(0));
    let next = unsigned(next.optional()?.unwrap_or_default());
    ingest::append(db, number, name, next, chunk)?;
    let sql = "UPDATE flow SET rows = rows + ?2, bytes = bytes + ?3 WHERE number = ?1";
    let (rows, bytes) = (signed(chunk.rows()), signed(chunk.raw_bytes()));
    db.prepare_cached(sql)?.execute(params![number, rows, bytes])?;
    Ok(())
}
