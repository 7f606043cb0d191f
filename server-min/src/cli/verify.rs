//! `troodon artifacts verify`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::{Invocation, print};
use crate::artifact::{
    ArtifactError, Entry, Origin, Repository, missing, powers, references, undeclared, yaml_files,
};
use crate::config::Config;
use crate::model::power::OF_COLLECTING;
use crate::names::{Host, Names};

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// Files and folders; without any, what the configuration names
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// What was found in a set of files.
struct Findings {
    /// Definitions that are wrong, wherever they run.
    faults: Vec<ArtifactError>,
    /// For each artifact whose queries call what is not there: its name, where it runs, and what is missing.
    missing: Vec<[String; 3]>,
    /// What the definitions can do beyond looking at a machine.
    powers: String,
}

/// Checks every file, says all that is wrong and all that is missing, and fails when anything is.
pub(super) fn run(invocation: &Invocation, options: &Verify) -> Result<()> {
    let files = files(invocation, &options.paths)?;
    if files.is_empty() {
        bail!("there is no .yaml file to verify");
    }
    let Findings { faults, missing, powers } = check(&files)?;
    for fault in &faults {
        eprintln!("{fault}");
    }
    print(&powers)?;
    if !missing.is_empty() {
        print(&table(&missing))?;
    }
    let all = files.len();
    match (faults.len(), missing.len()) {
        (0, 0) => print(&format!("{all} definitions are fine\n")),
        (wrong, 0) => bail!("{wrong} of {all} definitions are wrong"),
        (0, lacking) => bail!("{lacking} of {all} definitions call what is not there"),
        (wrong, lacking) => {
            bail!("{wrong} of {all} definitions are wrong, and {lacking} call what is not there")
        }
    }
}

fn files(invocation: &Invocation, paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
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
    Ok(files)
}

fn configured_folder(config: &Config) -> Option<PathBuf> {
    let folder = &config.frontend.artifact_definitions_directory;
    (!folder.is_empty()).then(|| PathBuf::from(folder))
}

/// Checks each file by itself, and whether what they call exists: artifacts among them or the built-in ones, names on the
/// host where they run.
fn check(files: &[PathBuf]) -> Result<Findings> {
    let mut repository = Repository::built_in()?;
    let mut findings = Findings { faults: Vec::new(), missing: Vec::new(), powers: String::new() };
    let mut names = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        match repository.add(&text, &file.display().to_string(), Origin::File(file.clone())) {
            Ok(name) => drop(names.insert(name)),
            Err(fault) => findings.faults.push(fault),
        }
    }
    let (agent, server) = (Names::of(Host::Agent)?, Names::of(Host::Server)?);
    for entry in names.iter().filter_map(|name| repository.get(name)) {
        findings.faults.extend(dangling(&repository, entry));
        let host = Host::of(entry.artifact.kind);
        let offered = if host == Host::Agent { &agent } else { &server };
        let missing = missing(&entry.artifact, &repository, offered);
        if !missing.is_empty() {
            let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
            let row = [entry.artifact.name.clone(), host.name().to_owned(), missing.join(", ")];
            findings.missing.push(row);
        }
    }
    findings.powers = powers_of(&repository);
    Ok(findings)
}

/// Rows below headings, in columns.
fn table(rows: &[[String; 3]]) -> String {
    let width = rows.iter().map(|[name, ..]| name.chars().count()).max().unwrap_or(0).max(8);
    let mut text = format!("{:width$}  runs on  missing\n", "artifact");
    for [name, host, missing] in rows {
        text.push_str(&format!("{name:width$}  {host:7}  {missing}\n"));
    }
    text
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
