//! `troodon artifacts …`.

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::artifact::{ArtifactError, Entry, Repository};
use crate::basic;
use crate::model::door::Door;

use super::collect::{self, Collect};
use super::console::Console;
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
    /// Say which artifacts are basic: who has COLLECT_BASIC may collect those, whatever they require
    #[command(subcommand)]
    Basic(Basic),
    /// Run an artifact on a client or on the server, wait, and print its rows
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

#[derive(Debug, Subcommand)]
pub(super) enum Basic {
    /// Mark one: takes ARTIFACT_WRITER, and all that collecting it takes, since that is given away
    Set(Marked),
    /// Take the mark away
    Clear(Marked),
    /// List those that are marked
    List,
}

#[derive(Debug, Args)]
pub(super) struct Marked {
    /// A CLIENT artifact
    name: String,
}

pub(super) fn run(invocation: &Invocation, command: ArtifactsCommand) -> Result<()> {
    match command {
        ArtifactsCommand::List(options) => list(&repository(invocation)?, &options),
        ArtifactsCommand::Show(Show { name }) => show(&repository(invocation)?, &name),
        ArtifactsCommand::Verify(options) => verify::run(invocation, &options),
        ArtifactsCommand::Basic(options) => basic(invocation, &options),
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

fn basic(invocation: &Invocation, command: &Basic) -> Result<()> {
    let console = Console::open(invocation)?;
    let mark =
        |name, is_basic| Ok(basic::mark(&console.actor(), &console.launcher, name, is_basic)?);
    match command {
        Basic::Set(Marked { name }) => mark(name, true),
        Basic::Clear(Marked { name }) => mark(name, false),
        Basic::List => {
            console.enter(Door::ShowArtifacts, json!({"basic": true}))?;
            let marked = basic::marked(&console.store)?;
            print(&marked.iter().map(|name| format!("{name}\n")).collect::<String>())
        }
    }
}
