//! Hunts: whom they want is decided when a client asks for tasks, in the transaction that hands them out.

use bytes::Bytes;
use rusqlite::{Connection, Row, params};
use troodon_proto::velo_status::Status;
use troodon_proto::{FlowStats, Message};

use super::{Store, StoreError, client, flow, now_us, signed, task, unsigned};
use crate::limits;
use crate::model::flow::NewFlow;
use crate::model::hunt::{Hunt, HuntState, HuntStats, Participant};
use crate::model::id::{ArtifactName, ClientId, FlowId, HuntId};

const COLUMNS: &str = "id, creator, description, artifacts, spec, request, urgent, condition, \
                       client_limit, created_us, started_us, expires_us, state, number";

impl Store {
    /// A hunt.
    ///
    /// # Errors
    /// [`StoreError::NoHunt`], or the store cannot be read.
    pub fn hunt(&self, id: &HuntId) -> Result<Hunt, StoreError> {
        self.read(|db| existing(db, id).map(|(_, hunt)| hunt))
    }

    /// Hunts, latest first: at most `limit` (and [`limits::PAGE`]) behind the first `skip`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn hunts(&self, skip: usize, limit: usize) -> Result<Vec<Hunt>, StoreError> {
        self.read(|db| {
            let sql = format!("SELECT {COLUMNS} FROM hunt ORDER BY number DESC LIMIT ?1 OFFSET ?2");
            let mut query = db.prepare_cached(&sql)?;
            let limit = i64::try_from(limit.min(limits::PAGE)).unwrap_or(i64::MAX);
            let skip = i64::try_from(skip).unwrap_or(i64::MAX);
            let rows = query.query_and_then(params![limit, skip], from_row)?;
            rows.map(|row| row.map(|(_, hunt)| hunt)).collect()
        })
    }

    /// At most `limit` (and [`limits::PAGE`]) clients of a hunt in the order of ids, behind the id `after`.
    ///
    /// # Errors
    /// [`StoreError::NoHunt`], or the store cannot be read.
    pub fn participants(
        &self,
        id: &HuntId,
        after: Option<&ClientId>,
        limit: usize,
    ) -> Result<Vec<Participant>, StoreError> {
        self.read(|db| {
            let (number, _) = existing(db, id)?;
            let sql = "SELECT client, flow, joined_us FROM hunt_client \
                       WHERE hunt = ?1 AND client > ?2 ORDER BY client LIMIT ?3";
            let mut query = db.prepare_cached(sql)?;
            let limit = i64::try_from(limit.min(limits::PAGE)).unwrap_or(i64::MAX);
            let after = after.map_or("", ClientId::as_str);
            let rows = query.query_and_then(params![number, after, limit], |row| {
                let client: String = row.get(0)?;
                Ok(Participant {
                    client: client.parse().map_err(|_| StoreError::Damaged("a client id"))?,
                    flow: row.get::<_, String>(1)?.parse()?,
                    joined_us: unsigned(row.get(2)?),
                })
            })?;
            rows.collect()
        })
    }

    /// What came of a hunt so far.
    ///
    /// # Errors
    /// [`StoreError::NoHunt`], or the store cannot be read.
    pub fn hunt_stats(&self, id: &HuntId) -> Result<HuntStats, StoreError> {
        self.read(|db| {
            let (number, _) = existing(db, id)?;
            let sql = "SELECT flow.complete, flow.failure IS NOT NULL, flow.stats \
                       FROM hunt_client JOIN flow \
                       ON flow.client = hunt_client.client AND flow.id = hunt_client.flow \
                       WHERE hunt_client.hunt = ?1";
            let mut query = db.prepare_cached(sql)?;
            let mut rows = query.query([number])?;
            let mut all = HuntStats::default();
            while let Some(row) = rows.next()? {
                let stats =
                    row.get_ref(2)?.as_blob().map_err(|_| StoreError::Damaged("statistics"))?;
                count(&mut all, row.get(0)?, row.get(1)?, &FlowStats::decode(stats)?);
            }
            all.scheduled = scheduled(db, number)?;
            Ok(all)
        })
    }

    /// The round of the hunt that started last among those that run: it rises when clients are wanted.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) fn hunt_round(&self) -> Result<i64, StoreError> {
        self.read(|db| {
            let sql = "SELECT coalesce(max(round), 0) FROM hunt WHERE state = 2";
            Ok(db.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
        })
    }
}

fn count(all: &mut HuntStats, is_complete: bool, has_failed: bool, stats: &FlowStats) {
    let failed = |status: Status| matches!(status, Status::GenericError | Status::UnknownFlow);
    let queries = &stats.query_status;
    let sum = |of: fn(&troodon_proto::VeloStatus) -> i64| -> u64 {
        queries.iter().map(|query| unsigned(of(query))).fold(0, u64::saturating_add)
    };
    let rows = sum(|query| query.result_rows);
    all.finished += u64::from(is_complete);
    all.with_results += u64::from(rows > 0);
    all.with_errors += u64::from(has_failed || queries.iter().any(|one| failed(one.status())));
    all.rows = all.rows.saturating_add(rows);
    all.uploaded_bytes = all.uploaded_bytes.saturating_add(sum(|query| query.uploaded_bytes));
}

