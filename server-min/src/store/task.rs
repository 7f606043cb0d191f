//! What waits for clients, and its way to them.

use rusqlite::{Connection, params};
use troodon_proto::{FlowStatsRequest, Message, VeloMessage};

use super::{Store, StoreError, flow, hunt, signed};
use crate::limits;
use crate::model::id::{ClientId, FlowId};

impl Store {
    /// Queues a message that starts no collection.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn queue(&self, client: &ClientId, message: VeloMessage) -> Result<(), StoreError> {
        let client = *client;
        self.write(move |db| queue_message(db, &client, &message))
    }

    /// Clients for which something was queued behind task `after`, and the latest task number.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn queued_since(&self, after: i64) -> Result<(Vec<ClientId>, i64), StoreError> {
        self.read(|db| {
            let sql = "SELECT client, max(number) FROM task WHERE number > ?1 GROUP BY client";
            let mut query = db.prepare_cached(sql)?;
            let mut rows = query.query([after])?;
            let (mut clients, mut latest) = (Vec::new(), after);
            while let Some(row) = rows.next()? {
                let id: String = row.get(0)?;
                clients.push(id.parse().map_err(|_| StoreError::Damaged("a client id"))?);
                latest = latest.max(row.get(1)?);
            }
            Ok((clients, latest))
        })
    }

    /// Takes what a client is to get at this time; the collections in it count as delivered (docs/protocol.md section 6.1).
    ///
    /// At most `in_flight` collections are with an agent at a time, the urgent ones not counted. Collections of which
    /// nothing was heard for [`limits::SILENT_FLOW_US`] are asked about. When it `recruits`, running hunts take the client
    /// first.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn take_tasks(
        &self,
        client: &ClientId,
        in_flight: usize,
        recruits: bool,
        now_us: u64,
    ) -> Result<Vec<VeloMessage>, StoreError> {
        let (waiting, wanted) = {
            let client = *client;
            self.read_async(move |db| {
                let wanted = recruits && hunt::is_wanted(db, &client, now_us)?;
                Ok((anything_due(db, &client, now_us)?, wanted))
            })
            .await?
        };
        if !waiting && !wanted {
            return Ok(Vec::new());
        }
        let client = *client;
        self.write_async(move |db| {
            if wanted {
                hunt::recruit(db, &client, now_us)?;
            }
            let mut messages = take_queued(db, &client, in_flight, now_us)?;
            messages.extend(ask_about_silent(db, &client, now_us)?);
            Ok(messages)
        })
        .await
    }

    /// Queues again what an agent did not get: collections and cancellations. The rest is made anew when it is due.
    ///
    /// # Errors
    /// The store cannot be written.
    pub(crate) async fn take_back(
        &self,
        client: ClientId,
        messages: Vec<VeloMessage>,
    ) -> Result<(), StoreError> {
        self.write_async(move |db| {
            for message in messages {
                if message.cancel.is_some() {
                    queue_message(db, &client, &message)?;
                } else if let Ok(id) = message.session_id.parse::<FlowId>() {
                    match flow::existing(db, client.into(), &id) {
                        Ok((number, flow)) if !flow.complete => {
                            deliver_again(db, &client, number, flow.urgent)?;
                        }
                        Ok(_) | Err(StoreError::NoFlow { .. }) => {}
                        Err(other) => return Err(other),
                    }
                }
            }
            Ok(())
        })
        .await
    }
}

/// Puts a collection at the end of the queue.
pub(super) fn queue_flow(
    db: &Connection,
    client: &ClientId,
    flow: i64,
    urgent: bool,
) -> Result<(), StoreError> {
    check_room(db, client)?;
    let sql = "INSERT INTO task (client, flow, urgent) VALUES (?1, ?2, ?3)";
    db.prepare_cached(sql)?.execute(params![client.as_str(), flow, urgent])?;
    Ok(())
}

/// Puts a message at the end of the queue.
pub(super) fn queue_message(
    db: &Connection,
    client: &ClientId,
    message: &VeloMessage,
) -> Result<(), StoreError> {
    check_room(db, client)?;
    let sql = "INSERT INTO task (client, message, urgent) VALUES (?1, ?2, ?3)";
    let parameters = params![client.as_str(), message.encode_to_vec(), message.urgent];
    db.prepare_cached(sql)?.execute(parameters)?;
    Ok(())
}

