//! Every test, in the order in which failures are cheapest to find.

use anyhow::Result;
use clap::Args;
use hil_tests::{Device, Firmware};

use crate::setup::BOARD_TARGETS;
use crate::{interop, package, setup, step, tidy};

/// Which part to run.
#[derive(Args)]
pub struct Arguments {
    /// Leave out the steps that build other targets and run the deployment
    #[arg(long)]
    quick: bool,
}

/// Crates that run on a board.
const BOARD_CRATES: [&str; 3] = ["troodon-proto", "troodon-vql", "troodon-core"];

/// Runs all tests; stops at the first step that fails.
pub fn run(arguments: &Arguments) -> Result<()> {
    setup::install()?;
    step::run("format", &mut step::cargo(["fmt", "--all", "--check"]))?;
    tidy::run()?;
    package::check_units()?;
    let warnings = ["--", "-D", "warnings"];
    let clippy = ["clippy", "--workspace", "--all-targets", "--all-features"];
    step::run("clippy", &mut step::cargo(clippy.iter().chain(&warnings)))?;
    step::run("tests", &mut step::cargo(["test", "--workspace", "--all-features"]))?;
    // Alone and without its features: as on a board, with the small engine of patterns.
    step::run(
        "tests of the board profile",
        &mut step::cargo(["test", "--package", "troodon-vql"]),
    )?;
    let mut docs = step::cargo(["doc", "--workspace", "--all-features", "--no-deps"]);
    step::run("documentation", docs.env("RUSTDOCFLAGS", "-D warnings"))?;
    let fuzz = ["test", "--manifest-path", "fuzz/Cargo.toml"];
    step::run("fuzz targets, a short run", &mut step::cargo(fuzz))?;
    if arguments.quick {
        return Ok(());
    }
    for target in BOARD_TARGETS {
        build_for_board(target)?;
    }
    let boards = ["test", "--manifest-path", "boards/Cargo.toml"];
    step::run("boards", &mut step::cargo(boards))?;
    lint_firmware()?;
    crate::sizes::run()?;
    crate::demo::run(&crate::demo::Arguments::once())?;
    interop::run_if_there_is_a_peer()
}

/// The images that emulators run are built and run by the tests of `hil-tests`; those for a bench are built here.
fn lint_firmware() -> Result<()> {
    for device in Device::all()? {
        if !device.is_emulated() {
            Firmware::build(&device)?;
        }
        let mut clippy = step::cargo(["clippy", "--release", "--package", &device.board]);
        clippy.args(&device.build).args(["--target", &device.target, "--", "-D", "warnings"]);
        let what = format!("clippy on the firmware of {}", device.name);
        step::run(&what, clippy.current_dir(step::root().join("boards")))?;
    }
    Ok(())
}

fn build_for_board(target: &str) -> Result<()> {
    let mut build = step::cargo(["build", "--target", target, "--no-default-features"]);
    for name in BOARD_CRATES {
        build.args(["--package", name]);
    }
    build.args(["--features", "troodon-core/soft"]);
    step::run(&format!("no_std on {target}"), &mut build)
}
