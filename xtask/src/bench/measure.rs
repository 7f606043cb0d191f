//! What one run of a program costs.
//!
//! The kernel tells the peak memory of all children together, so each run has a parent of its own: this program again,
//! with the task `measure`.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde::{Deserialize, Serialize};

/// Rows of a workload; each of them ends with few.
const ROWS_MAX: usize = 100;

/// What a run answered and what it took.
#[derive(Debug, Deserialize, Serialize)]
pub struct Measured {
    /// The rows, parsed, so that spaces do not count.
    pub(super) rows: Vec<serde_json::Value>,
    pub(super) cost: Cost,
}

/// Time in seconds and memory.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(super) struct Cost {
    pub(super) wall: f64,
    pub(super) cpu: f64,
    pub(super) mebibytes: f64,
}

impl Cost {
    /// The least of both runs, figure by figure: what is more was somebody else's work.
    pub(super) const fn least(self, other: Self) -> Self {
        Self {
            wall: self.wall.min(other.wall),
            cpu: self.cpu.min(other.cpu),
            mebibytes: self.mebibytes.min(other.mebibytes),
        }
    }
}

impl Measured {
    /// Runs `program query` in a process that runs nothing else.
    pub(super) fn of(program: &Path, text: &str) -> Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.arg("measure").arg(program).arg(text).stdin(Stdio::null());
        let output = command.stderr(Stdio::inherit()).output()?;
        ensure!(output.status.success(), "the query failed: {text}");
        serde_json::from_slice(&output.stdout).context("the measuring process")
    }
}

/// The task of the measuring process: runs the query and prints a [`Measured`].
pub fn measure(program: &Path, text: &str) -> Result<()> {
    let start = Instant::now();
    let mut child = Command::new(program)
        .args(["query", "--format", "jsonl", text])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{}", program.display()))?;
    let mut rows = Vec::new();
    for line in BufReader::new(child.stdout.take().context("the pipe")?).lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        ensure!(rows.len() < ROWS_MAX, "more than {ROWS_MAX} rows");
        rows.push(serde_json::from_str(&line).with_context(|| line.clone())?);
    }
    let status = child.wait()?;
    let wall = start.elapsed().as_secs_f64();
    ensure!(status.success(), "{}: {status}", program.display());
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    let cost = Cost {
        wall,
        cpu: std::time::Duration::from_micros(u64::try_from(micros)?).as_secs_f64(),
        mebibytes: f64::from(u32::try_from(usage.max_rss())?) / 1024.0,
    };
    println!("{}", serde_json::to_string(&Measured { rows, cost })?);
    Ok(())
}
