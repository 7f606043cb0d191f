//! Set-up, demo, test, fuzz, sizes, bench, tidy: what CI calls, and nothing else.
//!
//! `cargo xtask --help` lists the tasks. Each prints one line per step; what a step prints itself is shown as it is.

mod bench;
mod build;
mod demo;
mod fuzz;
mod interop;
mod package;
mod setup;
mod sizes;
mod step;
mod swarm;
mod test;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Works on the project: set-up, demo, test, fuzz, sizes, bench, tidy.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build all, start a throw-away deployment, collect from its agent and print the rows
    Demo(demo::Arguments),
    /// Run every test; installs what is missing with rustup and apt
    Test(test::Arguments),
    /// Run all fuzz targets for some minutes, with libFuzzer if it is there
    Fuzz(fuzz::Arguments),
    /// Print how fast queries run, beside Velociraptor if VELOCIRAPTOR_BIN names it, or what a board's work costs
    Bench(bench::Arguments),
    /// Run one query and print what it takes; `bench` uses it
    #[command(hide = true)]
    Measure {
        /// The program
        program: PathBuf,
        /// The query
        text: String,
    },
    /// Print sizes of binaries and memory of idle processes, and fail over the budget
    Sizes,
    /// Run many agents in one process against a server, which is killed in the middle, and print what both took
    Swarm(swarm::Arguments),
    /// Build packages for Debian and its kin, and the programs alone, into target/package
    Package,
    /// Check what the compiler does not: module docs, forbidden words, file lengths
    Tidy,
    /// Run agent and server against a real Velociraptor named by VELOCIRAPTOR_BIN
    Interop(interop::Arguments),
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::Demo(arguments) => demo::run(&arguments),
        Task::Test(arguments) => test::run(&arguments),
        Task::Fuzz(arguments) => fuzz::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Measure { program, text } => bench::measure(&program, &text),
        Task::Sizes => sizes::run(),
        Task::Swarm(arguments) => swarm::run(&arguments),
        Task::Package => package::run(),
        Task::Tidy => tidy::run(),
        Task::Interop(arguments) => interop::run(&arguments),
    }
}
