//! Artifacts: named, parametrised queries in YAML (docs/artifacts.md).
//!
//! A definition is read strictly: an unknown key is an error with line and column, and so is a query that does not
//! parse. What came through [`Artifact::parse`] can be compiled by [`crate::launcher`].

mod builtin;
mod calls;
mod check;
mod definition;
mod inference;
mod lenient;
mod missing;
mod repository;
mod vql;

pub use definition::{
    Artifact, ArtifactType, ColumnType, Located, NotebookCell, Parameter, Resources, Source, Tool,
};
pub use inference::{Reason, powers, undeclared};
pub use missing::{Missing, missing};
pub use repository::{Entry, Origin, Repository, yaml_files};
pub use vql::{Statement, VqlFault, references, statements};

/// What is wrong with a definition, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}:{line}:{column}: {problem}")]
pub struct ArtifactError {
    /// The file, or what else the text came from.
    pub name: String,
    /// Counted from 1; 0 when unknown.
    pub line: u64,
    /// Counted from 1; 0 when unknown.
    pub column: u64,
    /// What is wrong.
    pub problem: String,
}
