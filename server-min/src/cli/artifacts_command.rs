//! `troodon artifacts …`.

use anyhow::{Context, Result};
use clap::{Args, Subcommand};

use crate::artifact::{ArtifactError, Entry, Repository};

use super::collect::{self, Collect};
use super::uploads::{self, Uploads};
use super::{Invocation, print, verify};

#[derive(Debug, Subcommand)]
pub(super) enum ArtifactsCommand {
    /// List the names of all artifacts, or of those that contain a text
    List(List),
    /// Print the definition of an artifact
    Show(Show),
    /// Check definitions: files, or folders with all that is below them
    Verify(verify::Verify),
    /// Run an artifact on a client, wait, and print its rows
    Collect(Collect),
    /// List the files that a collection sent, or copy them out of the server
    Uploads(Uploads),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// A part of the name, in any letter case
    #[arg(value_name = "TEXT", default_value = "")]
    text: String,
    /// Show type and description as well
    #[arg(long, short)]
    details: bool,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// The name or an alias
    name: String,
}

pub(super) fn run(invocation: &Invocation, command: ArtifactsCommand) -> Result<()> {
    match command {
        ArtifactsCommand::List(options) => list(&repository(invocation)?, &options),
        ArtifactsCommand::Show(Show { name }) => show(&repository(invocation)?, &name),
        ArtifactsCommand::Verify(options) => verify::run(invocation, &options),
        ArtifactsCommand::Collect(options) => collect::run(invocation, &options),
        ArtifactsCommand::Uploads(options) => uploads::run(invocation, &options),
    }
}

/// The built-in definitions, and those of the configuration when there is one.
fn repository(invocation: &Invocation) -> Result<Repository> {
    match &invocation.config {
        None => Ok(Repository::built_in()?),
        Some(_) => {
            let (repository, faults) = Repository::of(&invocation.load()?)?;
            report(&faults);
            Ok(repository)
        }
    }
}

fn report(faults: &[ArtifactError]) {
    for fault in faults {
        eprintln!("{fault}");
    }
}

fn list(repository: &Repository, options: &List) -> Result<()> {
    let wanted = options.text.to_lowercase();
    let mut lines = String::new();
    for Entry { artifact, .. } in repository.iter() {
        if !artifact.name.to_lowercase().contains(&wanted) {
            continue;
        }
        if options.details {
            let summary = artifact.description.lines().next().unwrap_or_default();
            lines.push_str(&format!("{:32} {:12} {summary}\n", artifact.name, artifact.kind));
        } else {
            lines.push_str(&format!("{}\n", artifact.name));
        }
    }
    print(&lines)
}

fn show(repository: &Repository, name: &str) -> Result<()> {
    let entry = repository.get(name).with_context(|| {
        format!("there is no artifact `{name}`; `troodon artifacts list` shows all")
    })?;
    print(&entry.text)
}
