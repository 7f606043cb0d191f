//! The commands that need no server: `query` and `artifacts`.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use troodon_vql::syntax::{parse_program, reformat};
use troodon_vql::{RowBuilder, reference};

use crate::artifact::{self, Artifact, ArtifactFault};
use crate::local::{self, Local};
use crate::output::{Format, Printer};
use crate::plugin;

/// `query`: runs VQL on this machine.
#[derive(Debug, Args)]
pub struct QueryCommand {
    /// The statements; the rows of each are printed
    #[arg(required = true)]
    vql: Vec<String>,
    #[command(flatten)]
    output: OutputOptions,
    /// The folder with YAML files of artifacts that the query may call
    #[arg(long, value_name = "FOLDER")]
    definitions: Option<PathBuf>,
    /// A variable for the query
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,
    /// Print the statements in a clear layout, and run nothing
    #[arg(long)]
    reformat: bool,
}

/// How rows and uploads leave.
#[derive(Debug, Args)]
pub struct OutputOptions {
    /// How to print rows
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Where upload() puts files; without it nothing is uploaded
    #[arg(long, value_name = "FOLDER")]
    upload_dir: Option<PathBuf>,
}

/// `artifacts`: lists, shows and collects artifacts on this machine.
#[derive(Debug, Args)]
pub struct ArtifactsCommand {
    /// The folder with YAML files of artifacts
    #[arg(long, value_name = "FOLDER", global = true)]
    definitions: Option<PathBuf>,
    #[command(subcommand)]
    action: ArtifactsAction,
}

#[derive(Debug, Subcommand)]
enum ArtifactsAction {
    /// Print the names of all artifacts
    List,
    /// Print one artifact: what it is for, what it takes, its queries
    Show {
        /// Its name
        name: String,
    },
    /// Run the queries of one artifact and print their rows
    Collect {
        /// Its name
        name: String,
        /// A value for a parameter
        #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
        args: Vec<(String, String)>,
        #[command(flatten)]
        output: OutputOptions,
    },
}

/// `vql`: explains what queries on this machine can use.
#[derive(Debug, Subcommand)]
pub enum VqlCommand {
    /// List plugins, functions and accessors
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
pub enum ListFormat {
    /// A list in JSON, a line for each name
    Json,
}

impl VqlCommand {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// What to tell the user.
    pub fn run(self) -> Result<()> {
        let registry = plugin::registry();
        let text = match self {
            Self::List { format: Some(ListFormat::Json), .. } => reference::json(&registry),
            Self::List { text, format: None } => reference::list(&registry, &text),
            Self::Show { name } => reference::show(&registry, &name).with_context(|| {
                format!(
                    "no plugin or function is called `{name}`; `troodon-agent vql list` shows all"
                )
            })?,
        };
        io::stdout().write_all(text.as_bytes()).context("writing")
    }
}

impl QueryCommand {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// What to tell the user.
    pub fn run(self) -> Result<()> {
        if self.reformat {
            let text = reformat(&self.vql.join("\n"))?;
            return io::stdout().write_all(text.as_bytes()).context("writing");
        }
        let artifacts = self.definitions.as_deref().map(artifact::load).transpose()?;
        let local = Local::new(&artifacts.unwrap_or_default(), self.output.upload_dir)?;
        let mut session = local.session();
        for (name, value) in self.env {
            session.set(name, value);
        }
        let mut printer = Printer::new(BufWriter::new(io::stdout().lock()), self.output.format);
        for text in &self.vql {
            local::run(&mut session, text, &mut printer)?;
        }
        finish(printer)
    }
}

impl ArtifactsCommand {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// What to tell the user.
    pub fn run(self) -> Result<()> {
        let Some(folder) = self.definitions else {
            bail!("say with --definitions FOLDER where the artifacts are");
        };
        let artifacts = artifact::load(&folder)?;
        match self.action {
            ArtifactsAction::List => list(&artifacts),
            ArtifactsAction::Show { name } => show(artifact::find(&artifacts, &name)?),
            ArtifactsAction::Collect { name, args, output } => {
                collect(&artifacts, &name, &args, output)
            }
        }
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn finish<W: Write>(printer: Printer<W>) -> Result<()> {
    printer.finish().context("writing rows")
}

fn list(artifacts: &[Artifact]) -> Result<()> {
    let mut out = io::stdout().lock();
    for artifact in artifacts {
        writeln!(out, "{}", artifact.name)?;
    }
    Ok(())
}

fn show(artifact: &Artifact) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}\n\n{}", artifact.name, artifact.description.trim_end())?;
    for parameter in &artifact.parameters {
        let kind = if parameter.kind.is_empty() { "string" } else { &parameter.kind };
        let default = parameter.default_text();
        let description = parameter.description.trim_end();
        writeln!(out, "\n{} ({kind}, default {default:?})\n  {description}", parameter.name)?;
    }
    for source in &artifact.sources {
        writeln!(out, "\n-- {}\n{}", source.name, source.statements().trim_end())?;
    }
    Ok(())
}

/// Runs all sources whose preconditions are met.
fn collect(
    artifacts: &[Artifact],
    name: &str,
    args: &[(String, String)],
    output: OutputOptions,
) -> Result<()> {
    let artifact = artifact::find(artifacts, name)?;
    let takes = |name: &str| artifact.parameters.iter().any(|parameter| parameter.name == name);
    if let Some((unknown, _)) = args.iter().find(|(name, _)| !takes(name)) {
        return Err(ArtifactFault::UnknownParameter(name.to_owned(), unknown.clone()).into());
    }
    for source in &artifact.sources {
        // By itself first, so that a mistake is shown at its place in this text.
        parse_program(&source.statements())
            .with_context(|| format!("{name}: source `{}`", source.name))?;
    }
    let mut session = Local::new(artifacts, output.upload_dir)?.session();
    let mut given = RowBuilder::new();
    for (name, value) in args {
        given.set(name.as_str(), value.as_str());
    }
    session.set("Given", given.build());
    let text = format!("SELECT * FROM Artifact.{name}(`**`=Given, preconditions=TRUE)");
    let mut printer = Printer::new(BufWriter::new(io::stdout().lock()), output.format);
    local::run(&mut session, &text, &mut printer)?;
    finish(printer)
}