fn scheduled(db: &Connection, hunt: i64) -> Result<u64, StoreError> {
    let sql = "SELECT count(*) FROM hunt_client WHERE hunt = ?1";
    Ok(unsigned(db.prepare_cached(sql)?.query_row([hunt], |row| row.get(0))?))
}

/// Writes a hunt that does not take clients yet, within a transaction.
pub(crate) fn insert(db: &Connection, hunt: &Hunt) -> Result<(), StoreError> {
    let artifacts: Vec<&str> = hunt.artifacts.iter().map(ArtifactName::as_str).collect();
    let sql = "INSERT INTO hunt (id, creator, description, artifacts, spec, request, urgent, \
                   condition, client_limit, created_us, expires_us, state) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 1)";
    db.execute(
        sql,
        params![
            hunt.id.as_str(),
            hunt.creator,
            hunt.description,
            serde_json::to_string(&artifacts)?,
            hunt.spec.to_string(),
            hunt.request.encode_to_vec(),
            hunt.urgent,
            serde_json::to_string(&hunt.condition)?,
            signed(hunt.client_limit),
            signed(hunt.created_us),
            signed(hunt.expires_us),
        ],
    )?;
    Ok(())
}

/// Lets a hunt take clients or stop to do so. Each start begins a round in which every client is looked at.
pub(crate) fn set_state(db: &Connection, id: &HuntId, state: HuntState) -> Result<(), StoreError> {
    let (number, _) = existing(db, id)?;
    if state == HuntState::Running {
        let sql = "UPDATE hunt SET state = 2, started_us = ?2, \
                   round = max(?2, (SELECT max(round) + 1 FROM hunt)) WHERE number = ?1";
        db.execute(sql, params![number, signed(now_us())])?;
    } else {
        let sql = "UPDATE hunt SET state = ?2 WHERE number = ?1";
        db.execute(sql, params![number, i64::from(state as u8)])?;
    }
    Ok(())
}

/// Changes what is not about whom it wants; `None` leaves things as they are.
pub(crate) fn edit(
    db: &Connection,
    id: &HuntId,
    description: Option<&str>,
    expires_us: Option<u64>,
) -> Result<(), StoreError> {
    let (number, _) = existing(db, id)?;
    let sql = "UPDATE hunt SET description = coalesce(?2, description), \
               expires_us = coalesce(?3, expires_us) WHERE number = ?1";
    db.execute(sql, params![number, description, expires_us.map(signed)])?;
    Ok(())
}

/// Removes a hunt with the collections that it made; answers their numbers, whose files are to be removed behind the
/// transaction. Collections that were put into it stay.
pub(crate) fn delete(db: &Connection, id: &HuntId) -> Result<Vec<i64>, StoreError> {
    let (number, hunt) = existing(db, id)?;
    let flows: Vec<i64> = {
        let sql = "SELECT flow.number FROM hunt_client JOIN flow \
                   ON flow.client = hunt_client.client AND flow.id = ?2 WHERE hunt_client.hunt = ?1";
        let mut query = db.prepare_cached(sql)?;
        let own = hunt.id.flow();
        let rows = query.query_map(params![number, own.as_str()], |row| row.get(0))?;
        rows.collect::<Result<_, _>>()?
    };
    flow::retire(db, &flows)?;
    let mut remove = db.prepare_cached("DELETE FROM flow WHERE number = ?1")?;
    for flow in &flows {
        remove.execute([flow])?;
    }
    db.execute("DELETE FROM hunt WHERE number = ?1", [number])?;
    Ok(flows)
}

/// Puts a client into a hunt, whatever the hunt wants: with a collection that is there, or with one of its own.
///
/// Answers false when the client was in it already.
pub(crate) fn add(
    db: &Connection,
    id: &HuntId,
    client: &ClientId,
    known: Option<&FlowId>,
) -> Result<bool, StoreError> {
    let (number, hunt) = existing(db, id)?;
    client::existing(db, client)?;
    let sql = "SELECT 1 FROM hunt_client WHERE hunt = ?1 AND client = ?2";
    if db.prepare_cached(sql)?.exists(params![number, client.as_str()])? {
        return Ok(false);
    }
    match known {
        Some(flow) => {
            flow::existing(db, client.into(), flow)?;
            note(db, number, client, flow)?;
        }
        None => join(db, number, hunt, client)?,
    }
    Ok(true)
}

