//! Agent and server against a real Velociraptor, as a black box on loopback.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use crate::{build, step};

/// The variable that names the real program.
const PEER: &str = "VELOCIRAPTOR_BIN";

/// Which cases to run.
#[derive(Args)]
pub struct Arguments {
    /// Run only cases whose name contains this
    filter: Option<String>,
}

/// Runs the cases of `hil-tests/tests/interop.rs`.
///
/// # Errors
///
/// `VELOCIRAPTOR_BIN` is unset, or a case fails.
pub fn run(arguments: &Arguments) -> Result<()> {
    env::var_os(PEER).with_context(|| format!("set {PEER} to a Velociraptor program (0.77)"))?;
    let programs = build::programs()?;
    let folder = programs.server.parent().context("a program lies in a folder")?;
    let mut test = step::cargo(["test", "--package", "hil-tests", "--test", "interop", "--"]);
    test.args(["--nocapture", "--test-threads", "1"]).args(&arguments.filter);
    step::run("interop", test.env("TROODON_BIN_DIR", folder))
}

/// The real program, if one is named.
pub fn peer() -> Option<PathBuf> {
    env::var_os(PEER).map(PathBuf::from)
}

/// Runs the cases if a peer is named; else says that they were skipped.
pub fn run_if_there_is_a_peer() -> Result<()> {
    if env::var_os(PEER).is_none() {
        eprintln!("SKIPPED: interop: {PEER} is unset");
        return Ok(());
    }
    run(&Arguments { filter: None })
}
