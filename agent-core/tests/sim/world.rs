//! Time, the network, and the host of the agent.

use std::collections::BTreeMap;

use rand_core::Rng;
use troodon_core::agent::{Agent, Compression, Config, Connection, Down, Event, Input, Links};
use troodon_core::envelope::{PAD, Verified};
use troodon_core::host::{Host, drive};
use troodon_core::http::url::BaseUrl;
use troodon_core::queue::{MONITORING_SESSION, Priority, QueueLimits};
use troodon_core::time::{Instant, Span};
use troodon_proto::{VeloMessage, VqlEventTable, VqlRequest, VqlResponse};

use crate::keys::{NONCE, NOW, anchor, client_key};
use crate::memo::{MemoKey, SimRng};
use crate::server::{Answer, Front, Mode, Store, reply};
use crate::storage::Medium;

/// How bad the network is; chances in percent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// A connection is not made.
    pub refuse: u64,
    /// It breaks in the middle of a portion.
    pub cut: u64,
    /// It stops carrying bytes, in both directions, and says nothing.
    pub stall: u64,
    /// Largest portion in which bytes arrive; 0 leaves them whole.
    pub portion: u64,
    /// Largest delay of a portion, in milliseconds.
    pub delay: u64,
}

/// A connection of the agent, as the network sees it.
struct Pipe {
    name: Connection,
    front: usize,
    request: Vec<u8>,
    /// When the last portion arrives, so that none overtakes it.
    to_agent_at: Instant,
    to_server_at: Instant,
    is_open: bool,
    is_stalled: bool,
}

enum Happening {
    Up(u64),
    Down(u64, Down),
    ToAgent(u64, Vec<u8>),
    ToServer(u64, Vec<u8>),
    /// The server notices that the agent is gone.
    Gone(u64),
    /// The poll on this connection is looked at; so many pads were sent.
    Tick(u64, u32),
    /// The agent's connection takes bytes again.
    Writable,
}

/// Everything but the agent.
pub struct Outside {
    pub now: Instant,
    pub rng: SimRng,
    pub weather: Weather,
    pub store: Store,
    pub fronts: Vec<Front>,
    pub events: Vec<Event>,
    pub messages: Vec<VeloMessage>,
    pub tables: Vec<VqlEventTable>,
    /// Polls end after so many pads.
    pub pads: u32,
    pipes: BTreeMap<u64, Pipe>,
    happenings: BTreeMap<(Instant, u64), Happening>,
    next: u64,
}

/// An agent in it.
pub struct World {
    pub agent: Option<Agent<Medium>>,
    pub medium: Medium,
    pub outside: Outside,
    pub links: Links,
    pub limits: QueueLimits,
    agent_rng: SimRng,
    wake_at: Instant,
    has_clock: bool,
}

pub const NAMES: [&str; 3] = ["a", "b", "c"];

impl World {
    /// An agent that was just installed, and fronts with these modes.
    pub fn new(seed: u64, modes: &[Mode]) -> Self {
        let outside = Outside {
            now: Instant::from_micros(1_000_000),
            rng: SimRng::new(seed),
            weather: Weather::default(),
            store: Store::new(),
            fronts: modes.iter().map(|mode| Front::new(*mode)).collect(),
            events: Vec::new(),
            messages: Vec::new(),
            tables: Vec::new(),
            pads: 6,
            pipes: BTreeMap::new(),
            happenings: BTreeMap::new(),
            next: 0,
        };
        let limits = QueueLimits {
            urgent: 1 << 16,
            flows: 1 << 16,
            monitoring: 1 << 16,
            message: 1 << 12,
            batch: 2_000,
        };
        Self {
            agent: None,
            medium: Medium::new(),
            outside,
            links: Links::Two,
            limits,
            agent_rng: SimRng::new(seed ^ 0x5eed),
            wake_at: Instant::ORIGIN,
            has_clock: true,
        }
    }

    pub fn on_one_link(mut self) -> Self {
        self.links = Links::One;
        self
    }

    pub fn without_clock(mut self) -> Self {
        self.has_clock = false;
        self
    }

