//! The transaction that keeps what an agent sent: each fact is checked against what the client was asked for, what came
//! before is left out, and quotas hold (docs/protocol.md sections 6.5 to 6.8).

use std::collections::{BTreeSet, HashMap};

use rusqlite::{Connection, OptionalExtension, params};
use troodon_proto::velo_status::Status;
use troodon_proto::{FileBuffer, FlowStats, Message};

use super::chunk::Chunk;
use super::result::LOG;
use super::{Store, StoreError, client, flow, signed, task, unsigned};
use crate::ingest::{
    Fact, Origin, Outcome, Refusal, Sorted, claims_of_interrogation, is_interrogation,
};
use crate::limits;
use crate::model::flow::names_of;
use crate::model::id::{ArtifactName, ClientId, FlowId};
use crate::model::quota::Quotas;

impl Store {
    /// Keeps facts of a client in one transaction; `refused` counts what was refused before.
    ///
    /// # Errors
    /// [`StoreError::NoClient`] when the client was deleted; the store cannot be written.
    pub(crate) async fn apply(
        &self,
        client: ClientId,
        origin: Origin,
        facts: Vec<Fact>,
        refused: usize,
    ) -> Result<Outcome, StoreError> {
        let quotas = self.quotas();
        self.write_async(move |db| {
            let sql = "UPDATE client SET seen_us = max(seen_us, ?2), address = ?3 WHERE id = ?1";
            let address = origin.address.to_string();
            let parameters = params![client.as_str(), signed(origin.now_us), address];
            if db.prepare_cached(sql)?.execute(parameters)? == 0 {
                return Err(StoreError::NoClient(client.to_string()));
            }
            let (flows, outcome) = (HashMap::new(), Outcome::default());
            let mut batch = Batch { db, client, origin, quotas, day_rows: None, flows, outcome };
            for fact in facts {
                if let Some(refusal) = batch.keep(fact)? {
                    batch.outcome.refused.push(refusal);
                }
            }
            let refused = refused.saturating_add(batch.outcome.refused.len());
            if refused > 0 {
                let sql = "UPDATE client SET refused = refused + ?2 WHERE id = ?1";
                let refused = i64::try_from(refused).unwrap_or(i64::MAX);
                db.prepare_cached(sql)?.execute(params![client.as_str(), refused])?;
            }
            Ok(batch.outcome)
        })
        .await
    }

    /// Puts the parts of files on disk, before the transaction that notes them.
    ///
    /// Answers the facts that remain, and what was refused.
    ///
    /// # Errors
    /// The disk cannot be written.
    pub(crate) fn write_files(
        &self,
        client: &ClientId,
        sorted: Sorted,
    ) -> Result<Sorted, StoreError> {
        let Sorted { facts, mut refused } = sorted;
        let mut kept = Vec::with_capacity(facts.len());
        let mut here = HashMap::new();
        for fact in facts {
            let Fact::File { flow, upload, part } = &fact else {
                kept.push(fact);
                continue;
            };
            match self.write_part(client, flow, *upload, part, &mut here)? {
                None => kept.push(fact),
                Some(refusal) => refused.push(refusal),
            }
        }
        Ok(Sorted { facts: kept, refused })
    }

