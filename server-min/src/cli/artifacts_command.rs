//! `troodon artifacts …`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};

use crate::artifact::{
    ArtifactError, Entry, Origin, Repository, powers, references, undeclared, yaml_files,
};
use crate::config::Config;
use crate::model::power::OF_COLLECTING;

use super::collect::{self, Collect};
use super::uploads::{self, Uploads};
use super::{Invocation, print};

#[derive(Debug, Subcommand)]
pub(super) enum ArtifactsCommand {
    /// List the names of all artifacts, or of those that contain a text
    List(List),
    /// Print the definition of an artifact
    Show(Show),
    /// Check definitions: files, or folders with all that is below them
    Verify(Verify),
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

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// Files and folders; without any, what the configuration names
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

pub(super) fn run(invocation: &Invocation, command: ArtifactsCommand) -> Result<()> {
    match command {
        ArtifactsCommand::List(options) => list(&repository(invocation)?, &options),
        ArtifactsCommand::Show(Show { name }) => show(&repository(invocation)?, &name),
        ArtifactsCommand::Verify(Verify { paths }) => verify(invocation, &paths),
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

/// Checks every file, says all that is wrong, and fails when anything is.
fn verify(invocation: &Invocation, paths: &[PathBuf]) -> Result<()> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(yaml_files(path).with_context(|| path.display().to_string())?);
        } else {
            files.push(path.clone());
        }
    }
    if paths.is_empty() {
        let Some(folder) = configured_folder(&invocation.load()?) else {
            bail!(
                "nothing to verify: name files or folders, or set Frontend.artifact_definitions_directory"
            );
        };
        files = yaml_files(&folder).with_context(|| folder.display().to_string())?;
    }
    if files.is_empty() {
        bail!("there is no .yaml file to verify");
    }
    let (repository, faults) = check(&files)?;
    report(&faults);
    print(&powers_of(&repository))?;
    if !faults.is_empty() {
        bail!("{} of {} definitions are wrong", faults.len(), files.len());
    }
    print(&format!("{} definitions are fine\n", files.len()))
}

fn configured_folder(config: &Config) -> Option<PathBuf> {
    let folder = &config.frontend.artifact_definitions_directory;
    (!folder.is_empty()).then(|| PathBuf::from(folder))
}

/// What is wrong with these files: each by itself, and whether what they call exists among them or the built-in ones.
fn check(files: &[PathBuf]) -> Result<(Repository, Vec<ArtifactError>)> {
    let mut repository = Repository::built_in()?;
    let mut faults = Vec::new();
    let mut names = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        match repository.add(&text, &file.display().to_string(), Origin::File(file.clone())) {
            Ok(name) => drop(names.insert(name)),
            Err(fault) => faults.push(fault),
        }
    }
    for entry in names.iter().filter_map(|name| repository.get(name)) {
        faults.extend(dangling(&repository, entry));
    }
    Ok((repository, faults))
}

/// A line for each definition that can do more than looking at a machine: what, and whether it says so itself.
fn powers_of(repository: &Repository) -> String {
    let mut lines = String::new();
    for entry in repository.iter().filter(|entry| matches!(entry.origin, Origin::File(_))) {
        let beyond = undeclared(repository, &entry.artifact);
        for (permission, reason) in powers(repository, &entry.artifact) {
            let name = &entry.artifact.name;
            if beyond.contains_key(&permission) {
                lines.push_str(&format!("{name}: {permission} by {reason}, not declared\n"));
            } else if !OF_COLLECTING.has(permission) {
                lines.push_str(&format!("{name}: {permission} by {reason}\n"));
            }
        }
    }
    lines
}

fn dangling(repository: &Repository, entry: &Entry) -> Vec<ArtifactError> {
    let Origin::File(file) = &entry.origin else { return Vec::new() };
    let calls = references(&entry.text).into_iter().chain(entry.artifact.imports.iter().cloned());
    let missing = calls.filter(|name| repository.get(name).is_none());
    missing.map(|name| missing_reference(file, &entry.text, &name)).collect()
}

fn missing_reference(file: &Path, text: &str, name: &str) -> ArtifactError {
    let line = text.lines().position(|line| line.contains(name)).map_or(0, |at| at as u64 + 1);
    ArtifactError {
        name: file.display().to_string(),
        line,
        column: 0,
        problem: format!("there is no artifact `{name}`"),
    }
}
