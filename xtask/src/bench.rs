//! How fast queries run, beside Velociraptor on the same machine and the same data, and what a board's work costs.
//!
//! For queries both programs run `query` on the same text. Each runs several times; the least time and the least memory of its
//! runs count. A row that differs between both is an error, so a ratio always compares the same work.

mod board;
mod data;
mod measure;
mod workload;

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};

use crate::{build, setup};
use data::Data;
use measure::Cost;
use workload::Workload;

pub use measure::{Measured, measure};

/// What to measure.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Queries of the agent, and of the program that VELOCIRAPTOR_BIN names
    Vql(Vql),
    /// The work of the emulated boards, in instructions; with the programs in TROODON_BIN_DIR, or built for release
    Board,
}

#[derive(Args)]
struct Vql {
    /// How often each query runs; the best run counts
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// Only workloads whose name contains this
    #[arg(long, default_value = "")]
    only: String,
    /// The folder for the data (1.3 GB), which stay there; a temporary one if not given
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// The agent to measure; built for release if not given
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
}

/// Prints the table.
pub fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.what {
        What::Vql(vql) => queries(vql),
        What::Board => board::run(),
    }
}

fn queries(vql: &Vql) -> Result<()> {
    ensure!(vql.runs > 0, "--runs must be 1 at least");
    let agent = match &vql.agent {
        Some(agent) => agent.clone(),
        None => {
            setup::install()?;
            build::fast_agent()?
        }
    };
    let peer = env::var_os("VELOCIRAPTOR_BIN").map(PathBuf::from);
    if peer.is_none() {
        eprintln!("VELOCIRAPTOR_BIN is not set: only our own figures");
    }
    let data = Data::make(vql.data.as_deref())?;
    println!("{}", Line::HEADER);
    for workload in workload::ALL.iter().filter(|one| one.name.contains(&vql.only)) {
        println!("{}", compare(workload, &data, &agent, peer.as_deref(), vql.runs)?);
    }
    println!("{FOOTER}");
    Ok(())
}

const FOOTER: &str = "\nwall and CPU (user and system) in seconds, memory (peak resident) in MiB; start-up included. \
                      x: how many times less we take.";

fn compare(
    workload: &Workload,
    data: &Data,
    agent: &Path,
    peer: Option<&Path>,
    runs: u32,
) -> Result<Line> {
    let text = workload.text(data);
    let ours = best(agent, &text, runs)?;
    let theirs = peer.map(|peer| best(peer, &text, runs)).transpose()?;
    if let Some(theirs) = &theirs {
        let (name, ours, theirs) = (workload.name, &ours.rows, &theirs.rows);
        ensure!(ours == theirs, "{name}: the rows differ\nours:   {ours:?}\ntheirs: {theirs:?}");
    }
    Ok(Line { name: workload.name, ours: ours.cost, theirs: theirs.map(|theirs| theirs.cost) })
}

fn best(program: &Path, text: &str, runs: u32) -> Result<Measured> {
    let run = || Measured::of(program, text).with_context(|| format!("{}", program.display()));
    let mut best = run()?;
    for _ in 1..runs {
        best.cost = best.cost.least(run()?.cost);
    }
    Ok(best)
}

/// One line of the table.
struct Line {
    name: &'static str,
    ours: Cost,
    theirs: Option<Cost>,
}

impl Line {
    const HEADER: &str = "| workload | wall | CPU | MiB | theirs: wall | CPU | MiB | x wall | x CPU | x memory |\n\
                          |---|---|---|---|---|---|---|---|---|---|";
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, ours, theirs } = self;
        write!(f, "| {name} | {:.2} | {:.2} | {:.1} |", ours.wall, ours.cpu, ours.mebibytes)?;
        let Some(theirs) = theirs else { return f.write_str(" | | | | | |") };
        write!(f, " {:.2} | {:.2} | {:.1} |", theirs.wall, theirs.cpu, theirs.mebibytes)?;
        let memory = theirs.mebibytes / ours.mebibytes;
        write!(f, " {:.1} | {:.1} | {memory:.1} |", theirs.wall / ours.wall, theirs.cpu / ours.cpu)
    }
}
