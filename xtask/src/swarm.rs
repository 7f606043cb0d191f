//! What a server bears: many agents in one process, a hunt over all, and what it took.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use hil_tests::{Make, Programs, Swarm};

use crate::{build, interop, step};

/// How large, and against whom.
#[derive(Args)]
pub struct Arguments {
    /// How many agents
    #[arg(long, default_value_t = 200)]
    clients: usize,
    /// Rows that the hunt brings from each
    #[arg(long, default_value_t = 100)]
    rows: usize,
    /// Agents that start in a second
    #[arg(long, default_value_t = 50)]
    rate: u32,
    /// Seconds between two outages of an agent, on average; 0: none
    #[arg(long, default_value_t = 60)]
    outage_every: u64,
    /// Let the server live
    #[arg(long)]
    gentle: bool,
    /// Begin the hunt when all agents are connected and idle
    #[arg(long)]
    idle: bool,
    /// Against a real server, the one that VELOCIRAPTOR_BIN names
    #[arg(long)]
    peer: bool,
    /// Take `troodon`, `troodon-agent` and `troodon-swarm` from this folder instead of building them
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
    /// Seconds that all of it may take
    #[arg(long, default_value_t = 1800)]
    seconds: u64,
}

/// Runs the swarm and prints the report.
pub fn run(arguments: &Arguments) -> Result<()> {
    let folder = match &arguments.programs {
        Some(folder) => folder.clone(),
        None => built()?,
    };
    let mut programs = Programs::within(&folder)?;
    if arguments.peer {
        programs.server = interop::peer().context("VELOCIRAPTOR_BIN names no program")?;
        programs.served_by = Make::Velociraptor;
    }
    let keys = step::root().join("target/swarm-keys");
    let swarm = Swarm {
        rows: arguments.rows,
        rate: arguments.rate,
        outage_every: arguments.outage_every,
        kill: !arguments.gentle,
        idle: arguments.idle,
        limit: Duration::from_secs(arguments.seconds),
        ..Swarm::new(&folder.join("troodon-swarm"), &keys, arguments.clients)
    };
    eprintln!("==> {} agents join a hunt for {} rows each", swarm.clients, swarm.rows);
    let report = swarm.run(&programs)?;
    println!("{}", serde_json::to_string_pretty(&report.summary)?);
    if let Some(idle) = report.idle_kib {
        println!("server with {} idle agents: {} MiB", swarm.clients, idle / 1024);
    }
    let (now, most) = report.server_kib;
    println!(
        "{} rows of the hunt once each after {} s; server: {} MiB at the end, {} MiB at most, {:.1} s of processor",
        report.rows.0,
        report.hunt_took.as_secs(),
        now / 1024,
        most / 1024,
        report.server_cpu.as_secs_f32(),
    );
    Ok(())
}

fn built() -> Result<PathBuf> {
    build::programs()?;
    let swarm = ["build", "--package", "troodon-swarm", "--release"];
    step::run("build the swarm", &mut step::cargo(swarm))?;
    let (folder, root) = (step::root().join("target/demo"), step::root().join("target/release"));
    std::fs::copy(root.join("troodon-swarm"), folder.join("troodon-swarm"))?;
    Ok(folder)
}
