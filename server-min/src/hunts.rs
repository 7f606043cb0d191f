//! Hunts as people make and lead them: checked and recorded here, whoever asks.
//!
//! Whoever lets a hunt take clients needs what its artifacts require, like for a collection: a hunt that somebody else
//! made is no way around that.

mod rows;

use serde_json::{Value, json};

pub use rows::{HuntRow, HuntRows};

use crate::actor::{ActError, Actor};
use crate::launcher::{Collect, LaunchError, Launcher, Spec};
use crate::limits;
use crate::model::door::Door;
use crate::model::flow::NewFlow;
use crate::model::hunt::{Condition, Hunt, HuntState};
use crate::model::id::{ArtifactName, ClientId, FlowId, HuntId};
use crate::store::{Store, StoreError, audit, hunt, now_us};

/// Hours that a hunt takes clients unless somebody says otherwise.
pub const USUAL_HOURS: u64 = 168;

/// Why a hunt was not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum HuntError {
    /// The caller may not, or asks for something senseless.
    #[error(transparent)]
    Act(#[from] ActError),
    /// The artifacts cannot be collected, by the caller or at all.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The store refuses: there is no such hunt, client or collection.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gives no random bytes.
    #[error("no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

/// What somebody wants of many clients.
#[derive(Debug, Clone, Default)]
pub struct NewHunt {
    /// For people.
    pub description: String,
    /// What each client is to collect.
    pub collect: Collect,
    /// Which clients.
    pub condition: Condition,
    /// How many at most; 0: all.
    pub client_limit: u64,
    /// Microseconds since 1970; 0: [`USUAL_HOURS`] from now on.
    pub expires_us: u64,
    /// Begins at once.
    pub running: bool,
}

/// What somebody changes about a hunt.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    /// Whether it takes clients.
    pub state: Option<HuntState>,
    /// For people.
    pub description: Option<String>,
    /// When it takes no more clients, in microseconds since 1970.
    pub expires_us: Option<u64>,
}

impl Edit {
    /// Whether it changes nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.state.is_none() && self.description.is_none() && self.expires_us.is_none()
    }

    /// The door to it. Who gives a hunt more time lets it take clients as well.
    #[must_use]
    pub fn door(&self) -> Door {
        match self.state == Some(HuntState::Running) || self.expires_us.is_some() {
            true => Door::StartHunt,
            false => Door::ModifyHunt,
        }
    }
}

/// Makes a hunt; its artifacts are compiled here and never again.
///
/// # Errors
/// The caller may not, or the artifacts cannot be compiled.
pub fn create(actor: &Actor, launcher: &Launcher, wanted: &NewHunt) -> Result<HuntId, HuntError> {
    let (text, labels) = (wanted.description.len(), wanted.condition.labels.len());
    if text > limits::HUNT_TEXT_BYTES || labels > limits::HUNT_LABELS {
        return Err(
            ActError::Wrong("the description or the list of labels is too long".into()).into()
        );
    }
    let door = if wanted.running { Door::StartHunt } else { Door::CreateHunt };
    let mut random = [0; 4];
    getrandom::fill(&mut random)?;
    let now_us = now_us();
    let id = HuntId::generate(now_us / 1_000_000, random);
    let mut record = actor.enter(door, json!({"hunt_id": id.as_str()}))?;
    record.operation = Door::CreateHunt.operation().to_owned();
    launcher.allow_on_record(actor.principal(), &record.operation, &wanted.collect.specs)?;
    let NewFlow { creator, artifacts, spec, request, urgent, .. } =
        launcher.flow(actor.principal().name(), &wanted.collect)?;
    let usual = now_us.saturating_add(USUAL_HOURS * 3_600_000_000);
    let hunt = Hunt {
        id: id.clone(),
        creator,
        description: wanted.description.clone(),
        artifacts,
        spec,
        request,
        urgent,
        condition: wanted.condition.clone(),
        client_limit: wanted.client_limit,
        created_us: now_us,
        started_us: 0,
        expires_us: if wanted.expires_us == 0 { usual } else { wanted.expires_us },
        state: HuntState::Paused,
    };
    record.details["details"] = json!({
        "request": hunt.spec,
        "condition": hunt.condition,
        "client_limit": hunt.client_limit,
        "running": wanted.running,
    });
    let running = wanted.running;
    actor.store().write(move |db| {
        hunt::insert(db, &hunt)?;
        if running {
            hunt::set_state(db, &hunt.id, HuntState::Running)?;
        }
        audit::append(db, &record)
    })?;
    Ok(id)
}

