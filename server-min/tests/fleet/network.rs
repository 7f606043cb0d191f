//! Connections, delays, and what becomes of a request on its way.

use std::collections::BTreeMap;

use rand_core::Rng;
use troodon_core::agent::{Connection, Down};
use troodon_core::time::{Instant, Span};

use crate::memo::SimRng;

/// How bad the network is; chances in percent, once for each connection or request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// A connection is not made.
    pub refuse: u64,
    /// The connection breaks before, during or after a request.
    pub cut: u64,
    /// The connection carries nothing any more and says nothing.
    pub stall: u64,
    /// Largest delay of anything, in milliseconds.
    pub delay: u64,
}

/// A connection as the network sees it.
pub struct Pipe {
    pub device: usize,
    pub connection: Connection,
    /// Bytes of a request that is not complete.
    sending: Vec<u8>,
    pub is_open: bool,
    is_stalled: bool,
}

pub enum Happening {
    Boot(usize),
    Up(u64),
    Down(u64, Down),
    Reply(u64, Vec<u8>),
    Request(u64, Vec<u8>, Fate),
    /// The server notices that the agent is gone.
    Gone(u64),
    /// The poll on this connection is looked at; so many pads were sent.
    Tick(u64, u32),
    ServerUp,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    Answered,
    /// Lost before the server had it.
    Unheard,
    /// The server did as asked; its answer is lost.
    Unanswered,
    /// The answer breaks off.
    Truncated,
}

pub struct Network {
    pub now: Instant,
    pub rng: SimRng,
    pub weather: Weather,
    pub is_server_up: bool,
    pipes: BTreeMap<u64, Pipe>,
    happenings: BTreeMap<(Instant, u64), Happening>,
    next: u64,
}

impl Network {
    pub fn new(seed: u64) -> Self {
        Self {
            now: Instant::from_micros(1_000_000),
            rng: SimRng::new(seed),
            weather: Weather::default(),
            is_server_up: true,
            pipes: BTreeMap::new(),
            happenings: BTreeMap::new(),
            next: 0,
        }
    }

    pub fn after(&mut self, span: Span, happening: Happening) {
        self.next += 1;
        self.happenings.insert((self.now.saturating_add(span), self.next), happening);
    }

    /// When something happens next.
    pub fn next_at(&self) -> Option<Instant> {
        self.happenings.keys().next().map(|(at, _)| *at)
    }

    pub fn due(&mut self) -> Option<Happening> {
        let first = self.happenings.first_entry()?;
        (first.key().0 <= self.now).then(|| first.remove())
    }

    pub fn delay(&mut self) -> Span {
        let most = self.weather.delay.saturating_mul(1_000).saturating_add(1_000);
        Span::from_micros(self.rng.below(most).saturating_add(1))
    }

    pub fn pipe(&mut self, id: u64) -> Option<&mut Pipe> {
        self.pipes.get_mut(&id)
    }

    fn id(&self, device: usize, connection: Connection) -> Option<u64> {
        let is_it = |pipe: &Pipe| pipe.device == device && pipe.connection == connection;
        self.pipes.iter().rev().find(|(_, pipe)| is_it(pipe)).map(|(id, _)| *id)
    }

    pub fn connect(&mut self, device: usize, connection: Connection) {
        let sending = Vec::new();
        let pipe = Pipe { device, connection, sending, is_open: false, is_stalled: false };
        self.next += 1;
        let (id, delay) = (self.next, self.delay());
        self.pipes.insert(id, pipe);
        let is_refused = self.rng.chance(self.weather.refuse) || !self.is_server_up;
        let down = Happening::Down(id, Down::Unreachable);
        self.after(delay, if is_refused { down } else { Happening::Up(id) });
    }

    /// Takes bytes; a request that is complete gets its fate and goes its way.
    pub fn send(&mut self, device: usize, connection: Connection, bytes: &[u8]) -> usize {
        let Some(id) = self.id(device, connection) else { return 0 };
        let (stalls, delay, fate) =
            (self.rng.chance(self.weather.stall), self.delay(), self.fate());
        let Some(pipe) = self.pipes.get_mut(&id) else { return 0 };
        pipe.sending.extend_from_slice(bytes);
        if is_complete(&pipe.sending) {
            let request = std::mem::take(&mut pipe.sending);
            pipe.is_stalled |= stalls;
            if pipe.is_open && !pipe.is_stalled {
                self.after(delay, Happening::Request(id, request, fate));
            }
        }
        bytes.len()
    }

    fn fate(&mut self) -> Fate {
        if !self.rng.chance(self.weather.cut) {
            return Fate::Answered;
        }
        match self.rng.below(3) {
            0 => Fate::Unheard,
            1 => Fate::Unanswered,
            _ => Fate::Truncated,
        }
    }

    pub fn close(&mut self, device: usize, connection: Connection) {
        let Some(id) = self.id(device, connection) else { return };
        self.after(Span::from_millis(1), Happening::Gone(id));
    }

    /// Sends bytes to the agent.
    pub fn reply(&mut self, id: u64, bytes: Vec<u8>) {
        let delay = self.delay();
        let Some(pipe) = self.pipes.get(&id) else { return };
        if pipe.is_open && !pipe.is_stalled {
            self.after(delay, Happening::Reply(id, bytes));
        }
    }

    /// Sends a part of the bytes, and breaks the connection.
    pub fn break_off(&mut self, id: u64, mut bytes: Vec<u8>) {
        let length = bytes.len() as u64 + 1;
        bytes.truncate(usize::try_from(self.rng.next_u64() % length).unwrap());
        self.reply(id, bytes);
        self.cut(id);
    }

    pub fn cut(&mut self, id: u64) {
        let Some(pipe) = self.pipes.get_mut(&id) else { return };
        pipe.is_open = false;
        self.after(Span::from_secs(5), Happening::Down(id, Down::Closed));
        self.after(Span::from_millis(5), Happening::Gone(id));
    }

    /// Breaks every connection, as the end of the server's process does.
    pub fn cut_all(&mut self) {
        let open: Vec<u64> =
            self.pipes.iter().filter(|(_, p)| p.is_open).map(|(id, _)| *id).collect();
        open.into_iter().for_each(|id| self.cut(id));
    }

    /// The agent has died without a word: the server notices later.
    pub fn lose(&mut self, device: usize) {
        let is_its = |pipe: &Pipe| pipe.device == device;
        let lost: Vec<u64> =
            self.pipes.iter().filter(|(_, p)| is_its(p)).map(|(id, _)| *id).collect();
        for id in &lost {
            // What is on its way to the server still arrives; what is on its way back does not.
            if let Some(pipe) = self.pipes.get_mut(id) {
                pipe.device = usize::MAX;
                pipe.is_stalled = true;
            }
            self.after(Span::from_secs(20), Happening::Gone(*id));
        }
    }

    pub fn forget(&mut self, id: u64) {
        self.pipes.remove(&id);
    }
}

/// Whether these bytes are a whole request; agents send one at a time.
fn is_complete(bytes: &[u8]) -> bool {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let length: usize = length.map_or(0, |length| length.parse().unwrap());
    bytes.len() >= end + 4 + length
}