/// Makes a waiting agent look for tasks, when nothing else in the queue does: an entry that is no message.
pub(super) fn nudge(db: &Connection, client: &ClientId) -> Result<(), StoreError> {
    let sql = "INSERT INTO task (client, urgent) SELECT ?1, 0 \
               WHERE NOT EXISTS (SELECT 1 FROM task WHERE client = ?1)";
    db.prepare_cached(sql)?.execute([client.as_str()])?;
    Ok(())
}

pub(super) fn check_room(db: &Connection, client: &ClientId) -> Result<(), StoreError> {
    let sql = "SELECT count(*) FROM task WHERE client = ?1";
    let mut query = db.prepare_cached(sql)?;
    let waiting = super::unsigned(query.query_row([client.as_str()], |row| row.get(0))?);
    if waiting >= limits::QUEUED_TASKS {
        return Err(StoreError::Limit("the task queue of the client", limits::QUEUED_TASKS));
    }
    Ok(())
}

/// Collections that an agent has and did not finish, the urgent ones not counted.
fn flows_in_flight(db: &Connection, client: &ClientId) -> Result<usize, StoreError> {
    let sql = "SELECT count(*) FROM flow \
               WHERE client = ?1 AND complete = 0 AND delivered_us > 0 AND urgent = 0";
    let count: i64 = db.prepare_cached(sql)?.query_row([client.as_str()], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

/// Collections that are with client ?1 and of which nothing was heard from time ?2 to now, ?3. What is noted as later than
/// now was noted before the clock was set back, and says nothing.
const SILENT: &str = "client = ?1 AND complete = 0 AND delivered_us > 0 \
                      AND NOT (delivered_us BETWEEN ?2 AND ?3 OR active_us BETWEEN ?2 AND ?3 \
                               OR asked_us BETWEEN ?2 AND ?3)";

fn anything_due(db: &Connection, client: &ClientId, now_us: u64) -> Result<bool, StoreError> {
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM task WHERE client = ?1) \
         OR EXISTS (SELECT 1 FROM flow WHERE {SILENT})"
    );
    let silent_since = signed(now_us.saturating_sub(limits::SILENT_FLOW_US));
    let mut query = db.prepare_cached(&sql)?;
    let parameters = params![client.as_str(), silent_since, signed(now_us)];
    Ok(query.query_row(parameters, |row| row.get(0))?)
}

/// One entry of the queue: its number, the flow to start or the message to send, and whether it overtakes.
type Queued = (i64, Option<i64>, Option<Vec<u8>>, bool);

/// The queue of client ?1 without collections that expired before ?2.
const QUEUED: &str = "SELECT task.number, task.flow, task.message, task.urgent FROM task \
                      LEFT JOIN flow ON flow.number = task.flow \
                      WHERE task.client = ?1 \
                      AND (flow.expires_us IS NULL OR flow.expires_us = 0 OR flow.expires_us > ?2) \
                      ORDER BY task.number";

