//! One agent of the swarm: the core, its queries and two connections, in one task.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant as Clock};

use anyhow::{Context, Result, anyhow};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use serde_json::json;
use tokio::sync::watch;
use troodon_agent::client::core_config;
use troodon_agent::link::{Dialer, Happened, Sockets};
use troodon_agent::worker::{since, wall_clock};
use troodon_core::agent::{Agent, Connection, Down, Event, Input, Link};
use troodon_core::config::ClientConfig;
use troodon_core::envelope::Verified;
use troodon_core::executor::{Executor, NoRoom, Outlet, Output, Setting, Sizes};
use troodon_core::host::{Host, drive};
use troodon_core::http::url::BaseUrl;
use troodon_core::queue::{Priority, QueueFault, QueueLimits};
use troodon_core::rsa::aws::AwsKey;
use troodon_core::storage::memory::MemoryStorage;
use troodon_proto::{VeloMessage, VqlEventTable};
use troodon_vql::{Registry, Value};

use crate::tally::Tally;

/// Bytes that are read at a time.
const READ_BYTES: usize = troodon_agent::limits::READ_LEN_MAX;
/// Messages of the executor that are queued before others of the task have their turn.
const MESSAGES_AT_A_TIME: usize = 64;

/// What all agents share.
pub struct Shared {
    /// The configuration.
    pub client: ClientConfig,
    /// Opens connections.
    pub dialer: Dialer,
    /// The variable `config` of queries.
    pub variable: Value,
    /// What queries can use.
    pub registry: Arc<Registry>,
    /// Where time begins.
    pub epoch: Clock,
    /// Where everything is counted.
    pub tally: Arc<Tally>,
    /// How long an agent waits before it does what it is asked, at most.
    pub think: Duration,
    /// How long it is between two outages of an agent on average; zero: there are none.
    pub outage_every: Duration,
    /// How long an outage takes at most.
    pub outage_for: Duration,
}

/// One agent.
pub struct Member {
    agent: Agent<MemoryStorage>,
    executor: Executor,
    chunks: Arc<Chunks>,
    outside: Outside,
    rng: ChaCha20Rng,
    /// A message for which the queue had no room.
    held: Option<(Priority, Box<VeloMessage>)>,
    /// Orders that the agent thinks about, and when it has thought.
    orders: VecDeque<(Clock, Verified<VeloMessage>)>,
    /// When the next outage begins, or the present one ends.
    weather_at: Option<Clock>,
}

/// What [`drive`] acts upon.
struct Outside {
    number: usize,
    shared: Arc<Shared>,
    sockets: Sockets,
    is_dark: bool,
    /// Connections that an outage took, of which the core has not heard.
    taken: Vec<Connection>,
    inbox: Vec<Verified<VeloMessage>>,
    tables: Vec<VqlEventTable>,
    is_enrolled: bool,
    /// When each message that is not acknowledged was queued.
    queued: VecDeque<Clock>,
}