/// Whether a client is to be looked at by [`recruit`].
pub(super) fn is_wanted(
    db: &Connection,
    client: &ClientId,
    now_us: u64,
) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM hunt WHERE state = 2 AND expires_us > ?2 \
               AND round > (SELECT hunt_round FROM client WHERE id = ?1))";
    let mut query = db.prepare_cached(sql)?;
    Ok(query.query_row(params![client.as_str(), signed(now_us)], |row| row.get(0))?)
}

/// Puts a client into each running hunt that wants it and does not have it.
pub(super) fn recruit(db: &Connection, id: &ClientId, now_us: u64) -> Result<(), StoreError> {
    let client = client::existing(db, id)?;
    let hunts: Vec<(i64, Hunt)> = {
        let sql = format!(
            "SELECT {COLUMNS} FROM hunt WHERE state = 2 AND expires_us > ?2 \
             AND round > (SELECT hunt_round FROM client WHERE id = ?1) \
             AND NOT EXISTS (SELECT 1 FROM hunt_client WHERE hunt = number AND client = ?1) \
             ORDER BY round"
        );
        let mut query = db.prepare_cached(&sql)?;
        let rows = query.query_and_then(params![id.as_str(), signed(now_us)], from_row)?;
        rows.collect::<Result<_, _>>()?
    };
    for (number, hunt) in hunts {
        let is_full = hunt.client_limit > 0 && scheduled(db, number)? >= hunt.client_limit;
        if is_full || !hunt.condition.admits(&client) {
            continue;
        }
        match join(db, number, hunt, id) {
            // It is looked at again when the queue has room.
            Err(StoreError::Limit(..)) => return Ok(()),
            other => other?,
        }
    }
    let sql = "UPDATE client SET hunt_round = (SELECT max(round) FROM hunt) WHERE id = ?1";
    db.prepare_cached(sql)?.execute([id.as_str()])?;
    Ok(())
}

/// Lets a client be looked at again because something about it has changed.
pub(super) fn look_again(db: &Connection, client: &ClientId) -> Result<(), StoreError> {
    let sql = "UPDATE client SET hunt_round = 0 WHERE id = ?1 \
               AND EXISTS (SELECT 1 FROM hunt WHERE state = 2)";
    if db.prepare_cached(sql)?.execute([client.as_str()])? == 1 {
        task::nudge(db, client)?;
    }
    Ok(())
}

fn join(db: &Connection, number: i64, hunt: Hunt, client: &ClientId) -> Result<(), StoreError> {
    let id = hunt.id.flow();
    task::check_room(db, client)?;
    note(db, number, client, &id)?;
    let flow = NewFlow {
        id,
        creator: hunt.creator,
        artifacts: hunt.artifacts,
        spec: hunt.spec,
        request: hunt.request,
        urgent: hunt.urgent,
    };
    flow::insert(db, client.into(), &flow)
}

fn note(db: &Connection, hunt: i64, client: &ClientId, flow: &FlowId) -> Result<(), StoreError> {
    let sql = "INSERT INTO hunt_client (hunt, client, flow, joined_us) VALUES (?1, ?2, ?3, ?4)";
    let joined = signed(now_us());
    db.prepare_cached(sql)?.execute(params![hunt, client.as_str(), flow.as_str(), joined])?;
    Ok(())
}

/// The number of a hunt; a missing one is an error.
pub(crate) fn number_of(db: &Connection, id: &HuntId) -> Result<i64, StoreError> {
    existing(db, id).map(|(number, _)| number)
}

/// A hunt with its number; a missing one is an error.
fn existing(db: &Connection, id: &HuntId) -> Result<(i64, Hunt), StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM hunt WHERE id = ?1");
    let mut query = db.prepare_cached(&sql)?;
    let found = query.query_and_then([id.as_str()], from_row)?.next();
    found.ok_or_else(|| StoreError::NoHunt(id.to_string()))?
}

fn from_row(row: &Row<'_>) -> Result<(i64, Hunt), StoreError> {
    let artifacts: Vec<String> = serde_json::from_str(&row.get::<_, String>(3)?)?;
    let state = HuntState::numbered(row.get(12)?);
    let hunt = Hunt {
        id: row.get::<_, String>(0)?.parse()?,
        creator: row.get(1)?,
        description: row.get(2)?,
        artifacts: artifacts.iter().map(|name| name.parse()).collect::<Result<_, _>>()?,
        spec: serde_json::from_str(&row.get::<_, String>(4)?)?,
        request: Message::decode(Bytes::from(row.get::<_, Vec<u8>>(5)?))?,
        urgent: row.get(6)?,
        condition: serde_json::from_str(&row.get::<_, String>(7)?)?,
        client_limit: unsigned(row.get(8)?),
        created_us: unsigned(row.get(9)?),
        started_us: unsigned(row.get(10)?),
        expires_us: unsigned(row.get(11)?),
        state: state.ok_or(StoreError::Damaged("a hunt"))?,
    };
    Ok((row.get(13)?, hunt))
}
