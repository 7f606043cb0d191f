//! An agent with its queries, on a medium that outlives it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use troodon_core::agent::{Agent, Compression, Config, Connection, Event, Input, Links};
use troodon_core::envelope::Verified;
use troodon_core::executor::{Executor, NoRoom, Outlet, Output, Setting, Sizes};
use troodon_core::host::{Host, drive};
use troodon_core::http::url::BaseUrl;
use troodon_core::identity::ClientId;
use troodon_core::queue::{Priority, QueueFault, QueueLimits};
use troodon_core::rsa::PrivateKey;
use troodon_core::rsa::soft::SoftKey;
use troodon_core::storage::{Lane, Position, Storage};
use troodon_core::time::{Instant, Span, UnixTime};
use troodon_proto::{Message, MessageList, VeloMessage, VqlEventTable};
use troodon_vql::{RowBuilder, Value};

use crate::keys::{NONCE, anchor};
use crate::memo::{MemoKey, SimRng};
use crate::network::Network;
use crate::plugins;
use crate::storage::Medium;

/// The world's time when a run begins.
const START: UnixTime = crate::keys::NOW;
/// How many times a device may want something at one moment.
const WANTS: usize = 100_000;

/// Rows that the queue took, and when: a second later they are durable.
pub struct Promise {
    pub session: String,
    pub lines: Vec<String>,
    pub at: Instant,
}

pub struct Device {
    pub id: ClientId,
    pub medium: Medium,
    pub promises: Vec<Promise>,
    pub running: Option<Running>,
    /// How far its clock is from the world's, in seconds.
    pub skew: i64,
    pub links: Links,
    /// Bytes of event rows that its medium takes.
    pub monitoring_bytes: u64,
    index: usize,
    key: MemoKey,
    rng: SimRng,
}

/// What a power cut ends.
pub struct Running {
    agent: Agent<Medium>,
    executor: Executor,
    chunks: Arc<Chunks>,
    /// A message for which the queue had no room.
    held: Option<(Priority, Box<VeloMessage>)>,
    has_queued: bool,
    pub wake_at: Instant,
}

impl Device {
    pub fn new(index: usize, key: &'static SoftKey, seed: u64) -> Self {
        Self {
            id: ClientId::of(key.public()),
            medium: Medium::new(),
            promises: Vec::new(),
            running: None,
            skew: 0,
            links: Links::Two,
            monitoring_bytes: 1 << 20,
            index,
            key: MemoKey(key),
            rng: SimRng::new(seed ^ index as u64),
        }
    }

    /// Starts from what the medium holds.
    pub fn boot(&mut self, network: &mut Network) {
        let url = BaseUrl::parse("https://server.example/").unwrap();
        let mut config = Config::new(vec![url], anchor(), NONCE.into());
        config.compression = Compression::Zlib;
        config.links = self.links;
        config.max_poll = Span::from_secs(10);
        config.max_poll_std = Span::from_secs(5);
        let limits = QueueLimits {
            urgent: 1 << 16,
            flows: 1 << 15,
            monitoring: self.monitoring_bytes,
            message: 1 << 14,
            batch: 4_000,
        };
        let (key, medium) = (Box::new(self.key), self.medium.clone());
        let mut agent = Agent::new(config, key, medium, limits, &mut self.rng).unwrap();
        let chunks = Arc::<Chunks>::default();
        let executor = Executor::new(setting(Arc::<Chunks>::clone(&chunks)));
        agent.handle(network.now, Input::Clock(self.wall(network.now)));
        let wake_at = network.now;
        self.running =
            Some(Running { agent, executor, chunks, held: None, has_queued: false, wake_at });
        self.drive(network);
    }

    /// The power fails: what was not synced is gone.
    pub fn cut_power(&mut self) {
        self.running = None;
        self.medium.0.borrow_mut().cut_power();
    }

    pub fn wall(&self, now: Instant) -> UnixTime {
        let seconds = START.as_seconds().saturating_add_signed(self.skew);
        UnixTime::from_secs(seconds).saturating_add(now.since(Instant::ORIGIN))
    }

    pub fn jump(&mut self, now: Instant, skew: i64) {
        self.skew = skew;
        let wall = self.wall(now);
        if let Some(running) = &mut self.running {
            running.agent.handle(now, Input::Clock(wall));
        }
    }

    pub fn tell(&mut self, now: Instant, input: Input<'_>) {
        if let Some(running) = &mut self.running {
            running.agent.handle(now, input);
        }
    }

    /// Lets agent and queries act until both want to wait.
    pub fn drive(&mut self, network: &mut Network) {
        let (now, wall) = (network.now, self.wall(network.now));
        let Some(running) = &mut self.running else { return };
        for _ in 0..WANTS {
            let (messages, tables) = (Vec::new(), Vec::new());
            let mut outside = Outside { network, device: self.index, messages, tables };
            let agent_at = drive(&mut running.agent, now, &mut self.rng, &mut outside);
            let (messages, tables) = (outside.messages, outside.tables);
            tables.into_iter().for_each(|table| running.executor.restore(table));
            messages.into_iter().for_each(|message| running.executor.handle(message));
            let executor_at = running.work(now, wall, &mut self.promises);
            running.wake_at = agent_at.min(executor_at);
            // After something was queued the agent is to act once more.
            if running.wake_at > now && !std::mem::take(&mut running.has_queued) {
                return;
            }
        }
        panic!("device {} does not come to rest at {now:?}", self.index);
    }