    fn write_part(
        &self,
        client: &ClientId,
        flow: &FlowId,
        upload: u64,
        part: &FileBuffer,
        here: &mut HashMap<(FlowId, u64), u64>,
    ) -> Result<Option<Refusal>, StoreError> {
        let found = self.read(|db| match Grant::of(db, client, flow)? {
            None => Ok(None),
            Some(grant) => {
                let stored = stored_bytes(db, grant.number, upload)?;
                Ok(Some((grant.number, grant.upload_limit, grant.upload_bytes, stored)))
            }
        })?;
        let Some((number, limit, total, stored)) = found else {
            return Ok(Some(Refusal::ForeignFlow(flow.clone())));
        };
        let seen = here.entry((flow.clone(), upload)).or_insert(stored);
        if part.offset > *seen {
            let refusal = Refusal::Gap { upload, offset: part.offset, stored: *seen };
            return Ok(Some(refusal));
        }
        let bytes = u64::try_from(part.data.len()).unwrap_or(u64::MAX);
        if total.saturating_add(bytes) > limit || upload >= limits::FLOW_UPLOADS {
            return Ok(Some(Refusal::Quota { what: "the files of a collection", limit }));
        }
        if bytes > 0 {
            self.write_upload(number, upload, part.offset, &part.data)?;
        } else if part.offset == 0 {
            // An empty file exists as well.
            self.write_upload(number, upload, 0, &[])?;
        }
        *seen = (*seen).max(part.offset.saturating_add(bytes));
        Ok(None)
    }
}

/// What a client may write to one collection.
struct Grant {
    number: i64,
    names: BTreeSet<ArtifactName>,
    urgent: bool,
    complete: bool,
    /// The server ended it; the agent may still report.
    failed: bool,
    heard: bool,
    deliveries: u64,
    rows: u64,
    bytes: u64,
    upload_bytes: u64,
    upload_limit: u64,
}

impl Grant {
    fn of(db: &Connection, client: &ClientId, id: &FlowId) -> Result<Option<Self>, StoreError> {
        // A collection that was never delivered cannot have results.
        let sql = "SELECT number, request, urgent, complete, failure IS NOT NULL, active_us > 0, \
                   deliveries, rows, bytes, upload_bytes FROM flow \
                   WHERE client = ?1 AND id = ?2 AND deliveries > 0";
        let mut query = db.prepare_cached(sql)?;
        let mut rows = query.query([client.as_str(), id.as_str()])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let request = troodon_proto::FlowRequest::decode(
            row.get_ref(1)?.as_blob().map_err(|_| StoreError::Damaged("a collection"))?,
        )?;
        let upload_limit = match request.max_upload_bytes {
            0 => limits::FLOW_UPLOAD_BYTES,
            limit => limit.saturating_add(limits::UPLOAD_SLACK_BYTES),
        };
        Ok(Some(Self {
            number: row.get(0)?,
            names: names_of(&request),
            urgent: row.get(2)?,
            complete: row.get(3)?,
            failed: row.get(4)?,
            heard: row.get(5)?,
            deliveries: unsigned(row.get(6)?),
            rows: unsigned(row.get(7)?),
            bytes: unsigned(row.get(8)?),
            upload_bytes: unsigned(row.get(9)?),
            upload_limit,
        }))
    }
}

/// Bytes of a file that are here.
fn stored_bytes(db: &Connection, flow: i64, upload: u64) -> Result<u64, StoreError> {
    let sql = "SELECT stored FROM upload WHERE flow = ?1 AND upload = ?2";
    let mut query = db.prepare_cached(sql)?;
    let found = query.query_row(params![flow, signed(upload)], |row| row.get(0)).optional()?;
    Ok(unsigned(found.unwrap_or_default()))
}

/// The facts of one POST, inside their transaction.
struct Batch<'a> {
    db: &'a Connection,
    client: ClientId,
    origin: Origin,
    quotas: Quotas,
    /// Event rows of the last day, once they were counted.
    day_rows: Option<u64>,
    /// Looked up once for each batch; `None` for collections that the client was not given.
    flows: HashMap<FlowId, Option<Grant>>,
    outcome: Outcome,
}

