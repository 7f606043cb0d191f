//! Collections as people end and remove them: checked and recorded here, whoever asks.

use serde_json::json;

use crate::actor::{ActError, Actor};
use crate::model::door::Door;
use crate::model::id::FlowId;
use crate::model::site::Site;
use crate::orgs::Orgs;
use crate::store::{StoreError, audit, flow, now_us};

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

/// Ends the collections of all organisations that nobody has begun in their time; answers how many.
///
/// # Errors
/// A store cannot be used.
pub fn expire(orgs: &Orgs, server: &str) -> Result<usize, StoreError> {
    let mut ended = 0_usize;
    for record in orgs.list()? {
        let Some(org) = orgs.find(&record.id)? else { continue };
        for (site, flow) in org.store.expire_flows(server, now_us())? {
            tracing::info!(%site, %flow, "a collection has expired");
            ended = ended.saturating_add(1);
        }
    }
    Ok(ended)
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
