//! Artifacts that are basic: who has COLLECT_BASIC may collect them, whatever they require.
//!
//! To mark one gives away what it requires, so that it takes all of that.

use std::collections::BTreeSet;

use rusqlite::Connection;
use serde_json::json;

use crate::actor::{ActError, Actor};
use crate::artifact::ArtifactType;
use crate::launcher::{CompileFault, LaunchError, Launcher, Spec};
use crate::model::door::Door;
use crate::store::setting::{self, Setting};
use crate::store::{Store, StoreError, audit};

/// Marks an artifact as basic, or takes the mark away.
///
/// # Errors
/// The caller may not, or there is no such CLIENT artifact.
pub fn mark(
    actor: &Actor,
    launcher: &Launcher,
    artifact: &str,
    basic: bool,
) -> Result<(), LaunchError> {
    let details = json!({"artifact": artifact, "basic": basic});
    let record = actor.enter(Door::MarkArtifact, details).map_err(|error| match error {
        ActError::Store(error) => LaunchError::Store(error),
        ActError::Denied(why) | ActError::Wrong(why) => LaunchError::Denied(why),
    })?;
    let kind = launcher.repository().get(artifact).map(|entry| entry.artifact.kind);
    if kind != Some(ArtifactType::Client) {
        return Err(CompileFault::Unknown(artifact.to_owned()).into());
    }
    if basic {
        let spec = Spec::of(artifact);
        launcher.allow_on_record(actor.principal(), &record.operation, &[spec])?;
    }
    let name = artifact.to_owned();
    Ok(actor.store().write(move |db| {
        set(db, &name, basic)?;
        audit::append(db, &record)
    })?)
}

/// Writes or removes the mark, within a transaction.
///
/// # Errors
/// The store cannot be used.
pub(crate) fn set(db: &Connection, artifact: &str, basic: bool) -> Result<(), StoreError> {
    let mut all = setting::find(db, Setting::BasicArtifacts)?.map_or_else(
        || Ok(BTreeSet::new()),
        |kept| serde_json::from_slice::<BTreeSet<String>>(&kept),
    )?;
    if basic {
        all.insert(artifact.to_owned());
    } else {
        all.remove(artifact);
    }
    setting::put(db, Setting::BasicArtifacts, &serde_json::to_vec(&all)?)
}

/// The artifacts that are basic in an organisation.
///
/// # Errors
/// The store cannot be read.
pub fn marked(store: &Store) -> Result<BTreeSet<String>, StoreError> {
    let kept = store.setting(Setting::BasicArtifacts)?;
    kept.map_or_else(|| Ok(BTreeSet::new()), |kept| Ok(serde_json::from_slice(&kept)?))
}
