//! Notebooks: cells of text and of queries, made by one person and shared with those whom it names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::id::{NameFault, shortened, unique};
use crate::limits;

/// The id of a notebook: `N.` and letters and digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct NotebookId(Box<str>);

impl NotebookId {
    /// A fresh id: the time in seconds and 4 random bytes.
    #[must_use]
    pub fn generate(unix_seconds: u64, random: [u8; 4]) -> Self {
        Self(format!("N.{}", unique(unix_seconds, random)).into())
    }

    /// The text as people see it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NotebookId {
    type Err = NameFault;

    fn from_str(text: &str) -> Result<Self, NameFault> {
        let rest = text.strip_prefix("N.").unwrap_or_default();
        let fits = !rest.is_empty() && text.len() <= limits::HUNT_ID_BYTES;
        if fits && rest.bytes().all(|b| b.is_ascii_alphanumeric()) {
            Ok(Self(text.into()))
        } else {
            Err(NameFault::Notebook(shortened(text)))
        }
    }
}

impl fmt::Display for NotebookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A notebook without its cells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notebook {
    /// Its id.
    #[serde(rename = "notebook_id")]
    pub id: NotebookId,
    /// For people.
    pub name: String,
    /// For people.
    pub description: String,
    /// Who made it; only they share and delete it.
    pub creator: String,
    /// Who else may read and change it.
    pub collaborators: Vec<String>,
    /// Microseconds since 1970.
    pub created_us: u64,
    /// Microseconds since 1970.
    pub changed_us: u64,
    /// Statements that go before each query: the parameters of the template.
    #[serde(skip)]
    pub preamble: String,
}

impl Notebook {
    /// Whether somebody is named as its creator or as one of those with whom it is shared.
    #[must_use]
    pub fn is_of(&self, user: &str) -> bool {
        let named = |name: &String| name.eq_ignore_ascii_case(user);
        named(&self.creator) || self.collaborators.iter().any(named)
    }
}

/// What a cell holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CellKind {
    /// A text for people.
    Markdown,
    /// A query.
    Vql,
}

impl CellKind {
    /// The name in the store and in the output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Markdown => "markdown",
            Self::Vql => "vql",
        }
    }

    /// The kind of a name, also of those that templates have.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "md" | "markdown" => Some(Self::Markdown),
            "vql" => Some(Self::Vql),
            _ => None,
        }
    }
}

/// How far the query of a cell is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CellState {
    /// It has not run since it was last changed.
    Fresh,
    /// It runs.
    Running,
    /// It has ended.
    Done,
    /// A limit was reached, or it does not parse.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}

impl CellState {
    const ALL: [Self; 5] = [Self::Fresh, Self::Running, Self::Done, Self::Failed, Self::Cancelled];

    /// The name in the store and in the output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// One cell, without its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// Its number; cells of a notebook are in the order of `position`.
    #[serde(rename = "cell_id")]
    pub number: i64,
    /// Where it stands.
    #[serde(skip)]
    pub position: i64,
    /// What it holds.
    #[serde(rename = "type")]
    pub kind: CellKind,
    /// The text or the query.
    pub input: String,
    /// How far the query is.
    pub state: CellState,
    /// Who ran it last; the rows are what this person may see.
    pub runner: String,
    /// When, in microseconds since 1970.
    pub ran_us: u64,
    /// Rows of the last run.
    pub rows: u64,
    /// Why it failed.
    pub failure: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notebook_is_its_creator_s_and_of_those_with_whom_it_is_shared() {
        let notebook = Notebook {
            id: NotebookId::generate(1, [0; 4]),
            name: String::new(),
            description: String::new(),
            creator: "Ann".into(),
            collaborators: vec!["ben".into()],
            created_us: 0,
            changed_us: 0,
            preamble: String::new(),
        };
        assert!(notebook.is_of("ann") && notebook.is_of("BEN") && !notebook.is_of("eve"));
    }

    #[test]
    fn only_ids_of_notebooks_are_ids_of_notebooks() {
        let id = NotebookId::generate(1_700_000_000, [1, 2, 3, 4]);
        assert_eq!(id.as_str().parse::<NotebookId>().unwrap(), id);
        for bad in ["", "N.", "N.a/b", "H.ABC", "N.ä"] {
            assert!(bad.parse::<NotebookId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn kinds_and_states_are_found_by_their_names() {
        for (name, kind) in [
            ("md", Some(CellKind::Markdown)),
            ("Markdown", Some(CellKind::Markdown)),
            ("VQL", Some(CellKind::Vql)),
            ("", None),
        ] {
            assert_eq!(CellKind::named(name), kind, "{name}");
        }
        assert_eq!([CellKind::Markdown, CellKind::Vql].map(CellKind::name), ["markdown", "vql"]);
        let names = ["fresh", "running", "done", "failed", "cancelled"];
        assert_eq!(CellState::ALL.map(CellState::name), names);
        for (state, name) in CellState::ALL.into_iter().zip(names) {
            assert_eq!(CellState::named(name), Some(state));
        }
        assert_eq!(CellState::named("Done"), None);
        let id: NotebookId = "N.A1".parse().unwrap();
        assert_eq!(id.to_string(), "N.A1");
    }
}
