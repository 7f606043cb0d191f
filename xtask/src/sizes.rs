//! Sizes of the programs and of firmware, and memory of the idle processes, against their budgets.

mod board;
mod firmware;

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use hil_tests::{Deployment, Options, Pair, Programs};

use crate::{build, setup};

/// The small agent on disk, in KiB: static and stripped.
const AGENT_DISK_KIB_MAX: u64 = 3 * 1024;
/// The idle agent in memory, in KiB (`VmRSS`).
const AGENT_IDLE_KIB_MAX: u64 = 8 * 1024;
/// The agent while it sends [`ROWS`], in KiB, at most (`VmHWM`).
const AGENT_BUSY_KIB_MAX: u64 = 16 * 1024;
/// What the server takes for [`ROWS`] above what it holds idle, in KiB.
const SERVER_BUSY_KIB_MAX: u64 = 64 * 1024;
/// Rows of the large collection.
const ROWS: &str = "100000";
/// How long the large collection may take.
const COLLECT_MAX: Duration = Duration::from_secs(120);
/// How long an agent that is known may take until it is back.
const RETURN_MAX: Duration = Duration::from_secs(30);
/// How long both are left alone before they count as idle.
const SETTLE: Duration = Duration::from_secs(5);

/// Prints the figures and fails over a budget.
pub fn run() -> Result<()> {
    setup::install()?;
    let programs = build::programs()?;
    let mut figures = Figures::default();
    figures.add("agent on disk", kib(&programs.agent)?, "KiB", Some(AGENT_DISK_KIB_MAX));
    figures.add("server on disk", kib(&programs.server)?, "KiB", None);
    firmware::measure(&mut figures)?;
    board::measure(&mut figures)?;
    measure_processes(&programs, &mut figures)?;
    figures.print();
    figures.check()
}

fn kib(path: &Path) -> Result<u64> {
    Ok(fs::metadata(path).with_context(|| format!("{}", path.display()))?.len().div_ceil(1024))
}

/// Two starts of the same agent: the first makes its key, the second is what every later start is.
fn measure_processes(programs: &Programs, figures: &mut Figures) -> Result<()> {
    let deployment = Deployment::generate_with(programs, &Options::with_test_artifacts(&[]))?;
    let start = Instant::now();
    let server = deployment.start_server()?;
    figures.add("server, start to listening", millis(start), "ms", None);
    let start = Instant::now();
    let mut agent = deployment.start_agent()?;
    let client = deployment.wait_for_client(&mut agent)?;
    figures.add("agent, first start to interrogated", millis(start), "ms", None);
    agent.stop()?;

    let (start, since) = (Instant::now(), SystemTime::now());
    let mut agent = deployment.start_agent()?;
    let is_back = || deployment.has_heard_since(&client, since).unwrap_or(false);
    agent.wait_until("link to the server", RETURN_MAX, is_back)?;
    figures.add("agent, later start to link", millis(start), "ms", None);
    thread::sleep(SETTLE);
    let pair = Pair { agent, server, deployment, client };
    measure_idle(&pair, figures)?;
    measure_busy(&pair, figures)?;
    pair.stop()
}

fn measure_idle(pair: &Pair, figures: &mut Figures) -> Result<()> {
    let (idle, most) = pair.agent.memory_kib()?;
    figures.add("agent idle (VmRSS)", idle, "KiB", Some(AGENT_IDLE_KIB_MAX));
    figures.add("agent at most before (VmHWM)", most, "KiB", None);
    let (idle, most) = pair.server.memory_kib()?;
    figures.add("server idle (VmRSS)", idle, "KiB", None);
    figures.add("server at most before (VmHWM)", most, "KiB", None);
    Ok(())
}

fn measure_busy(pair: &Pair, figures: &mut Figures) -> Result<()> {
    let (idle, _) = pair.server.memory_kib()?;
    let start = Instant::now();
    let parameters = [("Count", ROWS)];
    let flow = pair.deployment.schedule(&pair.client, "Troodon.Test.Rows", &parameters)?;
    let record = flow.wait(COLLECT_MAX)?;
    ensure!(record["state"] == "FINISHED", "the large collection: {record}");
    figures.add("100,000 rows", millis(start), "ms", None);
    let (_, most) = pair.agent.memory_kib()?;
    figures.add("agent at most for them (VmHWM)", most, "KiB", Some(AGENT_BUSY_KIB_MAX));
    let (_, most) = pair.server.memory_kib()?;
    let above = most.saturating_sub(idle);
    figures.add("server for them, above idle", above, "KiB", Some(SERVER_BUSY_KIB_MAX));
    Ok(())
}

fn millis(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// What was measured, and what it may be at most.
#[derive(Default)]
struct Figures(Vec<Figure>);

struct Figure {
    what: String,
    value: u64,
    unit: &'static str,
    most: Option<u64>,
}

impl Figures {
    fn add(&mut self, what: &str, value: u64, unit: &'static str, most: Option<u64>) {
        self.0.push(Figure { what: what.to_owned(), value, unit, most });
    }

    fn print(&self) {
        println!("{:<36} {:>8}  {:<4} {:>8}", "what", "measured", "unit", "at most");
        for Figure { what, value, unit, most } in &self.0 {
            let most = most.map_or_else(|| "-".to_owned(), |most| most.to_string());
            println!("{what:<36} {value:>8}  {unit:<4} {most:>8}");
        }
    }

    fn check(&self) -> Result<()> {
        for Figure { what, value, unit, most } in &self.0 {
            let most = most.unwrap_or(u64::MAX);
            ensure!(*value <= most, "{what}: {value} {unit} is over the budget of {most} {unit}");
        }
        Ok(())
    }
}