    /// Lines of rows on the medium, with their sessions.
    pub fn kept(&mut self) -> Vec<(String, String)> {
        let (mut kept, mut record) = (Vec::new(), Vec::new());
        for lane in Lane::ALL {
            let mut from = Position::START;
            while let Some(at) = self.medium.read(lane, from, &mut record).unwrap() {
                from = at.after();
                // The other kind of record is the note that a flow was cancelled.
                let Ok(list) = MessageList::decode(&record[1..]) else { continue };
                for message in list.job {
                    let session = message.session_id.clone();
                    kept.extend(lines(&message).into_iter().map(|line| (session.clone(), line)));
                }
            }
        }
        kept
    }
}

impl Running {
    /// One round of the executor; answers when it wants the next.
    fn work(&mut self, now: Instant, wall: UnixTime, promises: &mut Vec<Promise>) -> Instant {
        loop {
            if !self.queue_waiting(now, promises) {
                return now.saturating_add(Span::from_millis(100));
            }
            let room = self.agent.room(Priority::Normal);
            let output = self.executor.poll(now, wall, usize::try_from(room).unwrap());
            match output {
                Output::Message { urgent, message } => {
                    let priority = if urgent { Priority::Urgent } else { Priority::Normal };
                    self.held = Some((priority, message));
                }
                Output::Forget(flow) => {
                    self.agent.forget_flow(&flow).unwrap();
                    promises.retain(|promise| promise.session != flow);
                }
                Output::Started { .. } | Output::Ended(_) => {}
                Output::Kill => panic!("nobody asked for that"),
                Output::Wait(until) if until > now => return until,
                Output::Wait(_) => {}
            }
        }
    }

    /// Queues what waits, chunks before the message that came after them; answers false when the queue is full.
    fn queue_waiting(&mut self, now: Instant, promises: &mut Vec<Promise>) -> bool {
        loop {
            let chunk = self.chunks.0.lock().unwrap().pop_front();
            let is_chunk = chunk.is_some();
            let next = chunk.map(|chunk| (Priority::Normal, chunk)).or_else(|| self.held.take());
            let Some((priority, message)) = next else { return true };
            match self.agent.queue(priority, &message) {
                Ok(()) => {
                    self.has_queued = true;
                    let lines = lines(&message);
                    if !lines.is_empty() {
                        promises.push(Promise { session: message.session_id, lines, at: now });
                    }
                }
                Err(QueueFault::Full) if is_chunk => {
                    self.chunks.0.lock().unwrap().push_front(message);
                    return false;
                }
                Err(QueueFault::Full) => {
                    self.held = Some((priority, message));
                    return false;
                }
                Err(fault) => panic!("{fault}"),
            }
        }
    }
}

fn lines(message: &VeloMessage) -> Vec<String> {
    let Some(response) = &message.vql_response else { return Vec::new() };
    let text = std::str::from_utf8(&response.jsonl_response).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn setting(outlet: Arc<Chunks>) -> Setting {
    let mut config = RowBuilder::new();
    config.set("Labels", Value::Null);
    let sizes = Sizes { part_bytes: 1 << 10, chunk_bytes: 1 << 10, ..Sizes::board() };
    Setting {
        registry: Arc::new(plugins::registry()),
        config: Value::from(config.build()),
        prepare: Arc::new(|_| ()),
        outlet,
        sizes: Sizes { flows_waiting: 64, ..sizes },
    }
}

/// Chunks of files, until the queue has them.
#[derive(Default)]
struct Chunks(Mutex<VecDeque<Box<VeloMessage>>>);

impl Outlet for Chunks {
    fn send(&self, message: Box<VeloMessage>) -> Result<(), NoRoom> {
        self.0.lock().unwrap().push_back(message);
        Ok(())
    }
}

/// The world as one agent sees it.
struct Outside<'a> {
    network: &'a mut Network,
    device: usize,
    messages: Vec<Verified<VeloMessage>>,
    tables: Vec<VqlEventTable>,
}

impl Host for Outside<'_> {
    fn connect(&mut self, connection: Connection, _: &BaseUrl) {
        self.network.connect(self.device, connection);
    }

    fn send(&mut self, connection: Connection, bytes: &[u8]) -> usize {
        self.network.send(self.device, connection, bytes)
    }

    fn close(&mut self, connection: Connection) {
        self.network.close(self.device, connection);
    }

    fn message(&mut self, message: Verified<VeloMessage>) {
        self.messages.push(message);
    }

    fn table(&mut self, table: VqlEventTable) {
        self.tables.push(table);
    }

    fn describe_client(&mut self) -> Option<String> {
        Some(r#"{"hostname":"device"}"#.into())
    }

    fn event(&mut self, _: Event) {}
}