/// Changes a hunt.
///
/// # Errors
/// The caller may not, or there is no such hunt.
pub fn edit(actor: &Actor, launcher: &Launcher, id: &HuntId, edit: Edit) -> Result<(), HuntError> {
    let door = edit.door();
    let starts = door == Door::StartHunt;
    let details = json!({
        "hunt_id": id.as_str(),
        "state": edit.state.map(HuntState::name),
        "description": edit.description,
        "expires": edit.expires_us,
    });
    let mut record = actor.enter(door, details)?;
    record.operation = Door::ModifyHunt.operation().to_owned();
    let before = actor.store().hunt(id)?;
    if starts {
        launcher.allow_on_record(actor.principal(), &record.operation, &specs(&before))?;
    }
    // Clients that were passed over because time was up are looked at again.
    let goes_on = starts && edit.state.is_none() && before.state == HuntState::Running;
    let id = id.clone();
    actor.store().write(move |db| {
        hunt::edit(db, &id, edit.description.as_deref(), edit.expires_us)?;
        if let Some(state) = edit.state.or(goes_on.then_some(HuntState::Running)) {
            hunt::set_state(db, &id, state)?;
        }
        audit::append(db, &record)
    })?;
    Ok(())
}

/// Puts a client into a hunt, whatever the hunt wants: with a collection that is there, or with a new one.
///
/// Answers false when the client was in it already.
///
/// # Errors
/// The caller may not, or there is no such hunt, client or collection.
pub fn add(
    actor: &Actor,
    launcher: &Launcher,
    id: &HuntId,
    client: &ClientId,
    flow: Option<FlowId>,
) -> Result<bool, HuntError> {
    let details = json!({
        "hunt_id": id.as_str(),
        "client_id": client.as_str(),
        "flow_id": flow.as_ref().map(FlowId::as_str),
    });
    let mut record = actor.enter(Door::StartHunt, details)?;
    record.operation = "hunt_add".to_owned();
    if flow.is_none() {
        let specs = specs(&actor.store().hunt(id)?);
        launcher.allow_on_record(actor.principal(), &record.operation, &specs)?;
    }
    let (id, client) = (id.clone(), *client);
    Ok(actor.store().write(move |db| {
        let added = hunt::add(db, &id, &client, flow.as_ref())?;
        audit::append(db, &record)?;
        Ok(added)
    })?)
}

/// Removes a hunt with the collections that it made.
///
/// # Errors
/// The caller may not, or there is no such hunt.
pub fn delete(actor: &Actor, id: &HuntId) -> Result<(), HuntError> {
    let record = actor.enter(Door::DeleteHunts, json!({"hunt_id": id.as_str()}))?;
    let id = id.clone();
    let (number, flows) = actor.store().write(move |db| {
        let number = hunt::number_of(db, &id)?;
        let flows = hunt::delete(db, &id)?;
        audit::append(db, &record)?;
        Ok((number, flows))
    })?;
    actor.store().remove_hunt_download(number)?;
    Ok(actor.store().remove_upload_folders(&flows)?)
}

/// Its artifacts, for the question whether somebody may collect them.
fn specs(hunt: &Hunt) -> Vec<Spec> {
    hunt.artifacts.iter().map(|name| Spec::of(name.as_str())).collect()
}

/// A hunt as people and queries see it. Names and units are Velociraptor's.
///
/// # Errors
/// The store cannot be read.
pub fn shown(store: &Store, hunt: &Hunt) -> Result<Value, StoreError> {
    let stats = store.hunt_stats(&hunt.id)?;
    let artifacts: Vec<&str> = hunt.artifacts.iter().map(ArtifactName::as_str).collect();
    Ok(json!({
        "hunt_id": hunt.id.as_str(),
        "hunt_description": hunt.description,
        "creator": hunt.creator,
        "create_time": hunt.created_us,
        "start_time": hunt.started_us,
        "expires": hunt.expires_us,
        "state": hunt.state(stats.scheduled, now_us()).name(),
        "artifacts": artifacts,
        "client_limit": hunt.client_limit,
        "condition": hunt.condition,
        "start_request": hunt.spec,
        "stats": {
            "total_clients_scheduled": stats.scheduled,
            "total_clients_finished": stats.finished,
            "total_clients_with_results": stats.with_results,
            "total_clients_with_errors": stats.with_errors,
            "total_rows": stats.rows,
            "total_uploaded_bytes": stats.uploaded_bytes,
        },
    }))
}