    /// Boots the agent from what its medium holds.
    pub fn boot(&mut self) {
        let urls = NAMES.iter().take(self.outside.fronts.len());
        let urls = urls.map(|name| BaseUrl::parse(&format!("https://{name}.example/")).unwrap());
        let mut config = Config::new(urls.collect(), anchor(), NONCE.into());
        config.links = self.links;
        config.compression = Compression::Off;
        let key = Box::new(MemoKey(client_key()));
        let medium = self.medium.clone();
        let agent = Agent::new(config, key, medium, self.limits, &mut self.agent_rng);
        let mut agent = agent.unwrap();
        if self.has_clock {
            agent.handle(self.outside.now, Input::Clock(NOW));
        }
        self.agent = Some(agent);
        self.drive();
    }

    /// Switches the agent off without a word; what was not synced is gone.
    pub fn cut_power(&mut self) {
        self.agent = None;
        self.medium.0.borrow_mut().cut_power();
        self.outside.lose_agent();
    }

    pub fn agent(&mut self) -> &mut Agent<Medium> {
        self.agent.as_mut().unwrap()
    }

    /// Lets the agent act, and checks that it knows when to act again.
    pub fn drive(&mut self) {
        let now = self.outside.now;
        let Some(agent) = &mut self.agent else { return };
        self.wake_at = drive(agent, now, &mut self.agent_rng, &mut self.outside);
        assert_eq!(self.wake_at, agent.deadline());
        assert!(self.wake_at > now, "the agent would spin at {now:?}");
        assert!(self.wake_at < now.saturating_add(Span::from_secs(3_600)), "asleep at {now:?}");
    }

    /// Lets time pass.
    pub fn run(&mut self, span: Span) {
        let end = self.outside.now.saturating_add(span);
        loop {
            let next = self.outside.happenings.keys().next().map(|(at, _)| *at);
            let wake = self.agent.as_ref().map(|_| self.wake_at);
            let at = [next, wake].into_iter().flatten().min().unwrap_or(end).min(end);
            self.outside.now = self.outside.now.max(at);
            if self.outside.now >= end {
                return;
            }
            while let Some(happening) = self.outside.due() {
                self.happen(happening);
                self.drive();
            }
            self.drive();
        }
    }

    pub fn run_seconds(&mut self, seconds: u64) {
        self.run(Span::from_secs(seconds));
    }

    fn happen(&mut self, happening: Happening) {
        let now = self.outside.now;
        let Some(input) = self.outside.happen(&happening) else { return };
        let Some(agent) = &mut self.agent else { return };
        agent.handle(now, input);
    }

    /// Queues a row as a flow or a monitoring query would.
    pub fn queue_row(&mut self, session: &str, start: u64) -> bool {
        let message = row(session, start);
        let is_queued = self.agent().queue(Priority::Normal, &message).is_ok();
        self.drive();
        is_queued
    }

    /// Start rows that the server has of a session, in order.
    pub fn rows(&self, session: &str) -> Vec<u64> {
        let rows = &self.outside.store.rows;
        rows.iter()
            .filter(|((id, _), _)| id == session)
            .flat_map(|(_, r)| r.keys().copied())
            .collect()
    }

    pub fn has_event(&self, event: &Event) -> bool {
        self.outside.events.contains(event)
    }
}

/// One row of a session; its text is a function of its number.
pub fn row(session: &str, start: u64) -> VeloMessage {
    let name = if session == MONITORING_SESSION { "Custom.Events" } else { "Custom.Rows" };
    let response = VqlResponse {
        query: Some(VqlRequest { name: name.into(), ..Default::default() }),
        jsonl_response: row_text(start).into(),
        total_rows: 1,
        query_start_row: start,
        ..Default::default()
    };
    VeloMessage { session_id: session.into(), vql_response: Some(response), ..Default::default() }
}

pub fn row_text(start: u64) -> String {
    format!(
        "{{\"Number\":{start},\"Text\":\"{}\"}}\n",
        "x".repeat(usize::try_from(start % 90).unwrap())
    )
}

impl Outside {
    fn after(&mut self, span: Span, happening: Happening) {
        self.at(self.now.saturating_add(span), happening);
    }

