//! The agent's side of the protocol as a state machine: facts go in, wants come out (docs/protocol.md sections 3 and 5).
//!
//! ```text
//! connect -> GET server.pem -> pinned? -> session -> poll -+-> 200: known here; results leave on the control link
//!    ^                            |                        +-> 406: ask to be enrolled, poll again
//!    |                            no                       +-> 403: server.pem again, with a fresh session
//!    +---- next server, after a pause <--------------------+-> anything else
//! ```
//!
//! [`Agent::handle`] takes note of a fact and does nothing else; [`Agent::poll`] acts, and is called until it answers
//! [`Output::Wait`]. There is always a deadline. [`crate::host::drive`] is the loop that does it.

mod channel;
mod config;
mod enrolment;
mod event;
mod jobs;
mod outcomes;
mod servers;
mod session;

pub use channel::{Connection, Down, Link};
pub use config::{Compression, Config, Links};
pub use event::{Event, Refusal, ServerIs};

use crate::envelope::{Messages, Server, Verified};
use crate::http::url::BaseUrl;
use crate::identity::ClientId;
use crate::limits::{CLIENT_INFO_BYTES, GATHER, STORAGE_PAUSE, SYNC_DELAY};
use crate::queue::{Priority, Queue, QueueFault, QueueLimits};
use crate::rsa::PrivateKey;
use crate::state::{self, StoredTable};
use crate::storage::{Storage, StorageFault};
use crate::time::{Instant, UnixTime};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use bytes::Bytes;
use channel::{Channel, Step};
use core::fmt;
use enrolment::Enrolment;
use jobs::Job;
use rand_core::CryptoRng;
use servers::Servers;
use session::Session;
use troodon_proto::{Message, VeloMessage, VqlEventTable};

/// A fact. Each is a value, so that a run can be written down and replayed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Input<'a> {
    /// What the client is, as one line of JSON (docs/protocol.md section 7.5). Answers [`Output::DescribeClient`], and may
    /// come at any other time, when something has changed.
    ClientInfo(&'a str),
    /// The time of the world, now. Tell it when it becomes known and when it was corrected.
    Clock(UnixTime),
    /// The connection is gone, or was never made.
    Down(Connection, Down),
    /// Bytes from the server.
    Received(Connection, &'a [u8]),
    /// The connection is open; TLS, where the URL asks for it, is established and its certificate accepted.
    Up(Connection),
}

/// A want.
#[derive(Debug)]
pub enum Output<'a> {
    /// Close the connection and forget it; no [`Input::Down`] is needed.
    Close(Connection),
    /// Open a connection to the host and port of the URL, with TLS if it says so; answer [`Input::Up`] or [`Input::Down`].
    Connect(Connection, &'a BaseUrl),
    /// Tell what the client is, by [`Input::ClientInfo`], soon.
    DescribeClient,
    /// For the operator.
    Event(Event),
    /// Carry out what the server says.
    Message(Box<Verified<VeloMessage>>),
    /// Send some of these bytes, and say how many by [`Agent::sent`].
    Send(Connection, &'a [u8]),
    /// Run this monitoring table, the one of the last run. It was verified when it was stored.
    Table(VqlEventTable),
    /// Nothing to do until then, or until the next fact.
    Wait(Instant),
}

/// The state machine. The host owns time, randomness and connections; the agent owns everything else.
pub struct Agent<S> {
    config: Config,
    key: Box<dyn PrivateKey>,
    id: ClientId,
    queue: Queue<S>,
    /// Bytes that make a batch.
    batch: usize,
    servers: Servers,
    reader: Channel<Job>,
    control: Channel<Job>,
    session: Option<Session>,
    /// The session with a server that was left: used again if the next one has the same key.
    retired: Option<Session>,
    /// Whether the server has answered 200 in this session.
    is_proven: bool,
    enrolment: Enrolment,
    /// 406 in a row.
    refusals: u32,
    enrol_at: Instant,
    poll_at: Instant,
    /// Polls in a row that ended at once, without tasks.
    quick_polls: u32,
    /// On one link: posts since the last poll.
    posts_in_a_row: u32,
    /// Nothing is begun before.
    pause_until: Instant,
    /// When what is queued has waited long enough for company.
    gathered_at: Option<Instant>,
    /// No batch is taken from a medium that failed before.
    post_after: Instant,
    sync_at: Option<Instant>,
    clock: Option<(Instant, UnixTime)>,
    /// The client's description of itself, until the server has it.
    info: Option<String>,
    describe_at: Option<Instant>,
    table_version: u64,
    restored: Option<VqlEventTable>,
    inbox: Option<Messages<Server>>,
    events: VecDeque<Event>,
}

/// Why an agent cannot start.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum StartFault {
    /// The configuration names no server.
    NoServer,
    /// The medium cannot be read.
    Storage(StorageFault),
}

impl fmt::Display for StartFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoServer => f.write_str("the configuration names no server"),
            Self::Storage(fault) => fault.fmt(f),
        }
    }
}

