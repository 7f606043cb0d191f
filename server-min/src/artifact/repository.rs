//! All definitions that the server knows, by name.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::builtin::DEFINITIONS;
use super::{Artifact, ArtifactError};
use crate::config::Config;
use crate::limits;

/// Where a definition came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It is part of the program, and cannot be replaced.
    BuiltIn,
    /// A file.
    File(PathBuf),
    /// A text that somebody gave.
    Given,
    /// Somebody wrote it here, and the store keeps it.
    Stored,
}

/// A definition and where it came from.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The definition.
    pub artifact: Arc<Artifact>,
    /// Its YAML, as written.
    pub text: Arc<str>,
    /// Where it came from.
    pub origin: Origin,
}

/// All definitions, by name.
#[derive(Debug, Clone, Default)]
pub struct Repository {
    entries: BTreeMap<String, Entry>,
    /// Further names.
    aliases: BTreeMap<String, String>,
}

impl Repository {
    /// Those that come with the program.
    pub fn built_in() -> Result<Self, ArtifactError> {
        let mut repository = Self::default();
        for (file, text) in DEFINITIONS {
            repository.add(text, file, Origin::BuiltIn)?;
        }
        Ok(repository)
    }

    /// Those that come with the program, and those of the folder that a configuration names. Definitions that are
    /// wrong are returned beside, since a server with some hundred of them should not stay down for one.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn of(config: &Config) -> Result<(Self, Vec<ArtifactError>), ArtifactError> {
        let mut repository = Self::built_in()?;
        let folder = &config.frontend.artifact_definitions_directory;
        if folder.is_empty() {
            return Ok((repository, Vec::new()));
        }
        let faults = repository.add_folder(Path::new(folder)).map_err(|cause| ArtifactError {
            name: folder.clone(),
            line: 0,
            column: 0,
            problem: format!("Frontend.artifact_definitions_directory: {cause}"),
        })?;
        Ok((repository, faults))
    }

    /// Reads a definition and adds it; returns its name. A definition that is there is replaced, unless it came with
    /// the program.
    pub fn add(
        &mut self,
        text: &str,
        shown: &str,
        origin: Origin,
    ) -> Result<String, ArtifactError> {
        let artifact = Artifact::parse(text, shown)?;
        let name = artifact.name.clone();
        let fault = |problem| ArtifactError { name: shown.to_owned(), line: 0, column: 0, problem };
        let built_in = self.entries.get(&name).is_some_and(|entry| entry.origin == Origin::BuiltIn);
        if built_in || self.aliases.contains_key(&name) {
            let problem =
                format!("`{name}` is taken by a built-in artifact; name yours Custom.{name}");
            return Err(fault(problem));
        }
        let taken = |alias: &&String| match self.aliases.get(*alias) {
            Some(owner) => *owner != name,
            None => self.entries.contains_key(*alias),
        };
        if let Some(alias) = artifact.aliases.iter().find(taken) {
            return Err(fault(format!("aliases: `{alias}` is the name of another artifact")));
        }
        self.aliases.retain(|_, owner| *owner != name);
        let aliases = artifact.aliases.iter().map(|alias| (alias.clone(), name.clone()));
        self.aliases.extend(aliases);
        let entry = Entry { artifact: Arc::new(artifact), text: text.into(), origin };
        self.entries.insert(name.clone(), entry);
        Ok(name)
    }

    /// Adds every `.yaml` and `.yml` below a folder. Definitions that are wrong are returned, the others added.
    pub fn add_folder(&mut self, folder: &Path) -> std::io::Result<Vec<ArtifactError>> {
        let mut faults = Vec::new();
        for path in yaml_files(folder)? {
            let text = fs::read_to_string(&path)?;
            let shown = path.display().to_string();
            faults.extend(self.add(&text, &shown, Origin::File(path)).err());
        }
        Ok(faults)
    }

    /// Forgets a definition.
    pub fn remove(&mut self, name: &str) {
        self.entries.remove(name);
        self.aliases.retain(|_, owner| owner != name);
    }

    /// The definition of a name or alias.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        let name = self.aliases.get(name).map_or(name, String::as_str);
        self.entries.get(name)
    }

    /// All definitions in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }
}

/// All YAML files below `folder`, in alphabetical order.
pub fn yaml_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    gather(folder, limits::DEFINITION_FOLDERS, &mut found)?;
    found.sort();
    Ok(found)
}

fn gather(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        // Links are followed, hence the limit of the depth.
        if path.is_dir() {
            if depth > 0 {
                gather(&path, depth - 1, found)?;
            }
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            found.push(path);
        }
        if found.len() > limits::DEFINITIONS {
            let problem =
                format!("{}: more than {} definitions", folder.display(), limits::DEFINITIONS);
            return Err(std::io::Error::other(problem));
        }
    }
    Ok(())
}
