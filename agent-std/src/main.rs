//! The agent for Linux.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use troodon_agent::command::{ArtifactsCommand, QueryCommand};

/// Troodon: an endpoint agent that answers VQL
#[derive(Debug, Parser)]
#[command(name = "troodon-agent", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run VQL on this machine
    Query(QueryCommand),
    /// List, show and collect artifacts on this machine
    Artifacts(ArtifactsCommand),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Query(command) => command.run(),
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