impl Batch<'_> {
    /// Keeps a fact, or says why not.
    fn keep(&mut self, fact: Fact) -> Result<Option<Refusal>, StoreError> {
        match fact {
            Fact::Rows { flow, name, start_row, chunk } => {
                self.rows(&flow, Some(&name), start_row, &chunk)
            }
            Fact::Logs { flow, start_row, chunk } => self.rows(&flow, None, start_row, &chunk),
            Fact::Stats { flow, stats } => self.stats(flow, &stats),
            Fact::File { flow, upload, part } => self.file(&flow, upload, &part),
            Fact::Event { name, log, digest, chunk } => self.event(&name, log, digest, &chunk),
            Fact::Host { host, labels } => {
                client::set_host(self.db, &self.client, &host, &labels)?;
                Ok(None)
            }
            Fact::EventTable(version) => {
                let sql = "UPDATE client SET event_table_version = ?2 \
                           WHERE id = ?1 AND event_table_version <> ?2";
                let parameters = params![self.client.as_str(), signed(version)];
                self.db.prepare_cached(sql)?.execute(parameters)?;
                Ok(None)
            }
        }
    }

    fn grant(&mut self, flow: &FlowId) -> Result<Option<&mut Grant>, StoreError> {
        if !self.flows.contains_key(flow) {
            let grant = Grant::of(self.db, &self.client, flow)?;
            self.flows.insert(flow.clone(), grant);
        }
        Ok(self.flows.get_mut(flow).and_then(Option::as_mut))
    }

    /// Rows of an artifact, or without a name lines of the log.
    fn rows(
        &mut self,
        flow: &FlowId,
        name: Option<&ArtifactName>,
        start_row: u64,
        chunk: &Chunk,
    ) -> Result<Option<Refusal>, StoreError> {
        let (db, now_us, quotas) = (self.db, self.origin.now_us, self.quotas);
        let Some(grant) = self.grant(flow)? else {
            return Ok(Some(Refusal::ForeignFlow(flow.clone())));
        };
        if let Some(name) = name.filter(|name| !grant.names.contains(name)) {
            let refusal = Refusal::ForeignName { flow: flow.clone(), name: name.clone() };
            return Ok(Some(refusal));
        }
        let (most_rows, most_bytes) = (quotas.collection_rows, quotas.collection_bytes);
        if grant.rows.saturating_add(chunk.rows()) > most_rows {
            return Ok(Some(Refusal::Quota { what: "the rows of a collection", limit: most_rows }));
        }
        if grant.bytes.saturating_add(chunk.raw_bytes()) > most_bytes {
            return Ok(Some(Refusal::Quota {
                what: "the bytes of a collection",
                limit: most_bytes,
            }));
        }
        let text = name.map_or(LOG, ArtifactName::as_str);
        if !append(db, grant.number, text, start_row, chunk)? {
            return Ok(None);
        }
        grant.rows = grant.rows.saturating_add(chunk.rows());
        grant.bytes = grant.bytes.saturating_add(chunk.raw_bytes());
        grant.heard = true;
        let sql = "UPDATE flow SET rows = rows + ?2, bytes = bytes + ?3, active_us = ?4 WHERE number = ?1";
        let (rows, bytes) = (signed(chunk.rows()), signed(chunk.raw_bytes()));
        db.prepare_cached(sql)?.execute(params![grant.number, rows, bytes, signed(now_us)])?;
        if start_row == 0
            && name.is_some_and(is_interrogation)
            && let Some((host, labels)) = claims_of_interrogation(&chunk.clone().lines()?)
        {
            client::set_host(db, &self.client, &host, &labels)?;
        }
        Ok(None)
    }

    fn stats(&mut self, flow: FlowId, stats: &FlowStats) -> Result<Option<Refusal>, StoreError> {
        let (db, client, now_us) = (self.db, self.client, self.origin.now_us);
        let Some(grant) = self.grant(&flow)? else {
            return Ok(Some(Refusal::ForeignFlow(flow)));
        };
        if grant.complete && !grant.failed {
            return Ok(None);
        }
        if is_unknown(stats) {
            if grant.complete {
                return Ok(None);
            }
            if !grant.heard && grant.deliveries < limits::DELIVERIES {
                task::deliver_again(db, &client, grant.number, grant.urgent)?;
                self.outcome.requeued.push(flow);
                return Ok(None);
            }
            flow::fail(db, grant.number, "The agent lost the collection, it may have restarted")?;
            grant.complete = true;
            grant.failed = true;
            self.outcome.completed.push(flow);
            return Ok(None);
        }
        let ends = stats.flow_complete && !grant.complete;
        let sql = "UPDATE flow SET stats = ?2, active_us = ?3, complete = max(complete, ?4) WHERE number = ?1";
        let bytes = stats.encode_to_vec();
        db.prepare_cached(sql)?.execute(params![
            grant.number,
            bytes,
            signed(now_us),
            stats.flow_complete
        ])?;
        grant.heard = true;
        grant.complete |= stats.flow_complete;
        if ends {
            self.outcome.completed.push(flow);
        }
        Ok(None)
    }

    fn file(
        &mut self,
        flow: &FlowId,
        upload: u64,
        part: &FileBuffer,
    ) -> Result<Option<Refusal>, StoreError> {
        let (db, now_us) = (self.db, self.origin.now_us);
        let Some(grant) = self.grant(flow)? else {
            return Ok(Some(Refusal::ForeignFlow(flow.clone())));
        };
        let before = stored_bytes(db, grant.number, upload)?;
        let end = part.offset.saturating_add(u64::try_from(part.data.len()).unwrap_or(u64::MAX));
        note_file(db, grant.number, upload, part, end, now_us)?;
        let sql =
            "UPDATE flow SET upload_bytes = upload_bytes + ?2, active_us = ?3 WHERE number = ?1";
        let fresh = signed(end.saturating_sub(before));
        db.prepare_cached(sql)?.execute(params![grant.number, fresh, signed(now_us)])?;
        grant.heard = true;
        Ok(None)
    }

    fn event(
        &mut self,
        name: &ArtifactName,
        log: bool,
        digest: Option<[u8; 16]>,
        chunk: &Chunk,
    ) -> Result<Option<Refusal>, StoreError> {
        let db = self.db;
        let sql = "SELECT event_bytes FROM client WHERE id = ?1 \
                   AND EXISTS (SELECT 1 FROM event_grant WHERE client = ?1 AND name = ?2)";
        let mut query = db.prepare_cached(sql)?;
        let used =
            query.query_row([self.client.as_str(), name.as_str()], |row| row.get(0)).optional()?;
        let Some(used) = used else { return Ok(Some(Refusal::ForeignEvent(name.clone()))) };
        if unsigned(used).saturating_add(chunk.raw_bytes()) > self.quotas.event_bytes {
            let limit = self.quotas.event_bytes;
            return Ok(Some(Refusal::Quota { what: "the event rows of a client", limit }));
        }
        if self.rows_of_a_day()?.saturating_add(chunk.rows()) > self.quotas.event_rows_a_day {
            let limit = self.quotas.event_rows_a_day;
            return Ok(Some(Refusal::Quota { what: "the event rows of a client's day", limit }));
        }
        let sql = "INSERT INTO event (client, name, log, received_us, rows, raw_bytes, data, digest) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING";
        let added = db.prepare_cached(sql)?.execute(params![
            self.client.as_str(),
            name.as_str(),
            log,
            signed(self.origin.now_us),
            signed(chunk.rows()),
            signed(chunk.stored_raw_bytes()),
            chunk.data(),
            digest,
        ])?;
        if added == 1 {
            let sql = "UPDATE client SET event_rows = event_rows + ?2, event_bytes = event_bytes + ?3 \
                       WHERE id = ?1";
            let (rows, bytes) = (signed(chunk.rows()), signed(chunk.raw_bytes()));
            db.prepare_cached(sql)?.execute(params![self.client.as_str(), rows, bytes])?;
            self.day_rows = self.day_rows.map(|rows| rows.saturating_add(chunk.rows()));
        }
        Ok(None)
    }

    /// Event rows that the client has sent since a day ago; looked up once for a batch.
    fn rows_of_a_day(&mut self) -> Result<u64, StoreError> {
        if let Some(rows) = self.day_rows {
            return Ok(rows);
        }
        let sql = "SELECT coalesce(sum(rows), 0) FROM event WHERE client = ?1 AND received_us > ?2";
        let since = self.origin.now_us.saturating_sub(limits::DAY_US);
        let mut query = self.db.prepare_cached(sql)?;
        let rows = query.query_row(params![self.client.as_str(), signed(since)], |row| row.get(0));
        Ok(*self.day_rows.insert(unsigned(rows?)))
    }
}

