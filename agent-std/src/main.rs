//! The agent for Linux.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
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
}

fn main() -> ExitCode {
    let Arguments { config, command } = Arguments::parse();
    let done = match command {
        Command::Client(command) => command.run(config.as_deref()),
        Command::Query(command) => command.run(),
        Command::Vql(command) => command.run(),
        Command::Artifacts(command) => command.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("troodon-agent: {why:#}");
            ExitCode::FAILURE
        }
    }
}
