//! `troodon vql …`: what queries on the server can use.

use anyhow::{Context, Result};
use clap::Subcommand;
use troodon_vql::reference;

use super::print;
use crate::config::Config;
use crate::query;

#[derive(Debug, Subcommand)]
pub(super) enum VqlCommand {
    /// List plugins, functions and accessors; `troodon-agent vql list` has those of the agent
    List {
        /// A part of the name, in any letter case
        #[arg(value_name = "TEXT", default_value = "")]
        text: String,
    },
    /// Explain a plugin or function: what it does, its arguments, the permissions it needs
    Show {
        /// Its name
        name: String,
    },
}

pub(super) fn run(command: VqlCommand) -> Result<()> {
    let registry = query::registry(&Config::default())?;
    match command {
        VqlCommand::List { text } => print(&reference::list(&registry, &text)),
        VqlCommand::Show { name } => {
            let text = reference::show(&registry, &name).with_context(|| {
                format!("no plugin or function is called `{name}`; `troodon vql list` shows all")
            })?;
            print(&text)
        }
    }
}
