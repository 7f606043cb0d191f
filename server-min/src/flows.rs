//! Collections as people end and remove them: checked and recorded here, whoever asks.

use serde_json::json;

use crate::actor::{ActError, Actor};
use crate::model::door::Door;
use crate::model::id::FlowId;
use crate::model::site::Site;
use crate::store::{audit, flow};

/// Ends a collection, on the agent as well; answers false when it was over already.
///
/// # Errors
/// The caller may not, or there is no such collection.
pub fn cancel(actor: &Actor, site: impl Into<Site>, id: &FlowId) -> Result<bool, ActError> {
    let site = site.into();
    let details = json!({"client_id": site.as_str(), "flow_id": id.as_str()});
    // The store keeps the record when there was something to end.
    actor.enter(Door::of_cancelling(site), details)?;
    Ok(actor.store().cancel_flow(site, id, actor.principal().name())?)
}

/// Removes a collection with its rows, logs and files.
///
/// # Errors
/// The caller may not, or there is no such collection.
pub fn delete(actor: &Actor, site: impl Into<Site>, id: &FlowId) -> Result<(), ActError> {
    let site = site.into();
    let details = json!({"client_id": site.as_str(), "flow_id": id.as_str()});
    let record = actor.enter(Door::DeleteFlow, details)?;
    let id = id.clone();
    let number = actor.store().write(move |db| {
        let number = flow::delete(db, site, &id)?;
        audit::append(db, &record)?;
        Ok(number)
    })?;
    Ok(actor.store().remove_upload_folders(&[number])?)
}
