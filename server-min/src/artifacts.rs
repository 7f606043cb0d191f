//! Artifacts as people write them: examined, and kept beside those of the program and of the folder.
//!
//! Whoever keeps a definition needs ARTIFACT_WRITER for clients or SERVER_ARTIFACT_WRITER for the server, and everything
//! that the definition can do without saying so: launching it asks only for what it says.

use serde_json::json;
use troodon_vql::Permission;

use crate::actor::{ActError, Actor};
use crate::artifact::{
    Artifact, ArtifactError, ArtifactType, Entry, Origin, Reason, Repository, powers, undeclared,
};
use crate::basic;
use crate::launcher::Launcher;
use crate::model::door::Door;
use crate::store::{Store, StoreError, artifact, audit};

/// What the name of a kept definition begins with, so that it is never taken for one of the program.
pub const PREFIX: &str = "Custom.";

/// Why a definition was not kept or removed.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactsError {
    /// The caller may not.
    #[error(transparent)]
    Act(#[from] ActError),
    /// The definition is wrong.
    #[error(transparent)]
    Definition(#[from] ArtifactError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A definition that could be kept.
#[derive(Debug)]
pub struct Draft {
    /// What it says.
    pub artifact: Artifact,
    /// The one that it would replace.
    pub before: Option<Entry>,
    /// Everything that it can do, with one call that can.
    pub powers: Vec<(Permission, Reason)>,
    /// What of that it does not say: whoever keeps it must hold it.
    pub undeclared: Vec<(Permission, Reason)>,
}

/// Reads a definition, and finds out what it can do.
///
/// # Errors
/// It is wrong, with line and column; or its name belongs to another one.
pub fn examine(repository: &Repository, text: &str) -> Result<Draft, ArtifactError> {
    let shown = "artifact";
    let artifact = Artifact::parse(text, shown)?;
    let fault = |problem| ArtifactError { name: shown.to_owned(), line: 0, column: 0, problem };
    let name = &artifact.name;
    if !name.starts_with(PREFIX) {
        return Err(fault(format!("name: begin it with `{PREFIX}`, as in `{PREFIX}{name}`")));
    }
    let before = repository.get(name).cloned();
    if before.as_ref().is_some_and(|entry| entry.origin != Origin::Stored) {
        return Err(fault(format!("name: `{name}` is a file of the server, and is changed there")));
    }
    let mut with = repository.clone();
    with.add(text, shown, Origin::Stored)?;
    let powers = powers(&with, &artifact).into_iter().collect();
    let undeclared = undeclared(&with, &artifact).into_iter().collect();
    Ok(Draft { powers, undeclared, artifact, before })
}

/// The door for a type of artifact.
#[must_use]
pub const fn door(kind: ArtifactType) -> Door {
    match kind {
        ArtifactType::Client | ArtifactType::ClientEvent => Door::WriteArtifact,
        ArtifactType::Server
        | ArtifactType::ServerEvent
        | ArtifactType::Notebook
        | ArtifactType::Internal => Door::WriteServerArtifact,
    }
}

/// Keeps a definition; collections from then on use it. Answers its name.
///
/// # Errors
/// The caller may not, which is on record then, or the definition is wrong.
pub fn set(actor: &Actor, launcher: &Launcher, text: &str) -> Result<String, ArtifactsError> {
    in_the_root(actor)?;
    launcher.change_repository(|repository| {
        let draft = examine(repository, text)?;
        let name = draft.artifact.name.clone();
        let details = json!({"artifact": name, "details": text});
        let door = door(draft.artifact.kind);
        let record = actor.enter(door, details.clone())?;
        let kind = draft.before.map(|entry| entry.artifact.kind);
        // Who may not write for the server may not turn what is for the server into something else either.
        if let Some(kind) = kind {
            actor.enter(self::door(kind), details.clone())?;
        }
        for (permission, reason) in draft.undeclared {
            actor.hold(
                door,
                permission,
                &format!("it can by {reason} and does not say so"),
                &details,
            )?;
        }
        repository.add(text, &name, Origin::Stored)?;
        let (key, text) = (name.clone(), text.to_owned());
        actor.store().write(move |db| {
            artifact::put(db, &key, &text)?;
            // Whoever marked it as basic knew another definition.
            basic::set(db, &key, false)?;
            audit::append(db, &record)
        })?;
        Ok(name)
    })
}

/// Removes a definition that was kept.
///
/// # Errors
/// The caller may not, or there is no such definition.
pub fn delete(actor: &Actor, launcher: &Launcher, name: &str) -> Result<(), ArtifactsError> {
    in_the_root(actor)?;
    launcher.change_repository(|repository| {
        let gone = || ActError::Wrong(format!("no definition `{name}` was kept here"));
        let entry = repository.get(name).filter(|entry| entry.origin == Origin::Stored);
        // Who may write nothing does not learn what is there.
        let door = entry.map_or(Door::WriteArtifact, |entry| door(entry.artifact.kind));
        let mut record = actor.enter(door, json!({"artifact": name}))?;
        entry.ok_or_else(gone)?;
        record.operation = "artifact_delete".to_owned();
        repository.remove(name);
        let key = name.to_owned();
        actor.store().write(move |db| {
            artifact::remove(db, &key)?;
            basic::set(db, &key, false)?;
            audit::append(db, &record)
        })?;
        Ok(())
    })
}

/// All organisations use the definitions of the root: who has rights in another one only does not write them.
fn in_the_root(actor: &Actor) -> Result<(), ActError> {
    if actor.store().org().is_root() {
        return Ok(());
    }
    Err(ActError::Wrong("definitions are kept in the root organisation, for all of them".into()))
}

/// Brings the definitions of a running server to what is kept, when another process has kept or removed some since `seen`.
/// Answers those that are wrong.
///
/// # Errors
/// The store cannot be read.
pub fn refresh(
    launcher: &Launcher,
    store: &Store,
    seen: &mut Vec<(String, String)>,
) -> Result<Vec<ArtifactError>, StoreError> {
    let kept = store.artifact_texts()?;
    if kept == *seen {
        return Ok(Vec::new());
    }
    let faults = launcher.change_repository(|repository| {
        let stored = repository.iter().filter(|entry| entry.origin == Origin::Stored);
        let names: Vec<String> = stored.map(|entry| entry.artifact.name.clone()).collect();
        names.iter().for_each(|name| repository.remove(name));
        add_kept(repository, store)
    })?;
    *seen = kept;
    Ok(faults)
}

/// Adds what was kept. Definitions that are wrong, as an older program may have allowed, are returned.
///
/// # Errors
/// The store cannot be read.
pub fn add_kept(
    repository: &mut Repository,
    store: &Store,
) -> Result<Vec<ArtifactError>, StoreError> {
    let kept = store.artifact_texts()?;
    let added = kept.into_iter().map(|(name, text)| repository.add(&text, &name, Origin::Stored));
    Ok(added.filter_map(Result::err).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_says_what_it_can_do_and_where_it_is_wrong() {
        let repository = Repository::built_in().unwrap();
        let text = "name: Custom.A\nsources:\n- query: SELECT * FROM execve(argv='x')\n";
        let draft = examine(&repository, text).unwrap();
        assert_eq!(draft.undeclared[0].0, Permission::Execve);
        let said = "name: Custom.A\nrequired_permissions: [EXECVE]\nsources:\n- query: SELECT * FROM execve(argv='x')\n";
        assert!(examine(&repository, said).unwrap().undeclared.is_empty());
        for (text, line, part) in [
            ("name: Mine\n", 0, "Custom.Mine"),
            ("name: Custom.A\nsources:\n- query: SELECT FROM\n", 3, ""),
            ("name: Custom.A\ncolour: red\n", 2, "colour"),
        ] {
            let fault = examine(&repository, text).unwrap_err();
            assert_eq!(fault.line, line, "{fault}");
            assert!(fault.problem.contains(part), "{fault}");
        }
    }
}
