//! The agent for Linux.

use std::path::PathBuf;
use std::process::ExitCode;

#[cfg(feature = "docs")]
use anyhow::Context as _;
#[cfg(feature = "docs")]
use clap::CommandFactory as _;
use clap::{Parser, Subcommand};
#[cfg(feature = "docs")]
use std::io::Write as _;
use troodon_agent::client::ClientCommand;
use troodon_agent::command::{ArtifactsCommand, QueryCommand, VqlCommand};

/// Troodon: an endpoint agent that answers VQL
#[derive(Debug, Parser)]
#[command(name = "troodon-agent", version)]
struct Arguments {
    /// The client configuration that `troodon config client` wrote
    #[arg(long, value_name = "FILE", env = "TROODON_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Enrol with the server and answer its queries until SIGTERM or SIGINT
    Client(ClientCommand),
    /// Run VQL on this machine
    Query(QueryCommand),
    /// Explain what queries on this machine can use
    #[command(subcommand)]
    Vql(VqlCommand),
    /// List, show and collect artifacts on this machine
    Artifacts(ArtifactsCommand),
    /// Print what a shell needs to complete command lines
    #[cfg(feature = "docs")]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages
    #[cfg(feature = "docs")]
    Manual {
        /// An existing folder
        folder: PathBuf,
    },
}

fn main() -> ExitCode {
    let Arguments { config, command } = Arguments::parse();
    let done = match command {
        Command::Client(command) => command.run(config.as_deref()),
        Command::Query(command) => command.run(),
        Command::Vql(command) => command.run(),
        Command::Artifacts(command) => command.run(),
        #[cfg(feature = "docs")]
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "troodon-agent", &mut text);
            std::io::stdout().write_all(&text).context("the standard output cannot be written")
        }
        #[cfg(feature = "docs")]
        Command::Manual { folder } => clap_mangen::generate_to(Arguments::command(), &folder)
            .with_context(|| folder.display().to_string()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("troodon-agent: {why:#}");
            ExitCode::FAILURE
        }
    }
}