impl Member {
    /// An agent with this key, which the server has perhaps seen before.
    pub fn new(number: usize, key: AwsKey, shared: Arc<Shared>) -> Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| anyhow!("no random numbers: {error}"))?;
        let mut rng = ChaCha20Rng::from_seed(seed);
        let (config, storage) = (core_config(&shared.client)?, MemoryStorage::new());
        let agent = Agent::new(config, Box::new(key), storage, QueueLimits::default(), &mut rng)
            .map_err(|fault| anyhow!("{fault}"))?;
        let chunks = Arc::<Chunks>::default();
        let executor = Executor::new(Setting {
            registry: Arc::clone(&shared.registry),
            config: shared.variable.clone(),
            prepare: Arc::new(|_| ()),
            outlet: Arc::<Chunks>::clone(&chunks),
            sizes: Sizes::host(),
        });
        let outside = Outside {
            number,
            shared,
            sockets: Sockets::default(),
            is_dark: false,
            taken: Vec::new(),
            inbox: Vec::new(),
            tables: Vec::new(),
            is_enrolled: false,
            queued: VecDeque::new(),
        };
        let orders = VecDeque::new();
        let mut member =
            Self { agent, executor, chunks, outside, rng, held: None, orders, weather_at: None };
        member.weather_at = member.next_outage();
        Ok(member)
    }

    /// Lives until `stop` says so.
    pub async fn live(mut self, mut stop: watch::Receiver<bool>) -> Result<()> {
        let mut buffer = Box::new([0; READ_BYTES]);
        self.agent.handle(self.now(), Input::Clock(wall_clock()));
        loop {
            let until = self.act()?;
            let epoch = self.outside.shared.epoch;
            let until = epoch + Duration::from_micros(until.as_micros());
            let until = self.weather_at.into_iter().fold(until, Clock::min);
            let until = self.orders.front().map_or(until, |(at, _)| until.min(*at));
            tokio::select! {
                changed = stop.changed() => return changed.context("nobody says when to stop"),
                (connection, happened) = self.outside.sockets.happening(&mut buffer) => {
                    self.take_note(connection, &happened, buffer.as_slice());
                }
                () = tokio::time::sleep_until(until.into()) => {}
            }
        }
    }

    fn now(&self) -> troodon_core::time::Instant {
        since(self.outside.shared.epoch)
    }

    /// Does what is to be done at this moment; answers when there is something to do again.
    fn act(&mut self) -> Result<troodon_core::time::Instant> {
        self.weather();
        let now = self.now();
        let agent_at = drive(&mut self.agent, now, &mut self.rng, &mut self.outside);
        for connection in std::mem::take(&mut self.outside.taken) {
            self.agent.handle(now, Input::Down(connection, Down::Unreachable));
        }
        for table in std::mem::take(&mut self.outside.tables) {
            self.executor.restore(table);
        }
        for message in std::mem::take(&mut self.outside.inbox) {
            let thought = Clock::now() + self.up_to(self.outside.shared.think);
            self.orders.push_back((thought, message));
        }
        while self.orders.front().is_some_and(|(at, _)| *at <= Clock::now()) {
            let Some((_, message)) = self.orders.pop_front() else { break };
            self.executor.handle(message);
        }
        let executor_at = self.work()?;
        Ok(agent_at.min(executor_at))
    }

    /// Begins and ends outages.
    fn weather(&mut self) {
        if self.weather_at.is_none_or(|at| at > Clock::now()) {
            return;
        }
        self.outside.is_dark = !self.outside.is_dark;
        if !self.outside.is_dark {
            self.weather_at = self.next_outage();
            return;
        }
        self.weather_at = Some(Clock::now() + self.up_to(self.outside.shared.outage_for));
        let sockets = &mut self.outside.sockets;
        for connection in
            [Link::Reader, Link::Control].map(|link| sockets.lose(link)).into_iter().flatten()
        {
            self.outside.shared.tally.lost.fetch_add(1, Ordering::Relaxed);
            self.agent.handle(self.now(), Input::Down(connection, Down::Closed));
        }
    }

    fn next_outage(&mut self) -> Option<Clock> {
        let every = self.outside.shared.outage_every;
        (!every.is_zero()).then(|| Clock::now() + self.up_to(every * 2))
    }

    /// A time between nothing and this.
    fn up_to(&mut self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.rng.next_u64() % most.saturating_add(1))
    }

    /// One round of the executor; answers when it wants the next.
    fn work(&mut self) -> Result<troodon_core::time::Instant> {
        for _ in 0..MESSAGES_AT_A_TIME {
            let now = self.now();
            if !self.queue_waiting()? {
                // Acknowledgements make room.
                return Ok(now.saturating_add(troodon_core::time::Span::from_millis(100)));
            }
            let room = usize::try_from(self.agent.room(Priority::Normal)).unwrap_or(usize::MAX);
            match self.executor.poll(now, wall_clock(), room) {
                Output::Message { urgent, message } => {
                    let priority = if urgent { Priority::Urgent } else { Priority::Normal };
                    self.held = Some((priority, message));
                }
                Output::Forget(flow) => {
                    self.agent.forget_flow(&flow).map_err(|fault| anyhow!("{fault}"))?;
                }
                Output::Ended(_) => self.outside.shared.tally.finish(self.outside.number),
                Output::Started { .. } => {
                    self.outside.shared.tally.asked.fetch_add(1, Ordering::Relaxed);
                }
                Output::Kill => return Err(anyhow!("the server wants an agent to end")),
                Output::Wait(until) if until > now => return Ok(until),
                Output::Wait(_) => {}
            }
        }
        Ok(self.now())
    }

    /// Queues what waits, chunks before the message that came after them; answers false when the queue is full.
    fn queue_waiting(&mut self) -> Result<bool> {
        loop {
            let chunk = self.chunks.next();
            let is_chunk = chunk.is_some();
            let next = chunk.map(|chunk| (Priority::Normal, chunk)).or_else(|| self.held.take());
            let Some((priority, message)) = next else { return Ok(true) };
            match self.agent.queue(priority, &message) {
                Ok(()) => self.count(&message),
                Err(QueueFault::Full) if is_chunk => {
                    self.chunks.give_back(message);
                    return Ok(false);
                }
                Err(QueueFault::Full) => {
                    self.held = Some((priority, message));
                    return Ok(false);
                }
                Err(fault) => return Err(anyhow!("agent {}: {fault}", self.outside.number)),
            }
        }
    }

    fn count(&mut self, message: &VeloMessage) {
        let tally = &self.outside.shared.tally;
        let rows = message.vql_response.as_ref().map_or(0, |response| response.total_rows);
        tally.rows.fetch_add(rows, Ordering::Relaxed);
        tally.waiting.fetch_add(1, Ordering::Relaxed);
        self.outside.queued.push_back(Clock::now());
    }

    fn take_note(&mut self, connection: Connection, happened: &Happened, buffer: &[u8]) {
        let now = self.now();
        match happened {
            Happened::Down(down) => {
                self.outside.shared.tally.lost.fetch_add(1, Ordering::Relaxed);
                self.agent.handle(now, Input::Down(connection, *down));
                self.outside.sockets.lose(connection.link);
            }
            // The next round offers the bytes again.
            Happened::Drained => {}
            Happened::Received(length) => {
                let bytes = buffer.get(..*length).unwrap_or_default();
                self.agent.handle(now, Input::Received(connection, bytes));
            }
            Happened::Up => self.agent.handle(now, Input::Up(connection)),
        }
    }
}

