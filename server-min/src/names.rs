//! The names that queries can use: on this server, and on agents for Linux.
//!
//! What agents offer is a file that a test of the agent keeps up to date, since both programs are built apart.

use serde::Deserialize;
use troodon_vql::syntax::calls::Callee;
use troodon_vql::{Registry, reference, standard};

use crate::artifact::ArtifactType;
use crate::config::{Config, ConfigError};
use crate::query;

/// Those of agents for Linux, as JSON. Written by a test: `UPDATE=1 cargo test -p troodon-agent --test names`.
pub const AGENT: &str = include_str!("names/agent.json");

/// Why there is no list of names.
#[derive(Debug, thiserror::Error)]
pub enum NamesError {
    /// The server's own table cannot be made.
    #[error(transparent)]
    Registry(#[from] ConfigError),
    /// The list is damaged.
    #[error("the list of names is not as it should be: {0}")]
    Json(#[from] serde_json::Error),
}

/// A plugin, function or accessor.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Name {
    /// The table that it stands in.
    pub kind: Kind,
    /// As queries write it.
    pub name: String,
    /// What it does.
    #[serde(default)]
    pub doc: String,
    /// What it takes.
    #[serde(default)]
    pub arguments: Vec<Argument>,
    /// It takes arguments of any name besides.
    #[serde(default)]
    pub takes_others: bool,
    /// All of them are needed.
    pub permissions: Vec<String>,
}

/// The tables of names.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// What follows FROM.
    Plugin,
    /// What stands in an expression.
    Function,
    /// What opens paths.
    Accessor,
}

impl From<Callee> for Kind {
    fn from(callee: Callee) -> Self {
        match callee {
            Callee::Plugin => Self::Plugin,
            Callee::Function => Self::Function,
            Callee::Accessor => Self::Accessor,
        }
    }
}

/// One argument.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Argument {
    /// As queries write it.
    pub name: String,
    /// What is accepted.
    #[serde(rename = "type")]
    pub kind: String,
    /// A call without it fails.
    pub required: bool,
    /// What it is for, with its default.
    pub doc: String,
}

/// Where queries run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// On an agent for Linux.
    Agent,
    /// On this server.
    Server,
    /// On a microcontroller, which adds names of its own.
    Board,
}

impl Host {
    /// Where the queries of an artifact of this type run.
    pub fn of(kind: ArtifactType) -> Self {
        match kind {
            ArtifactType::Client | ArtifactType::ClientEvent => Self::Agent,
            _ => Self::Server,
        }
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Server => "server",
            Self::Board => "board",
        }
    }
}

/// All names of a host.
#[derive(Debug)]
pub struct Names(Vec<Name>);

impl Names {
    /// What a host offers when no configuration takes names away.
    ///
    /// # Errors
    /// [`NamesError`]; neither happens in a program that passes its tests.
    pub fn of(host: Host) -> Result<Self, NamesError> {
        Ok(Self(match host {
            Host::Agent => serde_json::from_str(AGENT)?,
            Host::Server => {
                serde_json::from_str(&reference::json(&query::registry(&Config::default())?))?
            }
            Host::Board => serde_json::from_str(&reference::json(&board()))?,
        }))
    }

    /// The entry of a name.
    pub fn find(&self, kind: Kind, name: &str) -> Option<&Name> {
        self.0.iter().find(|one| one.kind == kind && one.name == name)
    }

    /// All of a kind in alphabetical order.
    pub fn all(&self, kind: Kind) -> impl Iterator<Item = &Name> {
        self.0.iter().filter(move |one| one.kind == kind)
    }
}

/// What boards have in common.
fn board() -> Registry {
    let mut registry = Registry::core();
    standard::add_values(&mut registry);
    standard::add_files(&mut registry);
    registry
}
