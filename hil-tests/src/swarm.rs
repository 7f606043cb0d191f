//! A swarm: many agents in one process, a hunt over all of them, and a server that is killed in the middle.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::options::merge;
use crate::{Deployment, Options, Process, Programs, wait_until};

/// What is collected from each agent.
const ARTIFACT: &str = "Troodon.Test.Rows";

/// What a swarm shall do.
#[derive(Clone, Debug)]
pub struct Swarm {
    /// `troodon-swarm`.
    pub program: PathBuf,
    /// Where it keeps the keys of its agents.
    pub keys: PathBuf,
    /// How many agents.
    pub clients: usize,
    /// Rows that the hunt brings from each.
    pub rows: usize,
    /// Agents that start in a second.
    pub rate: u32,
    /// Seconds between two outages of an agent, on average; 0: none.
    pub outage_every: u64,
    /// Whether the server is killed (`kill -9`) when half of the agents have answered, and started again.
    pub kill: bool,
    /// Whether the hunt begins when all agents are connected and have nothing to do, and not at once.
    pub idle: bool,
    /// How long all of it may take.
    pub limit: Duration,
}

/// What became of it.
#[derive(Clone, Debug)]
pub struct SwarmReport {
    /// What the swarm says about itself.
    pub summary: Value,
    /// KiB of memory that the server held while all were idle, if that was waited for.
    pub idle_kib: Option<u64>,
    /// KiB of memory that the server held at the end, and the most that it held.
    pub server_kib: (u64, u64),
    /// Processor time of the server, without that of one that was killed.
    pub server_cpu: Duration,
    /// From the hunt's beginning until all rows were there.
    pub hunt_took: Duration,
    /// Rows of the hunt on the server: all, and different ones.
    pub rows: (usize, usize),
}

impl Swarm {
    /// A swarm of this size, with outages and with a server that is killed.
    #[must_use]
    pub fn new(program: &Path, keys: &Path, clients: usize) -> Self {
        Self {
            program: program.to_owned(),
            keys: keys.to_owned(),
            clients,
            rows: 100,
            rate: 50,
            outage_every: 60,
            kill: true,
            idle: false,
            limit: Duration::from_secs(600),
        }
    }

    /// Runs it against a server of these programs, and fails if anything is lost or doubled.
    ///
    /// # Errors
    ///
    /// A program fails, the time is over, or rows are missing or there twice.
    pub fn run(&self, programs: &Programs) -> Result<SwarmReport> {
        let mut options = Options::with_test_artifacts(&[]);
        merge(&mut options.merge, &json!({"Client": {"max_poll": 20, "max_poll_std": 5}}));
        let deployment = Deployment::generate_with(programs, &options)?;
        let mut server = deployment.start_server()?;
        let mut swarm = self.start(&deployment)?;
        let mut idle_kib = None;
        if self.idle {
            swarm.wait_until("record of each agent", self.limit, || {
                known(&deployment).is_ok_and(|known| known == self.clients)
            })?;
            idle_kib = Some(server.memory_kib()?.0);
        }
        let start = Instant::now();
        let hunt = self.hunt(&deployment)?;
        if self.kill {
            let half = u64::try_from(self.clients / 2).unwrap_or(u64::MAX);
            wait_until("half of the answers", self.limit, || {
                Ok(answered(&deployment, &hunt)? >= half)
            })?;
            server.kill()?;
            server = deployment.start_server()?;
        }
        let said = swarm.wait(self.limit)?;
        let hunt_took = start.elapsed();
        let summary = said.lines().rev().find_map(|line| serde_json::from_str(line).ok());
        let summary: Value = summary.with_context(|| format!("no summary:\n{said}"))?;
        let rows = deployment.query(&format!(
            "SELECT ClientId, N FROM hunt_results(hunt_id='{hunt}', artifact='{ARTIFACT}')"
        ))?;
        let different: BTreeSet<String> = rows.iter().map(Value::to_string).collect();
        let report = SwarmReport {
            summary,
            idle_kib,
            server_kib: server.memory_kib()?,
            server_cpu: server.processor_time()?,
            hunt_took,
            rows: (rows.len(), different.len()),
        };
        let all = self.clients * self.rows;
        ensure!(report.rows == (all, all), "not {all} rows once each: {report:?}");
        server.stop()?;
        Ok(report)
    }

    fn start(&self, deployment: &Deployment) -> Result<Process> {
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(deployment.client_config()).arg("--keys").arg(&self.keys);
        let numbers = [
            // The collection about the host, and the hunt.
            ("--flows", 2),
            ("--clients", u64::try_from(self.clients)?),
            ("--rate", self.rate.into()),
            ("--outage-every", self.outage_every),
            ("--seconds", self.limit.as_secs()),
        ];
        for (name, number) in numbers {
            command.arg(name).arg(number.to_string());
        }
        Process::start("the swarm", &mut command, &deployment.folder().join("swarm.log"))
    }

    fn hunt(&self, deployment: &Deployment) -> Result<String> {
        let made = deployment.query(&format!(
            "SELECT hunt(description='swarm', artifacts='{ARTIFACT}', expires=now() + 86400, \
             spec=dict(`{ARTIFACT}`=dict(Count='{}'))).HuntId AS Hunt FROM scope()",
            self.rows
        ))?;
        let hunt = made.first().and_then(|row| row["Hunt"].as_str());
        hunt.map(str::to_owned).with_context(|| format!("no hunt: {made:?}"))
    }
}

/// How many clients have said what their host is called, which is the last that they do unasked.
fn known(deployment: &Deployment) -> Result<usize> {
    let rows = deployment
        .query("SELECT count() AS Known FROM clients() WHERE os_info.hostname GROUP BY 'all'")?;
    let count = rows.first().and_then(|row| row["Known"].as_u64()).unwrap_or_default();
    Ok(usize::try_from(count)?)
}

/// How many clients have answered a hunt.
fn answered(deployment: &Deployment, hunt: &str) -> Result<u64> {
    let hunts = deployment.query(&format!("SELECT stats FROM hunts(hunt_id='{hunt}')"))?;
    let stats = hunts.first().map(|hunt| hunt["stats"]["total_clients_with_results"].as_u64());
    Ok(stats.flatten().unwrap_or_default())
}