    fn at(&mut self, at: Instant, happening: Happening) {
        self.next += 1;
        self.happenings.insert((at, self.next), happening);
    }

    fn due(&mut self) -> Option<Happening> {
        let first = self.happenings.first_entry()?;
        (first.key().0 <= self.now).then(|| first.remove())
    }

    fn delay(&mut self) -> Span {
        let most = self.weather.delay.saturating_mul(1_000).saturating_add(1);
        Span::from_micros(self.rng.below(most).saturating_add(1))
    }

    fn id(&self, name: Connection) -> Option<u64> {
        self.pipes.iter().rev().find(|(_, pipe)| pipe.name == name).map(|(id, _)| *id)
    }

    /// The agent has died: the network forgets it, the servers notice later.
    fn lose_agent(&mut self) {
        let ids: Vec<u64> = self.pipes.keys().copied().collect();
        for id in ids {
            self.after(Span::from_secs(20), Happening::Gone(id));
        }
        self.happenings.retain(|_, it| {
            matches!(it, Happening::Gone(_) | Happening::ToServer(..) | Happening::Tick(..))
        });
        for pipe in self.pipes.values_mut() {
            // Nobody has this name: what still arrives is for an agent that is no more.
            pipe.name.number = u32::MAX;
            pipe.is_stalled = true;
        }
    }

    /// Breaks every connection, as a restart of the servers does.
    pub fn break_connections(&mut self) {
        let ids: Vec<u64> =
            self.pipes.iter().filter(|(_, p)| p.is_open).map(|(id, _)| *id).collect();
        for id in ids {
            self.cut(id);
        }
    }

    fn cut(&mut self, id: u64) {
        let Some(pipe) = self.pipes.get_mut(&id) else { return };
        pipe.is_open = false;
        let at = pipe.to_agent_at.max(self.now);
        self.at(at, Happening::Down(id, Down::Closed));
        self.after(Span::from_millis(5), Happening::Gone(id));
    }

    /// Gives the agent something to do.
    pub fn give_task(&mut self, task: VeloMessage) {
        self.store.tasks.push_back(task);
        let waiting: Vec<u64> = self.fronts.iter().filter_map(|front| front.reader).collect();
        for id in waiting {
            self.after(Span::from_millis(1), Happening::Tick(id, u32::MAX));
        }
    }

