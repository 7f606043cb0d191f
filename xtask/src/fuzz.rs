//! All fuzz targets, one after the other, each for its share of the time.
//!
//! With `cargo-fuzz` and a nightly compiler libFuzzer drives them: from the seeds and the kept corpus, with what it learns in
//! `fuzz/target/corpus` and what fails in `fuzz/artifacts`. Without, the test of `fuzz/` does, with changes of the seeds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::step;

/// For how long, and what.
#[derive(Args)]
pub struct Arguments {
    /// Minutes for all targets together
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// One target only; its name is in fuzz/README.md
    #[arg(long)]
    target: Option<String>,
}

/// Runs the targets; stops at the first that finds something.
pub fn run(arguments: &Arguments) -> Result<()> {
    let manifest = step::root().join("fuzz/Cargo.toml");
    let all = targets(&manifest)?;
    let chosen: Vec<_> = match &arguments.target {
        None => all.iter().collect(),
        Some(name) => all.iter().filter(|target| *target == name).collect(),
    };
    ensure!(!chosen.is_empty(), "no such target; there are: {}", all.join(", "));
    let whole = Duration::from_secs(arguments.minutes.saturating_mul(60));
    let share = whole.as_secs().checked_div(chosen.len() as u64).unwrap_or(0).max(1).to_string();
    let has_libfuzzer = has_libfuzzer();
    if has_libfuzzer {
        write_seeds(&manifest)?;
    } else {
        eprintln!(
            "no cargo-fuzz with a nightly compiler: changes of the seeds instead of libFuzzer"
        );
    }
    for target in chosen {
        let mut command = if has_libfuzzer {
            let mut command = Command::new("cargo");
            command.current_dir(step::root()).args(["+nightly", "fuzz", "run", target]);
            command.args(inputs(target)?);
            command.args(["--", "-print_final_stats=1", &format!("-max_total_time={share}")]);
            command
        } else {
            let mut command = step::cargo(["test", "--manifest-path"]);
            command.arg(&manifest).args(["--test", "smoke", "--", "--exact", target]);
            command.env("TROODON_FUZZ_SECONDS", &share);
            command
        };
        step::run(&format!("fuzz {target} for {share} s"), &mut command)?;
    }
    Ok(())
}

/// Where the seeds of each target are written for libFuzzer.
const SEEDS: &str = "fuzz/target/seeds";

fn write_seeds(manifest: &Path) -> Result<()> {
    let mut command = step::cargo(["run", "--quiet", "--example", "seeds", "--manifest-path"]);
    step::run("write the seeds", command.arg(manifest).arg("--").arg(step::root().join(SEEDS)))
}

/// The folders of inputs of a target: first the one that libFuzzer adds to.
fn inputs(target: &str) -> Result<Vec<PathBuf>> {
    let learnt = step::root().join("fuzz/target/corpus").join(target);
    fs::create_dir_all(&learnt).with_context(|| learnt.display().to_string())?;
    let seeds = step::root().join(SEEDS).join(target);
    let kept = step::root().join("fuzz/corpus").join(target);
    Ok([learnt, seeds].into_iter().chain(kept.is_dir().then_some(kept)).collect())
}

/// The programs of the package, each of which is a target.
fn targets(manifest: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(manifest).with_context(|| manifest.display().to_string())?;
    let programs = text.split("[[bin]]\n").skip(1);
    let names = programs.filter_map(|program| program.strip_prefix("name = \"")?.split('"').next());
    Ok(names.map(str::to_owned).collect())
}

fn has_libfuzzer() -> bool {
    let mut probe = Command::new("cargo");
    probe.args(["+nightly", "fuzz", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}
