//! Builds the programs as they are shipped: static, stripped.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use hil_tests::{Programs, without_folders};

use crate::setup::MUSL_TARGET;
use crate::step;

/// What makes the small agent smaller: equal runs of instructions become functions, and unwind tables, which nothing reads
/// where a panic aborts, are left out.
const SMALL_FLAGS: [&str; 3] =
    ["-C", "llvm-args=-enable-machine-outliner=always", "-Clink-arg=-Wl,-T,agent-std/no-unwind.ld"];

/// Builds server and small agent and puts them side by side into `target/demo`.
pub fn programs() -> Result<Programs> {
    let server = server()?;
    let agent = small_agent()?;
    let folder = step::root().join("target/demo");
    fs::create_dir_all(&folder)?;
    for program in [server, agent] {
        let name = program.file_name().context("a program has a name")?;
        fs::copy(&program, folder.join(name)).with_context(|| format!("{}", program.display()))?;
    }
    Programs::within(&folder)
}

/// Builds the agent for speed instead of size, with every parser.
pub fn fast_agent() -> Result<PathBuf> {
    build("the agent", "troodon-agent", "troodon-agent", "release")
}

/// Builds the server.
pub fn server() -> Result<PathBuf> {
    build("the server", "troodon-server", "troodon", "server")
}

fn build(what: &str, package: &str, program: &str, profile: &str) -> Result<PathBuf> {
    let arguments = ["build", "--package", package, "--profile", profile, "--target", MUSL_TARGET];
    step::run(&format!("build {what}"), &mut step::cargo(arguments))?;
    Ok(output(profile, program))
}

/// The agent for routers and appliances: without the larger parsers, and with every byte counted.
fn small_agent() -> Result<PathBuf> {
    let mut cargo = step::cargo(["rustc", "--package", "troodon-agent", "--bin", "troodon-agent"]);
    cargo.args(["--profile", "small", "--no-default-features", "--target", MUSL_TARGET]);
    cargo.args(without_folders(MUSL_TARGET)?);
    cargo.arg("--").args(SMALL_FLAGS);
    step::run("build the small agent", &mut cargo)?;
    Ok(output("small", "troodon-agent"))
}

fn output(profile: &str, program: &str) -> PathBuf {
    step::root().join("target").join(MUSL_TARGET).join(profile).join(program)
}
