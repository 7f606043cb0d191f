//! Artifacts from YAML files: what they are called, what they take, and their queries.
//!
//! The local commands use them in place of those that come with a server's requests (docs/artifacts.md).

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::limits::ARTIFACT_LEN_MAX;
use crate::yaml::{self, YamlFault};

/// One artifact. Keys that matter to a server only are skipped.
#[derive(Clone, Debug, Deserialize)]
pub struct Artifact {
    /// Its name, such as `Custom.Linux.Users`.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// `CLIENT`, `CLIENT_EVENT`, `SERVER`, …; nothing means `CLIENT`.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// What it takes.
    #[serde(default)]
    pub parameters: Vec<Parameter>,
    /// A query without whose rows nothing is collected.
    #[serde(default)]
    pub precondition: String,
    /// Definitions that its sources share.
    #[serde(default)]
    pub export: String,
    /// Artifacts whose definitions it uses.
    #[serde(default)]
    pub imports: Vec<String>,
    /// Its queries.
    #[serde(default)]
    pub sources: Vec<Source>,
}

/// A parameter; its value travels as text.
#[derive(Clone, Debug, Deserialize)]
pub struct Parameter {
    /// The variable in the queries.
    pub name: String,
    /// What it means.
    #[serde(default)]
    pub description: String,
    /// `string`, `int`, `bool`, `timestamp`, `csv`, `json`, …
    #[serde(default, rename = "type")]
    pub kind: String,
    /// Its value when the caller gives none.
    #[serde(default)]
    pub default: Option<Scalar>,
}

/// A default as people write it in YAML, with or without quotes.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text.
    Text(String),
}

/// One source.
#[derive(Clone, Debug, Deserialize)]
pub struct Source {
    /// Its name, if there are several.
    #[serde(default)]
    pub name: String,
    /// A query without whose rows this source is left out.
    #[serde(default)]
    pub precondition: String,
    /// Statements.
    #[serde(default)]
    pub query: String,
    /// The older form of [`Source::query`].
    #[serde(default)]
    pub queries: Vec<String>,
}

/// What is wrong with artifacts.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactFault {
    /// There is no artifact of this name.
    #[error("no artifact is called {0}")]
    Unknown(String),
    /// The artifact takes no such parameter.
    #[error("artifact {0} has no parameter {1}")]
    UnknownParameter(String, String),
    /// A file or folder cannot be read.
    #[error("{}: {}", .0.display(), .1)]
    Read(PathBuf, #[source] std::io::Error),
    /// A file is too large.
    #[error("{}: larger than {ARTIFACT_LEN_MAX} bytes", .0.display())]
    TooLarge(PathBuf),
    /// A file is no artifact.
    #[error("{}: {}", .0.display(), .1)]
    Parse(PathBuf, #[source] YamlFault),
}

impl Artifact {
    /// Parses a definition.
    ///
    /// # Errors
    ///
    /// What is wrong, with its line.
    pub fn parse(text: &str) -> Result<Self, YamlFault> {
        yaml::from_str(text)
    }

    /// The definition as a server would send it.
    #[must_use]
    pub fn definition(&self) -> troodon_proto::Artifact {
        let parameters = self.parameters.iter().map(|parameter| troodon_proto::ArtifactParameter {
            name: parameter.name.clone(),
            r#type: parameter.kind.clone(),
            default: parameter.default_text(),
        });
        let sources = self.sources.iter().map(|source| troodon_proto::ArtifactSource {
            name: source.name.clone(),
            precondition: source.precondition.clone(),
            queries: vec![source.statements()],
        });
        troodon_proto::Artifact {
            name: self.name.clone(),
            precondition: self.precondition.clone(),
            export: self.export.clone(),
            imports: self.imports.clone(),
            parameters: parameters.collect(),
            sources: sources.collect(),
            ..troodon_proto::Artifact::default()
        }
    }
}

impl Parameter {
    /// The default as the text that travels.
    #[must_use]
    pub fn default_text(&self) -> String {
        match &self.default {
            None => String::new(),
            Some(Scalar::Bool(true)) => "Y".to_owned(),
            Some(Scalar::Bool(false)) => "N".to_owned(),
            Some(Scalar::Int(number)) => number.to_string(),
            Some(Scalar::Float(number)) => number.to_string(),
            Some(Scalar::Text(text)) => text.clone(),
        }
    }
}

impl Source {
    /// The statements.
    #[must_use]
    pub fn statements(&self) -> String {
        if self.query.is_empty() { self.queries.join("\n") } else { self.query.clone() }
    }
}

/// All artifacts of a folder and the folders in it, by name.
///
/// # Errors
///
/// A file that cannot be read or is no artifact.
pub fn load(folder: &Path) -> Result<Vec<Artifact>, ArtifactFault> {
    let mut artifacts = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let read = |why| ArtifactFault::Read(folder.clone(), why);
        for entry in fs::read_dir(&folder).map_err(read)? {
            let entry = entry.map_err(read)?;
            // Links are not followed, so a loop of them cannot lead astray.
            let kind = entry.file_type().map_err(read)?;
            let path = entry.path();
            let is_yaml = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && is_yaml {
                artifacts.push(read_artifact(&path)?);
            }
        }
    }
    artifacts.sort_by(|one: &Artifact, other| one.name.cmp(&other.name));
    Ok(artifacts)
}

/// Finds an artifact by its name.
///
/// # Errors
///
/// There is none.
pub fn find<'a>(artifacts: &'a [Artifact], name: &str) -> Result<&'a Artifact, ArtifactFault> {
    let found = artifacts.iter().find(|artifact| artifact.name == name);
    found.ok_or_else(|| ArtifactFault::Unknown(name.to_owned()))
}

fn read_artifact(path: &Path) -> Result<Artifact, ArtifactFault> {
    let read = |why| ArtifactFault::Read(path.to_owned(), why);
    let file = crate::file::open_regular(path).map_err(read)?;
    let mut text = String::new();
    let len = file.take(ARTIFACT_LEN_MAX + 1).read_to_string(&mut text).map_err(read)?;
    if u64::try_from(len).is_ok_and(|len| len > ARTIFACT_LEN_MAX) {
        return Err(ArtifactFault::TooLarge(path.to_owned()));
    }
    Artifact::parse(&text).map_err(|why| ArtifactFault::Parse(path.to_owned(), why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_may_be_written_without_quotes() {
        let text = "name: A.B\nparameters:\n- name: N\n  type: int\n  default: 5\n- name: F\n  type: bool\n  default: true\n- name: T\n  default: x\nsources:\n- query: SELECT 1 FROM scope()\n";
        let artifact = Artifact::parse(text).unwrap();
        let defaults: Vec<String> =
            artifact.parameters.iter().map(Parameter::default_text).collect();
        assert_eq!(defaults, ["5", "Y", "x"]);
        let definition = artifact.definition();
        assert_eq!(definition.parameters[1].default, "Y");
        assert_eq!(definition.sources[0].queries, ["SELECT 1 FROM scope()"]);
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        let why = Artifact::parse("name: [1\n").unwrap_err().to_string();
        assert!(why.contains("line"), "{why}");
    }
}