/// Whether the agent says that it knows nothing of the collection.
fn is_unknown(stats: &FlowStats) -> bool {
    stats.query_status.iter().any(|query| query.status() == Status::UnknownFlow)
}

/// Puts rows behind those that are there. Answers false for rows that came before.
pub(super) fn append(
    db: &Connection,
    flow: i64,
    name: &str,
    start_row: u64,
    chunk: &Chunk,
) -> Result<bool, StoreError> {
    let sql = "SELECT number, rows, next_row FROM result_set WHERE flow = ?1 AND name = ?2";
    let mut query = db.prepare_cached(sql)?;
    let found = query
        .query_row(params![flow, name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let (number, rows, next_row): (i64, i64, i64) = match found {
        Some(found) => found,
        None => {
            let sql = "INSERT INTO result_set (flow, name) VALUES (?1, ?2)";
            db.prepare_cached(sql)?.execute(params![flow, name])?;
            (db.last_insert_rowid(), 0, 0)
        }
    };
    if start_row < unsigned(next_row) {
        return Ok(false);
    }
    let sql = "INSERT INTO chunk (result_set, start_row, rows, raw_bytes, data) VALUES (?1, ?2, ?3, ?4, ?5)";
    let count = signed(chunk.rows());
    let raw_bytes = signed(chunk.stored_raw_bytes());
    db.prepare_cached(sql)?.execute(params![number, rows, count, raw_bytes, chunk.data()])?;
    let sql = "UPDATE result_set SET rows = rows + ?2, next_row = ?3, bytes = bytes + ?4 WHERE number = ?1";
    let next_row = signed(start_row.saturating_add(chunk.rows()));
    db.prepare_cached(sql)?.execute(params![number, count, next_row, signed(chunk.raw_bytes())])?;
    Ok(true)
}

/// Notes that a file has its bytes up to `end`. What an agent says about a file is only ever text here.
pub(super) fn note_file(
    db: &Connection,
    flow: i64,
    upload: u64,
    part: &FileBuffer,
    end: u64,
    now_us: u64,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO upload (flow, upload, path, accessor, components, size, stored, complete, \
                   sparse, mtime_ns, atime_ns, ctime_ns, btime_ns, started_us) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) \
               ON CONFLICT (flow, upload) DO UPDATE SET stored = max(stored, excluded.stored), \
                   complete = max(complete, excluded.complete), \
                   sparse = coalesce(excluded.sparse, sparse)";
    let place = part.pathspec.clone().unwrap_or_default();
    db.prepare_cached(sql)?.execute(params![
        flow,
        signed(upload),
        place.path,
        place.accessor,
        serde_json::to_string(&place.components)?,
        signed(part.size),
        signed(end),
        part.eof,
        ranges(part),
        part.mtime,
        part.atime,
        part.ctime,
        part.btime,
        signed(now_us),
    ])?;
    Ok(())
}

/// The ranges of a sparse file as JSON.
fn ranges(part: &FileBuffer) -> Option<String> {
    let index = part.index.as_ref()?;
    let ranges = index.ranges.iter().map(|range| {
        serde_json::json!({
            "file_offset": range.file_offset,
            "original_offset": range.original_offset,
            "file_length": range.file_length,
            "length": range.length,
        })
    });
    Some(serde_json::Value::Array(ranges.collect()).to_string())
}
