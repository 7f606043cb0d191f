//! What an artifact can do: the permissions of all that it calls, and of all that the artifacts call which it calls.

use std::collections::{BTreeMap, BTreeSet};

use troodon_vql::Permission;

use super::calls::Calls;
use super::{Artifact, ArtifactType, Repository, references};
use crate::limits::DEPENDENCIES;
use crate::model::power::{OF_COLLECTING, of_call};
use crate::model::role::Rights;

/// The call that is why an artifact can do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The plugin or function.
    pub call: String,
    /// The artifact that calls it: the one that was asked about, or one that this one calls.
    pub artifact: String,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}() in {}", self.call, self.artifact)
    }
}

/// Everything that an artifact can do, each with one call that can. Artifacts that are not there do nothing.
#[must_use]
pub fn powers(repository: &Repository, artifact: &Artifact) -> BTreeMap<Permission, Reason> {
    let mut found = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut open = add(artifact, &mut found);
    while let Some(name) = open.pop_first() {
        if seen.len() < DEPENDENCIES
            && let Some(entry) = repository.get(&name)
            && seen.insert(entry.artifact.name.clone())
        {
            open.extend(add(&entry.artifact, &mut found));
        }
    }
    found
}

/// What an artifact can do beyond what its definition says, and beyond what whoever may launch it can do anyhow.
#[must_use]
pub fn undeclared(repository: &Repository, artifact: &Artifact) -> BTreeMap<Permission, Reason> {
    let declared = declared(artifact);
    let mut beyond = powers(repository, artifact);
    beyond.retain(|permission, _| !declared.has(*permission));
    beyond
}

fn declared(artifact: &Artifact) -> Rights {
    let named = artifact.required_permissions.iter().chain(&artifact.implied_permissions);
    let named: Vec<_> = named.filter_map(|name| Permission::named(name)).collect();
    let anyhow = match artifact.kind {
        ArtifactType::Client | ArtifactType::ClientEvent => OF_COLLECTING,
        _ => Rights::NONE,
    };
    Rights::of(&named).and(anyhow)
}

/// Adds the powers of one definition; answers the artifacts that it calls or imports.
fn add(artifact: &Artifact, found: &mut BTreeMap<Permission, Reason>) -> BTreeSet<String> {
    let mut calls = Calls::default();
    let mut called: BTreeSet<String> = artifact.imports.iter().cloned().collect();
    let own = artifact.sources.iter();
    let texts = own.flat_map(|source| [source.precondition.text.clone(), source.text()]);
    let shared = [artifact.export.text.clone(), artifact.precondition.text.clone()];
    for text in shared.into_iter().chain(texts) {
        calls.add(&text);
        called.extend(references(&text));
    }
    let reason = |call: &str| Reason { call: call.to_owned(), artifact: artifact.name.clone() };
    for name in &calls.names {
        for permission in of_call(name).iter() {
            found.entry(permission).or_insert_with(|| reason(name));
        }
    }
    if let Some(runner) = &calls.runs {
        // Whoever chooses the text chooses the calls.
        found.entry(Permission::Execve).or_insert_with(|| reason(runner));
    }
    called.extend(calls.artifacts);
    called
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::Origin;

    const SHELL: &str = "name: Test.Shell\nrequired_permissions: [EXECVE]\nsources:\n\
                         - query: SELECT * FROM execve(argv=Command)\n";

    fn found(text: &str) -> Vec<String> {
        let mut repository = Repository::built_in().unwrap();
        repository.add(SHELL, "shell", Origin::Given).unwrap();
        let name = repository.add(text, "test", Origin::Given).unwrap();
        let entry = repository.get(&name).unwrap();
        let beyond = undeclared(&repository, &entry.artifact);
        beyond.iter().map(|(permission, reason)| format!("{permission} by {reason}")).collect()
    }

    #[test]
    fn what_an_artifact_calls_itself_or_through_others_is_found() {
        let text = "name: Test.Own\nsources:\n- query: SELECT * FROM http_client(url='x')\n";
        assert_eq!(found(text), ["NETWORK by http_client() in Test.Own"]);
        let text = "name: Test.Wrapper\nsources:\n- query: SELECT * FROM Artifact.Test.Shell(Command='ls')\n";
        assert_eq!(found(text), ["EXECVE by execve() in Test.Shell"]);
        let text = "name: Test.Deep\nprecondition: SELECT rm(filename='/x') FROM scope()\n\
                    export: LET F(x) = http_client(url=x)\n\
                    sources:\n- query: SELECT * FROM query(query=Text)\n";
        let deep = found(text);
        assert_eq!(
            deep,
            [
                "EXECVE by query() in Test.Deep",
                "FILESYSTEM_WRITE by rm() in Test.Deep",
                "NETWORK by http_client() in Test.Deep"
            ]
        );
    }

    #[test]
    fn what_is_declared_or_what_collecting_means_anyhow_is_not_named() {
        for text in [
            "name: T.A\nimplied_permissions: [EXECVE]\nsources:\n- query: SELECT * FROM Artifact.Test.Shell()\n",
            "name: T.B\nsources:\n- query: SELECT * FROM glob(globs='/etc/*')\n",
            "name: T.C\nsources:\n- query: SELECT * FROM pslist()\n",
            "name: T.D\nsources:\n- query: SELECT * FROM Artifact.T.D() WHERE Artifact.T.None()\n",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
        let server = "name: T.E\ntype: SERVER\nsources:\n- query: SELECT * FROM glob(globs='/*')\n";
        assert_eq!(found(server), ["FILESYSTEM_READ by glob() in T.E"]);
    }

    #[test]
    fn built_in_artifacts_declare_what_they_can_do() {
        let repository = Repository::built_in().unwrap();
        for entry in repository.iter() {
            let beyond = undeclared(&repository, &entry.artifact);
            assert!(beyond.is_empty(), "{}: {beyond:?}", entry.artifact.name);
        }
    }
}