    /// Carries out what happens to the network, and says what the agent is told.
    fn happen<'a>(&mut self, happening: &'a Happening) -> Option<Input<'a>> {
        match happening {
            Happening::Up(id) => {
                let pipe = self.pipes.get_mut(id)?;
                pipe.is_open = true;
                Some(Input::Up(pipe.name))
            }
            Happening::Down(id, down) => Some(Input::Down(self.pipes.get(id)?.name, *down)),
            Happening::ToAgent(id, bytes) => Some(Input::Received(self.pipes.get(id)?.name, bytes)),
            Happening::ToServer(id, bytes) => {
                self.pipes.get_mut(id)?.request.extend_from_slice(bytes);
                self.serve(*id);
                None
            }
            Happening::Gone(id) => {
                self.pipes.get_mut(id)?.is_open = false;
                for front in &mut self.fronts {
                    front.reader = front.reader.filter(|reader| reader != id);
                }
                None
            }
            Happening::Tick(id, pads) => {
                self.tick(*id, *pads);
                None
            }
            Happening::Writable => None,
        }
    }

    fn serve(&mut self, id: u64) {
        let Some(pipe) = self.pipes.get_mut(&id) else { return };
        let Some(end) = pipe.request.windows(4).position(|w| w == b"\r\n\r\n") else { return };
        let head = String::from_utf8(pipe.request[..end + 4].to_vec()).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        if pipe.request.len() < end + 4 + length {
            return;
        }
        let body: Vec<u8> = pipe.request.drain(..end + 4 + length).skip(end + 4).collect();
        let front = &mut self.fronts[pipe.front];
        match front.answer(self.now, &mut self.store, &head, &body) {
            Answer::Status(status, kind, body) => {
                let head = format!(
                    "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                self.deliver(id, &[head.as_bytes(), &body].concat());
            }
            Answer::Poll => {
                front.reader = Some(id);
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n\
                            Transfer-Encoding: chunked\r\n\r\n";
                self.deliver(id, head.as_bytes());
                self.after(Span::from_millis(1), Happening::Tick(id, 0));
            }
        }
    }

    /// The server looks at its queue, and sends a pad, the tasks, or the end of the poll.
    fn tick(&mut self, id: u64, pads: u32) {
        let Some(front) = self.fronts.iter_mut().find(|front| front.reader == Some(id)) else {
            return;
        };
        let is_last = pads != u32::MAX && pads >= self.pads;
        if !self.store.tasks.is_empty() {
            front.reader = None;
            let tasks = self.store.tasks.drain(..).collect();
            let body = reply(&mut self.store, tasks);
            self.deliver(id, &[chunk(&body), b"0\r\n\r\n".to_vec()].concat());
        } else if is_last {
            front.reader = None;
            self.deliver(id, &[chunk(&PAD), b"0\r\n\r\n".to_vec()].concat());
        } else if pads != u32::MAX {
            if pads > 0 {
                self.deliver(id, &chunk(&PAD));
            }
            self.after(Span::from_secs(10), Happening::Tick(id, pads + 1));
        }
    }

    fn deliver(&mut self, id: u64, bytes: &[u8]) {
        let portion = usize::try_from(self.weather.portion).unwrap();
        let portion = if portion == 0 { bytes.len().max(1) } else { portion };
        for bytes in bytes.chunks(portion) {
            let (is_cut, delay) = (self.rng.chance(self.weather.cut), self.delay());
            let Some(pipe) = self.pipes.get_mut(&id) else { return };
            pipe.is_stalled |= self.rng.chance(self.weather.stall);
            if !pipe.is_open || pipe.is_stalled {
                return;
            }
            let at = self.now.saturating_add(delay).max(pipe.to_agent_at);
            pipe.to_agent_at = at;
            self.at(at, Happening::ToAgent(id, bytes.to_vec()));
            if is_cut {
                self.cut(id);
                return;
            }
        }
    }
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

impl Host for Outside {
    fn connect(&mut self, connection: Connection, url: &BaseUrl) {
        let front = NAMES.iter().position(|name| url.host() == format!("{name}.example"));
        let pipe = Pipe {
            name: connection,
            front: front.unwrap(),
            request: Vec::new(),
            to_agent_at: self.now,
            to_server_at: self.now,
            is_open: false,
            is_stalled: false,
        };
        self.next += 1;
        let (id, delay) = (self.next, self.delay());
        self.pipes.insert(id, pipe);
        let happening = if self.rng.chance(self.weather.refuse) {
            Happening::Down(id, Down::Unreachable)
        } else {
            Happening::Up(id)
        };
        self.after(delay, happening);
    }

    fn send(&mut self, connection: Connection, bytes: &[u8]) -> usize {
        let Some(id) = self.id(connection) else { return 0 };
        let delay = self.delay();
        let is_full = self.weather.portion > 0 && self.rng.chance(10);
        let most = if self.weather.portion == 0 { u64::MAX } else { self.rng.next_u64() % 2_000 };
        let count = bytes.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        if is_full || count == 0 {
            self.after(delay, Happening::Writable);
            return 0;
        }
        let Some(pipe) = self.pipes.get_mut(&id) else { return 0 };
        if pipe.is_open && !pipe.is_stalled {
            let at = self.now.saturating_add(delay).max(pipe.to_server_at);
            pipe.to_server_at = at;
            self.at(at, Happening::ToServer(id, bytes[..count].to_vec()));
        }
        count
    }

    fn close(&mut self, connection: Connection) {
        let Some(id) = self.id(connection) else { return };
        self.after(Span::from_millis(1), Happening::Gone(id));
    }

    fn message(&mut self, message: Verified<VeloMessage>) {
        self.messages.push(message.into_inner());
    }

    fn table(&mut self, table: VqlEventTable) {
        self.tables.push(table);
    }

    fn describe_client(&mut self) -> Option<String> {
        Some("{\"hostname\":\"board\"}".into())
    }

    fn event(&mut self, event: Event) {
        self.events.push(event);
    }
}