fn take_queued(
    db: &Connection,
    client: &ClientId,
    in_flight: usize,
    now_us: u64,
) -> Result<Vec<VeloMessage>, StoreError> {
    let mut room = in_flight.saturating_sub(flows_in_flight(db, client)?);
    let queued: Vec<Queued> = {
        let mut query = db.prepare_cached(QUEUED)?;
        let rows = query.query_map(params![client.as_str(), signed(now_us)], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?;
        rows.collect::<Result<_, _>>()?
    };
    let mut messages = Vec::new();
    let mut bytes = 0_usize;
    for (task, flow, message, urgent) in queued {
        if bytes >= limits::REPLY_BYTES {
            break;
        }
        let message = match (flow, message) {
            (Some(_), _) if !urgent && room == 0 => continue,
            (Some(flow), _) => {
                room = room.saturating_sub(usize::from(!urgent));
                deliver(db, flow, now_us)?
            }
            (None, Some(message)) => VeloMessage::decode(message.as_slice())?,
            (None, None) => {
                db.execute("DELETE FROM task WHERE number = ?1", [task])?;
                continue;
            }
        };
        bytes = bytes.saturating_add(message.encoded_len());
        messages.push(message);
        db.prepare_cached("DELETE FROM task WHERE number = ?1")?.execute([task])?;
    }
    Ok(messages)
}

/// Marks a collection as delivered and makes the message that starts it.
fn deliver(db: &Connection, flow: i64, now_us: u64) -> Result<VeloMessage, StoreError> {
    let sql = "UPDATE flow SET delivered_us = ?2, deliveries = deliveries + 1 WHERE number = ?1";
    db.prepare_cached(sql)?.execute(params![flow, signed(now_us)])?;
    let sql = "SELECT id, request, urgent FROM flow WHERE number = ?1";
    let mut query = db.prepare_cached(sql)?;
    let (id, request, urgent): (String, Vec<u8>, bool) =
        query.query_row([flow], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(VeloMessage {
        session_id: id,
        request_id: 1,
        urgent,
        flow_request: Some(Message::decode(request.as_slice())?),
        ..VeloMessage::default()
    })
}

/// The question about collections of which nothing was heard for long (docs/protocol.md section 6.8).
fn ask_about_silent(
    db: &Connection,
    client: &ClientId,
    now_us: u64,
) -> Result<Option<VeloMessage>, StoreError> {
    let silent_since = signed(now_us.saturating_sub(limits::SILENT_FLOW_US));
    let sql = format!("UPDATE flow SET asked_us = ?3 WHERE {SILENT} RETURNING id");
    let mut query = db.prepare_cached(&sql)?;
    let rows = query
        .query_map(params![client.as_str(), silent_since, signed(now_us)], |row| row.get(0))?;
    let flow_id = rows.collect::<Result<Vec<String>, _>>()?;
    Ok((!flow_id.is_empty()).then(|| VeloMessage {
        session_id: FlowId::STATUS.to_owned(),
        flow_stats_request: Some(FlowStatsRequest { flow_id }),
        ..VeloMessage::default()
    }))
}

/// Puts a collection back into the queue of which the agent knows nothing, because it was lost on the way.
pub(super) fn deliver_again(
    db: &Connection,
    client: &ClientId,
    number: i64,
    urgent: bool,
) -> Result<(), StoreError> {
    db.execute("UPDATE flow SET delivered_us = 0 WHERE number = ?1", [number])?;
    db.execute("DELETE FROM task WHERE flow = ?1", [number])?;
    queue_flow(db, client, number, urgent)
}

#[cfg(test)]
mod tests {
    use troodon_proto::VqlCollectorArgs;

    use super::*;
    use crate::model::flow::{FlowState, NewFlow};
    use crate::model::site::Site;
    use crate::store::now_us;

    const IN_FLIGHT: usize = 4;

    fn store() -> (tempfile::TempDir, Store, ClientId) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let client: ClientId = "C.0123456789abcdef".parse().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(store.enrol(client, vec![1])).unwrap();
        (folder, store, client)
    }

    fn new_flow(id: &str, urgent: bool) -> NewFlow {
        NewFlow {
            id: id.parse().unwrap(),
            creator: "admin".into(),
            artifacts: Vec::new(),
            spec: serde_json::Value::Null,
            request: troodon_proto::FlowRequest::default(),
            urgent,
        }
    }

    fn flow(store: &Store, client: &ClientId, id: &str, urgent: bool) -> FlowId {
        store.create_flow(client, new_flow(id, urgent)).unwrap()
    }

    fn take(store: &Store, client: &ClientId, now_us: u64) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let tasks = runtime.block_on(store.take_tasks(client, IN_FLIGHT, true, now_us)).unwrap();
        let name = |task: VeloMessage| match task.flow_stats_request {
            Some(question) => format!("status of {}", question.flow_id.join(" ")),
            None if task.cancel.is_some() => format!("cancel {}", task.session_id),
            None => task.session_id,
        };
        tasks.into_iter().map(name).collect()
    }

    #[test]
    fn the_fifth_collection_waits_and_an_urgent_one_does_not() {
        let (_folder, store, client) = store();
        for n in 1..=5 {
            flow(&store, &client, &format!("F.{n}"), false);
        }
        flow(&store, &client, "F.U", true);
        assert_eq!(take(&store, &client, 1), ["F.1", "F.2", "F.3", "F.4", "F.U"]);
        assert_eq!(take(&store, &client, 2), [""; 0]);
    }

    #[test]
    fn a_silent_collection_is_asked_about_once_a_minute() {
        let (_folder, store, client) = store();
        flow(&store, &client, "F.1", false);
        assert_eq!(take(&store, &client, 1), ["F.1"]);
        let later = 2 + limits::SILENT_FLOW_US;
        assert_eq!(take(&store, &client, later), ["status of F.1"]);
        assert_eq!(take(&store, &client, later + 1), [""; 0]);
    }

    #[test]
    fn a_cancelled_collection_leaves_the_queue_and_the_agent_is_told() {
        let (_folder, store, client) = store();
        let id = flow(&store, &client, "F.1", false);
        assert!(store.cancel_flow(client, &id, "admin").unwrap());
        assert!(!store.cancel_flow(client, &id, "admin").unwrap());
        assert_eq!(take(&store, &client, 1), ["cancel F.1"]);
        assert_eq!(store.flow(client, &id).unwrap().status(), "Cancelled by admin");
    }

    #[test]
    fn what_nobody_has_begun_in_its_time_is_not_handed_out_and_ends_on_record() {
        let (_folder, store, client) = store();
        let wanted = |id: &str, site: Site, expiry| {
            let action = VqlCollectorArgs { expiry, ..VqlCollectorArgs::default() };
            let request = troodon_proto::FlowRequest {
                vql_client_actions: vec![action],
                ..troodon_proto::FlowRequest::default()
            };
            let flow = NewFlow { request, ..new_flow(id, false) };
            store.write(move |db| flow::insert(db, site, &flow)).unwrap();
        };
        let here = Site::Client(client);
        wanted("F.1", here, 5);
        wanted("F.2", here, 9);
        wanted("F.3", here, 0);
        wanted("F.4", Site::Server, 5);
        let seconds = 1_000_000;
        assert_eq!(store.expire_flows("Srv", 5 * seconds - 1).unwrap(), []);
        // What has expired does not wait for the next look.
        assert_eq!(take(&store, &client, 5 * seconds), ["F.2", "F.3"]);
        assert!(store.begin_server_flow().unwrap().is_none());
        let ended = store.expire_flows("Srv", 9 * seconds).unwrap();
        let expected = [(here, "F.1"), (Site::Server, "F.4")];
        assert_eq!(ended, expected.map(|(site, id)| (site, id.parse().unwrap())));
        assert_eq!(store.expire_flows("Srv", 9 * seconds).unwrap(), []);
        for (site, id) in expected {
            let flow = store.flow(site, &id.parse().unwrap()).unwrap();
            assert_eq!(flow.state(now_us()), FlowState::Error);
            assert_eq!(flow.status(), "Expired: nobody has begun it in its time");
            let mut log = store.logs(site, &flow.id, 0).unwrap();
            let line = log.next().unwrap().unwrap();
            assert!(line.windows(7).any(|text| text == b"Expired"), "{line:?}");
        }
        // The agent has the second one, and works on it.
        let delivered = store.flow(here, &"F.2".parse().unwrap()).unwrap();
        assert_eq!(delivered.state(now_us()), FlowState::Waiting);
        let records = store.audit_records(0, usize::MAX).unwrap();
        let told: Vec<_> =
            records.iter().map(|(_, one)| (&*one.operation, &*one.principal)).collect();
        assert_eq!(told, [("ExpireFlow", "Srv"), ("ExpireFlow", "Srv")]);
        assert_eq!(records[0].1.details["flow_id"], "F.1");
    }

    #[test]
    fn a_queue_has_an_end() {
        let (_folder, store, client) = store();
        for _ in 0..limits::QUEUED_TASKS {
            store.queue(&client, VeloMessage::default()).unwrap();
        }
        let refused = store.queue(&client, VeloMessage::default());
        assert!(matches!(refused, Err(StoreError::Limit(..))));
    }
}
