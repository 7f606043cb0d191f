//! What people change about clients: labels, notes, and that they are gone. Checked and recorded here, whoever asks.

use serde_json::json;

use crate::actor::{ActError, Actor};
use crate::model::door::Door;
use crate::model::id::ClientId;
use crate::store::metadata::{self, Changes};
use crate::store::{audit, client};

/// Gives labels and takes labels away; answers whether anything changed.
///
/// # Errors
/// The caller may not, or there is no such client.
pub fn label(
    actor: &Actor,
    id: &ClientId,
    add: Vec<String>,
    remove: Vec<String>,
) -> Result<bool, ActError> {
    let id = *id;
    let labels = if add.is_empty() { &remove } else { &add };
    let details = json!({"client_id": id.as_str(), "label": labels});
    let mut record = actor.enter(Door::LabelClients, details)?;
    if add.is_empty() {
        record.operation = "RemoveClientLabel".to_owned();
    }
    Ok(actor.store().write(move |db| {
        let changed = client::label(db, &id, &add, &remove)?;
        audit::append(db, &record)?;
        Ok(changed)
    })?)
}

/// Changes what is noted about a client.
///
/// # Errors
/// The caller may not, there is no such client, or it is too much.
pub fn note(actor: &Actor, id: &ClientId, changes: Changes) -> Result<(), ActError> {
    let id = *id;
    let details = json!({"client_id": id.as_str(), "metadata": changes});
    let record = actor.enter(Door::NoteClients, details)?;
    Ok(actor.store().write(move |db| {
        metadata::change(db, &id, &changes)?;
        audit::append(db, &record)
    })?)
}

/// Changes what is noted about the server. Values may be secrets: only their names go on record.
///
/// # Errors
/// The caller may not, or it is too much.
pub fn note_server(actor: &Actor, changes: Changes) -> Result<(), ActError> {
    let names: Vec<&String> = changes.keys().collect();
    let record = actor.enter(Door::NoteServer, json!({"names": names}))?;
    Ok(actor.store().write(move |db| {
        metadata::change_server(db, &changes)?;
        audit::append(db, &record)
    })?)
}

/// Removes a client with its collections, files and events. Its agent will have to enrol again.
///
/// Answers whether there was such a client.
///
/// # Errors
/// The caller may not, or the store cannot be written.
pub fn delete(actor: &Actor, id: &ClientId) -> Result<bool, ActError> {
    let id = *id;
    let record = actor.enter(Door::DeleteClients, json!({"client_id": id.as_str()}))?;
    let gone = actor.store().write(move |db| {
        let gone = client::delete(db, &id)?;
        if gone.is_some() {
            audit::append(db, &record)?;
        }
        Ok(gone)
    })?;
    let found = gone.is_some();
    actor.store().remove_upload_folders(&gone.unwrap_or_default())?;
    Ok(found)
}
