//! Thousands of agents in one process, to see what a server bears.
//!
//! Each is complete: a key of its own, the core's state machine and queue, real queries on this machine, TLS. What they share
//! is the process. `cargo xtask swarm` puts a server beside them; `troodon-swarm --config client.config.yaml` joins any
//! server that has given that file, also a Velociraptor.

mod keys;
mod member;
mod tally;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Parser;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::sync::watch;
use troodon_agent::client::dialer;
use troodon_agent::config;
use troodon_agent::description::config_variable;
use troodon_agent::plugin::registry;

use member::{Member, Shared};
use tally::Tally;

/// Bytes of stack of a thread: queries are evaluated on it.
const STACK_BYTES: usize = 8 << 20;
/// How often progress is shown, and what ends the run is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Many agents in one process, until each has done its share of collections.
#[derive(Debug, Parser)]
#[command(name = "troodon-swarm", version)]
struct Options {
    /// The client configuration, of a Troodon or Velociraptor server
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// How many agents
    #[arg(long, default_value_t = 50)]
    clients: usize,
    /// Where their keys are kept; those that are missing are made, which takes a fraction of a second each
    #[arg(long, value_name = "FOLDER", default_value = "target/swarm-keys")]
    keys: PathBuf,
    /// Threads of all agents together
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Agents that start in a second
    #[arg(long, default_value_t = 50)]
    rate: u32,
    /// Milliseconds that an agent thinks before it does what it is asked, at most
    #[arg(long, default_value_t = 500)]
    think: u64,
    /// Seconds between two outages of an agent, on average; 0: none
    #[arg(long, default_value_t = 0)]
    outage_every: u64,
    /// Seconds that an outage takes, at most
    #[arg(long, default_value_t = 10)]
    outage_for: u64,
    /// Ends when each agent has finished so many collections and everything is delivered, the one about its host included
    #[arg(long, default_value_t = 1)]
    flows: u64,
    /// Ends after so many seconds in any case, as a failure
    #[arg(long, default_value_t = 600)]
    seconds: u64,
}

fn main() -> Result<()> {
    let options = Options::parse();
    raise_file_limit()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(options.threads.max(1))
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()
        .context("no threads")?;
    runtime.block_on(run(&options))
}

/// Allows as many open files as the system lets this process have: an agent takes two while it posts.
fn raise_file_limit() -> Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("cannot raise the limit of open files")
}

async fn run(options: &Options) -> Result<()> {
    let client = config::load(&options.config)?;
    let keys = keys::take(&options.keys, options.clients, options.threads)?;
    let tally = Arc::new(Tally::new(options.clients));
    let (stop, stopped) = watch::channel(false);
    let shared = Arc::new(Shared {
        dialer: dialer(&client)?,
        variable: config_variable(&client, 0),
        registry: Arc::new(registry()),
        client,
        epoch: Instant::now(),
        tally: Arc::clone(&tally),
        think: Duration::from_millis(options.think),
        outage_every: Duration::from_secs(options.outage_every),
        outage_for: Duration::from_secs(options.outage_for),
    });
    let mut members = tokio::task::JoinSet::new();
    let pause = Duration::from_secs(1) / options.rate.max(1);
    let (start, mut shown_at) = (Instant::now(), Instant::now());
    for (number, key) in keys.into_iter().enumerate() {
        let member = Member::new(number, key, Arc::clone(&shared))?;
        members.spawn(member.live(stopped.clone()));
        tokio::time::sleep(pause).await;
    }
    let is_done = loop {
        let is_done = tally.is_done(options.flows);
        if is_done || start.elapsed() >= Duration::from_secs(options.seconds) {
            break is_done;
        }
        if shown_at.elapsed() >= LOOK_EVERY {
            shown_at = Instant::now();
            eprintln!("{:4} s  {}", start.elapsed().as_secs(), tally.progress());
        }
        tokio::time::sleep(LOOK_EVERY / 10).await;
    };
    let took = start.elapsed();
    stop.send_replace(true);
    while let Some(ended) = members.join_next().await {
        ended.context("an agent failed")??;
    }
    let mut output = std::io::stdout().lock();
    writeln!(output, "{}", tally.summary(took)).context("the standard output")?;
    if !is_done {
        bail!("not everything was done after {} s: {}", took.as_secs(), tally.progress());
    }
    Ok(())
}