impl core::error::Error for StartFault {}

/// What [`Agent::poll`] found to do, without borrowing from the agent.
#[derive(Debug)]
enum Want {
    Close(Connection),
    Connect(Connection),
    DescribeClient,
    Event(Event),
    Message(Box<Verified<VeloMessage>>),
    Send(Connection),
    Table(VqlEventTable),
}

impl<S: Storage> Agent<S> {
    /// Continues with what `storage` holds: the queue of the last run, and the monitoring table.
    ///
    /// # Errors
    ///
    /// [`StartFault`]. What is stored and unusable is no reason not to start; an [`Event`] says so.
    pub fn new(
        config: Config,
        key: Box<dyn PrivateKey>,
        storage: S,
        limits: QueueLimits,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, StartFault> {
        if config.servers.is_empty() {
            return Err(StartFault::NoServer);
        }
        let queue = Queue::open(storage, limits).map_err(StartFault::Storage)?;
        let mut agent = Self {
            id: ClientId::of(key.public()),
            servers: Servers::new(config.servers.clone(), rng),
            batch: limits.batch,
            describe_at: config.client_info_every.map(|_| Instant::ORIGIN),
            config,
            key,
            queue,
            reader: Channel::new(Link::Reader),
            control: Channel::new(Link::Control),
            session: None,
            retired: None,
            is_proven: false,
            enrolment: Enrolment::Unknown,
            refusals: 0,
            enrol_at: Instant::ORIGIN,
            poll_at: Instant::ORIGIN,
            quick_polls: 0,
            posts_in_a_row: 0,
            pause_until: Instant::ORIGIN,
            gathered_at: None,
            post_after: Instant::ORIGIN,
            sync_at: None,
            clock: None,
            info: None,
            table_version: 0,
            restored: None,
            inbox: None,
            events: VecDeque::new(),
        };
        agent.restore_table();
        Ok(agent)
    }

    fn restore_table(&mut self) {
        match state::load::<StoredTable>(self.queue.storage_mut()) {
            Ok(None) => {}
            Ok(Some(stored)) => match VqlEventTable::decode(Bytes::from(stored.table)) {
                Ok(table) => {
                    self.table_version = stored.version;
                    self.restored = Some(table);
                }
                Err(_) => self.note(Event::State(state::StateFault::Corrupt(
                    crate::storage::Blob::EventTable,
                ))),
            },
            Err(fault) => self.note(Event::State(fault)),
        }
    }

    /// Who this agent is.
    #[must_use]
    pub fn id(&self) -> ClientId {
        self.id
    }

    /// Takes note of a fact; what follows from it comes out of [`Self::poll`].
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::ClientInfo(json) if json.len() <= CLIENT_INFO_BYTES => {
                self.info = Some(json.into());
            }
            Input::ClientInfo(_) => {}
            Input::Clock(time) => self.clock = Some((now, time)),
            Input::Down(connection, down) => {
                self.channel_mut(connection.link).note_down(connection, down);
            }
            Input::Received(connection, bytes) => {
                self.channel_mut(connection.link).note_received(now, connection, bytes);
            }
            Input::Up(connection) => self.channel_mut(connection.link).note_up(connection),
        }
    }

    /// Acts. Call it until it answers [`Output::Wait`].
    pub fn poll(&mut self, now: Instant, rng: &mut dyn CryptoRng) -> Output<'_> {
        let Some(want) = self.step(now, rng) else {
            self.reader.unblock();
            self.control.unblock();
            return Output::Wait(self.deadline());
        };
        match want {
            Want::Close(connection) => Output::Close(connection),
            Want::Connect(connection) => match self.servers.current() {
                Some(url) => Output::Connect(connection, url),
                None => Output::Close(connection),
            },
            Want::DescribeClient => Output::DescribeClient,
            Want::Event(event) => Output::Event(event),
            Want::Message(message) => Output::Message(message),
            Want::Send(connection) => {
                Output::Send(connection, self.channel(connection.link).unsent())
            }
            Want::Table(table) => Output::Table(table),
        }
    }

    /// Says how many bytes of [`Output::Send`] were taken. With none, the connection is full: it is offered again after the
    /// next [`Output::Wait`].
    pub fn sent(&mut self, now: Instant, connection: Connection, count: usize) {
        self.channel_mut(connection.link).note_sent(now, connection, count);
    }

    /// Keeps a message until the server has it. Durable a second later at most.
    ///
    /// # Errors
    ///
    /// Those of [`Queue::push`]; on [`QueueFault::Full`] the caller waits for [`Self::room`].
    pub fn queue(&mut self, priority: Priority, message: &VeloMessage) -> Result<(), QueueFault> {
        self.queue.push(priority, message)
    }

    /// How many bytes of flow messages of this priority still fit into the queue.
    #[must_use]
    pub fn room(&self, priority: Priority) -> u64 {
        self.queue.room(priority)
    }

    /// Drops the queued messages of a cancelled flow, except logs and statistics (docs/protocol.md section 3.9).
    ///
    /// # Errors
    ///
    /// Those of [`Queue::forget_flow`].
    pub fn forget_flow(&mut self, session_id: &str) -> Result<(), StorageFault> {
        self.queue.forget_flow(session_id)
    }

    /// Whether the server has everything.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Stops, makes what is queued durable, and gives the storage back.
    ///
    /// # Errors
    ///
    /// [`StorageFault::Broken`]: what was queued last may be lost.
    pub fn close(mut self) -> Result<S, StorageFault> {
        self.queue.sync()?;
        Ok(self.queue.into_storage())
    }

    /// When the agent wants to be polled at the latest, if no fact comes before. There is always such an instant.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        let is_pending = !self.events.is_empty() || self.inbox.is_some() || self.restored.is_some();
        let links = [&self.reader, &self.control].into_iter().filter_map(Channel::deadline);
        let tasks = [Link::Reader, Link::Control].into_iter().filter_map(|link| {
            let is_free = self.channel(link).is_free();
            self.next_task(link).filter(|_| is_free).map(|(at, _)| at)
        });
        let others = [
            is_pending.then_some(Instant::ORIGIN),
            self.sync_at,
            self.describe_at,
            self.interrupt_at(),
        ];
        let all = links.chain(tasks).chain(others.into_iter().flatten());
        all.min().unwrap_or(Instant::ORIGIN)
    }

    /// One thing to do, or `None` before the deadline.
    fn step(&mut self, now: Instant, rng: &mut dyn CryptoRng) -> Option<Want> {
        loop {
            if let Some(want) = self.step_inside(now) {
                return Some(want);
            }
            let reader = self.reader.poll(now, self.config.connection_timeout);
            let (link, step) = match reader {
                Some(step) => (Link::Reader, Some(step)),
                None => {
                    let step = self.control.poll(now, self.config.connection_timeout);
                    (Link::Control, step)
                }
            };
            match step {
                Some(step) => {
                    if let Some(want) = self.take_step(now, rng, link, step) {
                        return Some(want);
                    }
                }
                None if self.begin_due(now, rng) => {}
                None if self.events.is_empty() => return None,
                None => {}
            }
        }
    }

    /// What needs no link: things to tell, and the medium.
    fn step_inside(&mut self, now: Instant) -> Option<Want> {
        self.keep_durable(now);
        if let Some(event) = self.events.pop_front() {
            return Some(Want::Event(event));
        }
        if let Some(table) = self.restored.take() {
            return Some(Want::Table(table));
        }
        if self.describe_at.is_some_and(|at| at <= now) {
            self.describe_at = self.config.client_info_every.map(|span| now.saturating_add(span));
            return Some(Want::DescribeClient);
        }
        match self.inbox.as_mut().and_then(Iterator::next) {
            Some(Ok(message)) => {
                self.remember_table(now, message.get());
                Some(Want::Message(Box::new(message)))
            }
            Some(Err(fault)) => Some(Want::Event(Event::BadReply(fault))),
            None => {
                self.inbox = None;
                None
            }
        }
    }

    fn take_step(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        link: Link,
        step: Step<Job>,
    ) -> Option<Want> {
        match step {
            Step::Connect(connection) => return Some(Want::Connect(connection)),
            Step::Close(connection) => return Some(Want::Close(connection)),
            Step::Send(connection) => return Some(Want::Send(connection)),
            Step::Up => self.note(Event::LinkUp(link)),
            Step::Lost(down) => self.note(Event::LinkDown(link, down)),
            Step::Status(status) => self.status_known(now, link, status),
            Step::Done { job, started_at, status, body } => {
                self.done(now, rng, link, (job, started_at), (status, body));
            }
            Step::Failed { job, started_at, failure } => {
                self.failed(now, rng, link, (job, started_at), failure);
            }
        }
        None
    }

    /// Groups many changes into one sync, and notices what is to be sent.
    fn keep_durable(&mut self, now: Instant) {
        if self.gathered_at.is_none() && !self.queue.is_empty() {
            self.gathered_at = Some(now.saturating_add(GATHER));
        }
        if !self.queue.is_dirty() {
            self.sync_at = None;
            return;
        }
        let at = *self.sync_at.get_or_insert(now.saturating_add(SYNC_DELAY));
        if at > now {
            return;
        }
        match self.queue.sync() {
            Ok(()) => self.sync_at = None,
            Err(fault) => {
                self.sync_at = Some(now.saturating_add(STORAGE_PAUSE));
                self.note(Event::Storage(fault));
            }
        }
        let corrupt = self.queue.take_corrupt();
        if corrupt > 0 {
            self.note(Event::CorruptRecords(corrupt));
        }
    }

    fn storage_failed(&mut self, now: Instant, fault: StorageFault) {
        self.post_after = now.saturating_add(STORAGE_PAUSE);
        self.note(Event::Storage(fault));
    }

    /// A table lasts: the server will not send it again (docs/protocol.md section 9, P32).
    fn remember_table(&mut self, now: Instant, message: &VeloMessage) {
        let Some(table) = &message.update_event_table else { return };
        if table.version <= self.table_version {
            return;
        }
        let stored = StoredTable { version: table.version, table: table.encode_to_vec() };
        match state::store(self.queue.storage_mut(), &stored) {
            Ok(()) => self.table_version = table.version,
            Err(fault) => self.storage_failed(now, fault),
        }
    }

    fn unix(&self, now: Instant) -> Option<UnixTime> {
        self.clock.map(|(noted, time)| time.saturating_add(now.since(noted)))
    }

    fn note(&mut self, event: Event) {
        self.events.push_back(event);
    }

    fn channel(&self, link: Link) -> &Channel<Job> {
        match link {
            Link::Reader => &self.reader,
            Link::Control => &self.control,
        }
    }

    fn channel_mut(&mut self, link: Link) -> &mut Channel<Job> {
        match link {
            Link::Reader => &mut self.reader,
            Link::Control => &mut self.control,
        }
    }
}

impl<S> fmt::Debug for Agent<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent")
            .field("id", &self.id)
            .field("enrolment", &self.enrolment)
            .finish_non_exhaustive()
    }
}
