//! `troodon vql …`: what queries on the server can use.

use anyhow::{Context, Result};
use clap::{Subcommand, ValueEnum};
use troodon_vql::reference;

use super::print;
use crate::config::Config;
use crate::query;

#[derive(Debug, Subcommand)]
pub(super) enum VqlCommand {
    /// List plugins, functions and accessors; `troodon-agent vql list` has those of the agent
    List {
        /// A part of the name, in any letter case
        #[arg(value_name = "TEXT", default_value = "", conflicts_with = "format")]
        text: String,
        /// Print all with their arguments, for programs
        #[arg(long, value_enum)]
        format: Option<ListFormat>,
    },
    /// Explain a plugin or function: what it does, its arguments, the permissions it needs
    Show {
        /// Its name
        name: String,
    },
}

/// How a list of names is printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum ListFormat {
    /// A list in JSON, a line for each name
    Json,
}

pub(super) fn run(command: VqlCommand) -> Result<()> {
    let registry = query::registry(&Config::default())?;
    match command {
        VqlCommand::List { format: Some(ListFormat::Json), .. } => {
            print(&reference::json(&registry))
        }
        VqlCommand::List { text, format: None } => print(&reference::list(&registry, &text)),
        VqlCommand::Show { name } => {
            let text = reference::show(&registry, &name).with_context(|| {
                format!("no plugin or function is called `{name}`; `troodon vql list` shows all")
            })?;
            print(&text)
        }
    }
}
