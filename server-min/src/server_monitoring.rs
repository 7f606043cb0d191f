//! What runs on the server from its start to its end: the list of SERVER_EVENT artifacts, and the queries by it.
//!
//! A query runs with the rights of whoever put its artifact on the list, as they are at each moment: launching lifts
//! nobody's rights, and who loses them takes the query's with them. In lockdown the list cannot be changed and what is on
//! it goes on.

mod gather;
mod runner;

use serde_json::json;

use crate::acl::Principal;
use crate::actor::{ActError, Actor};
use crate::launcher::{CompileFault, LaunchError, Launcher, Spec};
use crate::limits;
use crate::model::audit::Record;
use crate::model::door::Door;
use crate::model::monitoring::{ServerWatch, ServerWatchList, Watch};
use crate::store::setting::{self, Setting};
use crate::store::{Store, StoreError, audit, now_us};

pub use runner::Runner;

/// Why the list does not change.
#[derive(Debug, thiserror::Error)]
pub enum ServerMonitoringError {
    /// The caller may not.
    #[error(transparent)]
    Act(#[from] ActError),
    /// The artifact requires what the caller has not.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The artifact cannot run on the server.
    #[error(transparent)]
    Compile(#[from] CompileFault),
    /// It is not on the list.
    #[error("`{0}` does not run on the server; `monitoring server list` shows what does")]
    Absent(String),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is on the list. Until somebody edits it, it is what the configuration names, as the server's own.
///
/// # Errors
/// The store cannot be read.
pub fn list(store: &Store, launcher: &Launcher) -> Result<ServerWatchList, StoreError> {
    let kept = store.setting(Setting::ServerEventTable)?;
    kept.map_or_else(|| Ok(usual(launcher)), |kept| Ok(serde_json::from_slice(&kept)?))
}

fn usual(launcher: &Launcher) -> ServerWatchList {
    let artifacts = launcher.usual_server_events().map(|artifact| ServerWatch {
        watch: Watch { artifact: artifact.to_owned(), parameters: Default::default() },
        owner: None,
        added_us: 0,
    });
    ServerWatchList { artifacts: artifacts.collect() }
}

/// Lets an artifact run on the server, with the caller's rights. One of the same name gives way.
///
/// # Errors
/// The caller may not launch this artifact on the server, it is no SERVER_EVENT, or the list is full.
pub fn add(
    actor: &Actor,
    launcher: &Launcher,
    watch: Watch,
) -> Result<ServerWatchList, ServerMonitoringError> {
    let artifact = watch.artifact.clone();
    let record = actor.enter(Door::MonitorServer, json!({"artifact": artifact}))?;
    let requests = match launcher.compile_server_events(&Spec::from(&watch)) {
        Ok(requests) => requests,
        Err(fault) => return fail(actor, record, fault.into()),
    };
    launcher.allow_call(actor.principal(), &artifact)?;
    if requests.iter().any(|request| !request.effective_principal.is_empty()) {
        return Err(CompileFault::Impersonates(artifact).into());
    }
    let owner = match actor.principal() {
        Principal::Server { .. } => None,
        Principal::User { name } => Some(name.as_str().to_owned()),
    };
    let watch = ServerWatch { watch, owner, added_us: now_us() };
    edit(actor, launcher, record, &artifact, move |list| {
        let limit = u64::try_from(limits::SERVER_WATCHES).unwrap_or(u64::MAX);
        let full = StoreError::Limit("the list of event artifacts of the server", limit);
        if list.add(watch) { Ok(true) } else { Err(full) }
    })
}

/// Ends what [`add`] began.
///
/// # Errors
/// The caller may not change the list, or the artifact is not on it.
pub fn remove(
    actor: &Actor,
    launcher: &Launcher,
    artifact: &str,
) -> Result<ServerWatchList, ServerMonitoringError> {
    let record = actor.enter(Door::MonitorServer, json!({"artifact": artifact}))?;
    let name = artifact.to_owned();
    edit(actor, launcher, record, artifact, move |list| Ok(list.remove(&name)))
}

/// Changes the list, on record; `change` answers whether the artifact was there.
fn edit(
    actor: &Actor,
    launcher: &Launcher,
    record: Record,
    artifact: &str,
    change: impl FnOnce(&mut ServerWatchList) -> Result<bool, StoreError> + Send + 'static,
) -> Result<ServerWatchList, ServerMonitoringError> {
    let (usual, mut kept_record) = (usual(launcher), record.clone());
    let changed = actor.store().write(move |db| {
        let mut list = match setting::find(db, Setting::ServerEventTable)? {
            Some(kept) => serde_json::from_slice(&kept)?,
            None => usual,
        };
        if !change(&mut list)? {
            return Ok(None);
        }
        setting::put(db, Setting::ServerEventTable, &serde_json::to_vec(&list)?)?;
        kept_record.details["state"] = json!(list);
        audit::append(db, &kept_record)?;
        Ok(Some(list))
    })?;
    match changed {
        Some(list) => Ok(list),
        None => fail(actor, record, ServerMonitoringError::Absent(artifact.to_owned())),
    }
}

/// What was allowed and came to nothing is on record as well.
fn fail<T>(
    actor: &Actor,
    record: Record,
    why: ServerMonitoringError,
) -> Result<T, ServerMonitoringError> {
    actor.fail(record, &why.to_string())?;
    Err(why)
}
