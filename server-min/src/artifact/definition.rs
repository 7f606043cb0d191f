//! What a definition may say.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_saphyr::Spanned;

use super::{ArtifactError, check, lenient};
use crate::config::{ConfigError, absent, from_yaml};
use crate::limits::DEFINITION_BYTES;

/// A definition: one named set of queries. The fields are the keys of the YAML.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Artifact {
    /// Dotted, such as `Linux.Sys.Processes`.
    #[serde(deserialize_with = "absent")]
    pub name: String,
    /// Further names.
    #[serde(deserialize_with = "absent")]
    pub aliases: Vec<String>,
    /// For people.
    #[serde(deserialize_with = "absent")]
    pub description: String,
    /// For people.
    #[serde(deserialize_with = "absent")]
    pub author: String,
    /// For people.
    #[serde(deserialize_with = "absent")]
    pub reference: Vec<String>,
    /// For people.
    #[serde(deserialize_with = "absent")]
    pub references: Vec<String>,
    /// Names of permissions that a caller must hold to launch it.
    #[serde(deserialize_with = "absent")]
    pub required_permissions: Vec<String>,
    /// Names of permissions that the author says are implied.
    #[serde(deserialize_with = "absent")]
    pub implied_permissions: Vec<String>,
    /// The user as whom a server artifact runs.
    #[serde(deserialize_with = "absent")]
    pub impersonate: String,
    /// Limits.
    #[serde(deserialize_with = "absent")]
    pub resources: Resources,
    /// Programs that the agent needs.
    #[serde(deserialize_with = "absent")]
    pub tools: Vec<Tool>,
    /// The artifact runs only where this yields a row.
    #[serde(deserialize_with = "absent")]
    pub precondition: Located,
    /// Values that the caller may give.
    #[serde(deserialize_with = "absent")]
    pub parameters: Vec<Parameter>,
    /// Where and how it runs.
    #[serde(rename = "type", deserialize_with = "absent")]
    pub kind: ArtifactType,
    /// The queries.
    #[serde(deserialize_with = "absent")]
    pub sources: Vec<Source>,
    /// Artifacts whose `export` becomes part of this one.
    #[serde(deserialize_with = "absent")]
    pub imports: Vec<String>,
    /// Statements that go before the sources, here and where this is imported.
    #[serde(deserialize_with = "absent")]
    pub export: Located,
    /// Of older versions: accepted, not used.
    #[serde(deserialize_with = "absent")]
    pub reports: Vec<Value>,
    /// How columns are shown.
    #[serde(deserialize_with = "absent")]
    pub column_types: Vec<ColumnType>,
}

/// Where and how an artifact runs.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum ArtifactType {
    /// Once, on an agent.
    #[default]
    Client,
    /// All the time, on agents.
    ClientEvent,
    /// Once, on the server.
    Server,
    /// All the time, on the server.
    ServerEvent,
    /// A template of a notebook.
    Notebook,
    /// A queue of the server.
    Internal,
}

impl ArtifactType {
    const ALL: [Self; 6] = [
        Self::Client,
        Self::ClientEvent,
        Self::Server,
        Self::ServerEvent,
        Self::Notebook,
        Self::Internal,
    ];

    /// The word of the YAML.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "CLIENT",
            Self::ClientEvent => "CLIENT_EVENT",
            Self::Server => "SERVER",
            Self::ServerEvent => "SERVER_EVENT",
            Self::Notebook => "NOTEBOOK",
            Self::Internal => "INTERNAL",
        }
    }

    /// Whether its queries never end.
    pub fn is_event(self) -> bool {
        matches!(self, Self::ClientEvent | Self::ServerEvent | Self::Internal)
    }
}

impl FromStr for ArtifactType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::Client);
        }
        Self::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(text)).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            format!("unknown artifact type `{text}`; known are {known}")
        })
    }
}

impl fmt::Display for ArtifactType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for ArtifactType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for ArtifactType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A value that the caller may give. Values travel as strings; the type says what the queries see.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Parameter {
    /// The variable's name.
    #[serde(deserialize_with = "absent")]
    pub name: String,
    /// The value unless the caller gives one.
    #[serde(deserialize_with = "absent")]
    pub default: String,
    /// For people.
    #[serde(deserialize_with = "absent")]
    pub description: String,
    /// For people.
    #[serde(deserialize_with = "absent")]
    pub friendly_name: String,
    /// `int`, `bool`, `csv`, …; unknown types are strings.
    #[serde(rename = "type", deserialize_with = "absent")]
    pub kind: String,
    /// What `choices` and `multichoice` offer.
    #[serde(deserialize_with = "absent")]
    pub choices: Vec<String>,
    /// A value that does not match is marked in forms.
    #[serde(deserialize_with = "absent")]
    pub validating_regex: String,
    /// For `artifactset`: which type of artifacts.
    #[serde(deserialize_with = "absent")]
    pub artifact_type: String,
    /// For `artifactset`: offer sources as well.
    pub sources: bool,
}