/// Chunks of files, until the queue has them.
#[derive(Default)]
struct Chunks(Mutex<VecDeque<Box<VeloMessage>>>);

impl Chunks {
    fn next(&self) -> Option<Box<VeloMessage>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn give_back(&self, message: Box<VeloMessage>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_front(message);
    }
}

impl Outlet for Chunks {
    fn send(&self, message: Box<VeloMessage>) -> Result<(), NoRoom> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(message);
        Ok(())
    }
}

impl Host for Outside {
    fn connect(&mut self, connection: Connection, url: &BaseUrl) {
        if self.is_dark {
            self.taken.push(connection);
            return;
        }
        self.sockets.hold(connection, self.shared.dialer.dial(url));
    }

    fn send(&mut self, connection: Connection, bytes: &[u8]) -> usize {
        self.sockets.send(connection, bytes)
    }

    fn close(&mut self, connection: Connection) {
        self.sockets.close(connection);
    }

    fn message(&mut self, message: Verified<VeloMessage>) {
        self.inbox.push(message);
    }

    fn table(&mut self, table: VqlEventTable) {
        self.tables.push(table);
    }

    fn describe_client(&mut self) -> Option<String> {
        let name = format!("swarm-{:05}", self.number);
        let client = json!({"hostname": name, "fqdn": name, "system": "linux", "client_name": "troodon-swarm"});
        Some(client.to_string())
    }

    fn event(&mut self, event: Event) {
        let tally = &self.shared.tally;
        match event {
            Event::Enrolled if !self.is_enrolled => {
                self.is_enrolled = true;
                tally.enrolled.fetch_add(1, Ordering::Relaxed);
            }
            Event::Delivered(count) => {
                for queued in self.queued.drain(..count.min(self.queued.len())) {
                    tally.acknowledge(queued.elapsed());
                }
            }
            Event::Rejected(count) => {
                tally
                    .rejected
                    .fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
                for queued in self.queued.drain(..count.min(self.queued.len())) {
                    tally.acknowledge(queued.elapsed());
                }
            }
            // The rest tells of one agent, and there are thousands.
            _ => {}
        }
    }
}
