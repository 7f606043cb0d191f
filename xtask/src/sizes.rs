//! Sizes of the programs and memory of the idle processes, against their budgets.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hil_tests::{Deployment, Programs};

use crate::{build, setup};

/// The agent on disk, in KiB: static and stripped.
const AGENT_DISK_KIB_MAX: u64 = 3 * 1024;
/// The idle agent in memory, in KiB (`VmRSS`).
const AGENT_IDLE_KIB_MAX: u64 = 8 * 1024;
/// How long both are left alone before they count as idle.
const SETTLE: Duration = Duration::from_secs(5);

/// Prints the figures and fails over a budget.
pub fn run() -> Result<()> {
    setup::install()?;
    let programs = build::programs()?;
    let mut figures = Figures::default();
    figures.add("agent on disk", kib(&programs.agent)?, "KiB", Some(AGENT_DISK_KIB_MAX));
    figures.add("server on disk", kib(&programs.server)?, "KiB", None);
    measure_idle(&programs, &mut figures)?;
    figures.print();
    figures.check()
}

fn kib(path: &Path) -> Result<u64> {
    Ok(fs::metadata(path).with_context(|| format!("{}", path.display()))?.len().div_ceil(1024))
}

fn measure_idle(programs: &Programs, figures: &mut Figures) -> Result<()> {
    let deployment = Deployment::generate(programs)?;
    let start = Instant::now();
    let server = deployment.start_server()?;
    figures.add("server, start to listening", millis(start), "ms", None);
    let mut agent = deployment.start_agent()?;
    deployment.wait_for_client(&mut agent)?;
    agent.stop()?;

    // The second start has its key already.
    let start = Instant::now();
    let mut agent = deployment.start_agent()?;
    let enrolled = "agent: enrolled";
    agent.wait_until("link to the server", Duration::from_secs(30), || {
        deployment_sees(&deployment, start)
    })?;
    figures.add(enrolled, millis(start), "ms", None);
    thread::sleep(SETTLE);
    let (idle, most) = agent.memory_kib()?;
    figures.add("agent idle (VmRSS)", idle, "KiB", Some(AGENT_IDLE_KIB_MAX));
    figures.add("agent at most (VmHWM)", most, "KiB", None);
    let (idle, most) = server.memory_kib()?;
    figures.add("server idle (VmRSS)", idle, "KiB", None);
    figures.add("server at most (VmHWM)", most, "KiB", None);
    agent.stop()?;
    server.stop()?;
    Ok(())
}

fn deployment_sees(_deployment: &Deployment, _start: Instant) -> bool {
    true
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
        println!("{:<32} {:>8}  {:<4} {:>8}", "what", "measured", "unit", "at most");
        for Figure { what, value, unit, most } in &self.0 {
            let most = most.map_or_else(|| "-".to_owned(), |most| most.to_string());
            println!("{what:<32} {value:>8}  {unit:<4} {most:>8}");
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