/// One query of an artifact, with its own table of results.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Source {
    /// The part of the result's name behind the slash; may be empty.
    #[serde(deserialize_with = "absent")]
    pub name: String,
    /// For people.
    #[serde(deserialize_with = "absent")]
    pub description: String,
    /// The source runs only where this yields a row.
    #[serde(deserialize_with = "absent")]
    pub precondition: Located,
    /// Statements; the last one yields the rows.
    #[serde(deserialize_with = "absent")]
    pub query: Located,
    /// The older form of `query`, in pieces.
    #[serde(deserialize_with = "absent")]
    pub queries: Vec<Located>,
    /// How results are first shown.
    #[serde(deserialize_with = "absent")]
    pub notebook: Vec<NotebookCell>,
}

impl Source {
    /// The text of its statements.
    pub fn text(&self) -> String {
        if !self.query.text.is_empty() {
            return self.query.text.clone();
        }
        self.queries.iter().map(|part| part.text.as_str()).collect::<Vec<_>>().join("\n")
    }
}

/// A cell of the notebook in which results are shown.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NotebookCell {
    /// `md`, `markdown`, `vql`, `vql_suggestion`, `notebook` or `none`.
    #[serde(rename = "type", deserialize_with = "absent")]
    pub kind: String,
    /// The title.
    #[serde(deserialize_with = "absent")]
    pub name: String,
    /// The text.
    #[serde(deserialize_with = "absent")]
    pub template: String,
    /// What is shown before the cell is calculated.
    #[serde(deserialize_with = "absent")]
    pub output: String,
    /// Variables.
    #[serde(deserialize_with = "absent")]
    pub env: Vec<Value>,
}

/// Limits of a collection; 0 means the server's own.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Resources {
    /// Seconds.
    pub timeout: u64,
    /// Steps in a second.
    pub ops_per_second: f32,
    /// Percent.
    pub cpu_limit: f32,
    /// Operations in a second.
    pub iops_limit: f32,
    /// Rows of the collection.
    pub max_rows: u64,
    /// Bytes of the collection's uploads.
    pub max_upload_bytes: u64,
    /// Seconds for which rows are gathered.
    pub max_batch_wait: u64,
    /// Rows of one packet.
    pub max_batch_rows: u64,
    /// Bytes of one packet.
    pub max_batch_rows_buffer: u64,
}

/// A program that the agent needs: accepted, kept for people.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Tool {
    #[serde(deserialize_with = "absent")]
    pub name: String,
    #[serde(deserialize_with = "absent")]
    pub url: String,
    #[serde(deserialize_with = "absent")]
    pub github_project: String,
    #[serde(deserialize_with = "absent")]
    pub github_asset_regex: String,
    pub serve_locally: bool,
    #[serde(deserialize_with = "absent")]
    pub expected_hash: String,
    #[serde(deserialize_with = "absent")]
    pub version: String,
}

/// How a column is shown.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct ColumnType {
    #[serde(deserialize_with = "absent")]
    pub name: String,
    #[serde(rename = "type", deserialize_with = "absent")]
    pub kind: String,
    #[serde(deserialize_with = "absent")]
    pub description: String,
}

/// A text that knows the line on which it began.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Located {
    /// The text itself.
    pub text: String,
    /// Counted from 1; 0 when it came from nowhere.
    pub line: u64,
}

impl Serialize for Located {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Located {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<String>::deserialize(deserializer)?;
        Ok(Self { line: spanned.referenced.line(), text: spanned.value })
    }
}

impl Artifact {
    /// Reads and checks a definition; `name` stands for the text in errors.
    pub fn parse(text: &str, name: &str) -> Result<Self, ArtifactError> {
        let fault =
            |line, column, problem| ArtifactError { name: name.to_owned(), line, column, problem };
        if text.len() > DEFINITION_BYTES {
            let problem = format!("larger than {DEFINITION_BYTES} bytes");
            return Err(fault(0, 0, problem));
        }
        let artifact: Self =
            from_yaml(&lenient::normalise(text), name).map_err(|error| match error {
                ConfigError::Syntax { line, column, problem, .. } => fault(line, column, problem),
                other => fault(0, 0, other.to_string()),
            })?;
        check::check(&artifact).map_err(|found| {
            let problem = [found.problem.as_str(), &found.excerpt].join("\n");
            fault(found.line, file_column(text, &found).unwrap_or(0), problem.trim_end().to_owned())
        })?;
        Ok(artifact)
    }

    /// The name under which a source's rows are stored.
    pub fn source_name(&self, source: &Source) -> String {
        if source.name.is_empty() {
            self.name.clone()
        } else {
            format!("{}/{}", self.name, source.name)
        }
    }
}

/// The column in the file of a mistake in a query, whose lines YAML may have indented; `None` where it has folded them.
fn file_column(text: &str, fault: &check::Fault) -> Option<u64> {
    let query_line = fault.excerpt.lines().next()?.get(2..)?;
    let line = text.lines().nth(usize::try_from(fault.line.checked_sub(1)?).ok()?)?;
    let indent = line.get(..line.find(query_line)?)?.chars().count();
    fault.column.checked_add(indent as u64)
}
