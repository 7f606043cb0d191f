//! Events that people and programs send to the server: checked and recorded here, whoever sends them.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::actor::{ActError, Actor};
use crate::model::id::ArtifactName;
use crate::model::site::Site;
use crate::store::chunk::Chunk;
use crate::store::{Store, StoreError, audit, now_us, server_event};

/// The column that says who sent an event. What a sender writes into it does not count.
const SENDER: &str = "_Sender";

/// Where alerts go, of clients and of the server.
pub const ALERTS: &str = "Server.Internal.Alerts";

/// Keeps an alert of a query of the server: what the query logged, and whose it is.
///
/// # Errors
/// The store cannot be written.
pub fn alert(store: &Store, principal: &str, message: &str) -> Result<(), StoreError> {
    let event: Value = serde_json::from_str(message).unwrap_or_else(|_| json!({"name": message}));
    let time = now_us() / 1_000_000;
    let row =
        json!({"client_id": Site::SERVER, "timestamp": time, "event": event, SENDER: principal});
    let chunk = Chunk::from_plain(Bytes::from(format!("{row}\n")));
    let chunk = chunk.map_err(|_| StoreError::Damaged("an alert"))?;
    let queue: ArtifactName = ALERTS.parse()?;
    store.write(move |db| server_event::insert(db, &queue, &chunk, server_event::Kind::Rows))
}

/// Keeps rows, a JSON object on each line, under the name of an event artifact; answers how many.
///
/// # Errors
/// The caller may not send to this queue, or a line is no JSON object.
pub fn send(actor: &Actor, queue: &ArtifactName, lines: &[u8]) -> Result<u64, ActError> {
    let sender = actor.principal().name();
    let mut kept = Vec::with_capacity(lines.len());
    for (number, line) in lines.split(|byte| *byte == b'\n').enumerate() {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let mut row: Map<String, Value> = serde_json::from_slice(line)
            .map_err(|_| ActError::Wrong(format!("line {} is no JSON object", number + 1)))?;
        row.shift_remove(SENDER);
        row.insert(SENDER.to_owned(), sender.into());
        kept.extend(Value::Object(row).to_string().into_bytes());
        kept.push(b'\n');
    }
    let chunk =
        Chunk::from_plain(Bytes::from(kept)).map_err(|fault| ActError::Wrong(fault.to_string()))?;
    let rows = chunk.rows();
    let record = actor.publish(queue, json!({"artifact": queue.as_str(), "rows": rows}))?;
    let queue = queue.clone();
    actor.store().write(move |db| {
        server_event::insert(db, &queue, &chunk, server_event::Kind::Rows)?;
        audit::append(db, &record)
    })?;
    Ok(rows)
}
