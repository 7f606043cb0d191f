//! Builds the programs as they are shipped: static, stripped.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use hil_tests::Programs;

use crate::setup::MUSL_TARGET;
use crate::step;

/// Builds server and agent and puts them side by side into `target/demo`.
pub fn programs() -> Result<Programs> {
    let server = build("the server", "troodon-server", "troodon", "release")?;
    let agent = build("the agent", "troodon-agent", "troodon-agent", "small")?;
    let folder = step::root().join("target/demo");
    fs::create_dir_all(&folder)?;
    for program in [server, agent] {
        let name = program.file_name().context("a program has a name")?;
        fs::copy(&program, folder.join(name)).with_context(|| format!("{}", program.display()))?;
    }
    Programs::within(&folder)
}

/// Builds the agent for speed instead of size.
pub fn fast_agent() -> Result<PathBuf> {
    build("the agent", "troodon-agent", "troodon-agent", "release")
}

fn build(what: &str, package: &str, program: &str, profile: &str) -> Result<PathBuf> {
    let arguments = ["build", "--package", package, "--profile", profile, "--target", MUSL_TARGET];
    step::run(&format!("build {what}"), &mut step::cargo(arguments))?;
    Ok(step::root().join("target").join(MUSL_TARGET).join(profile).join(program))
}
