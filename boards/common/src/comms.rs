//! The agent core on smoltcp: one turn of the loop, and the way out for results.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use rand_chacha::ChaCha20Rng;
use spin::Mutex;
use troodon_core::agent::{Agent, Connection, Event, Input};
use troodon_core::envelope::Verified;
use troodon_core::executor::{NoRoom, Outlet};
use troodon_core::host::{Host, drive};
use troodon_core::http::url::{BaseUrl, Transport};
use troodon_core::queue::{Priority, QueueFault};
use troodon_core::storage::Storage;
use troodon_core::time::{Instant, Span};
use troodon_proto::{VeloMessage, VqlEventTable};
use troodon_vql::Interrupt;

use crate::facts::Facts;
use crate::limits::UPLOAD_PATIENCE_SECS;
use crate::network::Network;
use crate::nic::Nic;
use crate::system::System;

/// What the server wants done by the queries.
pub enum Order {
    /// A verified message.
    Message(Box<Verified<VeloMessage>>),
    /// The monitoring table of the last run.
    Table(VqlEventTable),
}

/// Everything on the network's side of the board.
pub struct Comms<D, S> {
    agent: Agent<S>,
    outside: Outside<D>,
    rng: ChaCha20Rng,
}

/// What [`drive`] acts upon.
struct Outside<D> {
    network: Network<D>,
    facts: Arc<Facts>,
    system: &'static dyn System,
    client_info: Option<String>,
    orders: VecDeque<Order>,
    /// Of each running flow; a board runs a few.
    interrupts: Vec<(String, Interrupt)>,
}

impl<D: Nic, S: Storage> Comms<D, S> {
    /// Joins an agent with a network.
    pub fn new(agent: Agent<S>, network: Network<D>, facts: Arc<Facts>, rng: ChaCha20Rng) -> Self {
        let outside = Outside {
            network,
            system: facts.system,
            client_info: facts.client_info(agent.id()),
            facts,
            orders: VecDeque::new(),
            interrupts: Vec::new(),
        };
        Self { agent, outside, rng }
    }

    /// Moves frames and lets the agent act; when to be called again at the latest.
    pub fn turn(&mut self) -> Instant {
        let Self { agent, outside, rng } = self;
        let now = outside.system.now();
        outside.system.feed();
        let is_busy = outside.network.poll(now, |fact| agent.handle(now, fact));
        outside.note_network();
        if let Some(fault) = outside.network.take_fault() {
            outside.system.say(format_args!("TLS: {fault}"));
        }
        let wake_at = drive(agent, now, rng, outside);
        if is_busy {
            return now;
        }
        wake_at.min(outside.network.wake_at(now))
    }

    /// Whether a frame waits for [`Comms::turn`].
    pub fn has_frame(&mut self) -> bool {
        self.outside.network.has_frame()
    }

    /// Tells the agent something that did not come from the network.
    pub fn handle(&mut self, fact: Input<'_>) {
        self.agent.handle(self.outside.system.now(), fact);
    }

    /// The next thing that the server wants done.
    pub fn take_order(&mut self) -> Option<Order> {
        self.outside.orders.pop_front()
    }

    /// Keeps a message until the server has it.
    ///
    /// # Errors
    ///
    /// Those of [`Agent::queue`].
    pub fn queue(&mut self, is_urgent: bool, message: &VeloMessage) -> Result<(), QueueFault> {
        let priority = if is_urgent { Priority::Urgent } else { Priority::Normal };
        self.agent.queue(priority, message)
    }

    /// Bytes of rows that the queue still takes.
    pub fn room(&self) -> usize {
        usize::try_from(self.agent.room(Priority::Normal)).unwrap_or(usize::MAX)
    }

    /// Drops queued rows of a cancelled flow.
    pub fn forget(&mut self, flow: &str) {
        if let Err(fault) = self.agent.forget_flow(flow) {
            self.outside.system.say(format_args!("storage: {fault}"));
        }
    }

    /// Remembers how a running flow is interrupted; `None` when it is over.
    pub fn set_interrupt(&mut self, flow: String, interrupt: Option<Interrupt>) {
        self.outside.interrupts.retain(|(known, _)| *known != flow);
        self.outside.interrupts.extend(interrupt.map(|interrupt| (flow, interrupt)));
    }
}

impl<D: Nic> Outside<D> {
    /// Keeps the state of the network where queries find it, and says what changed.
    fn note_network(&self) {
        let (old, new) = (*self.facts.network.lock(), self.network.state());
        match new.address {
            Some(address) if old.address != new.address => {
                self.system.say(format_args!("address: {address}"));
            }
            None if old.address.is_some() => self.system.say(format_args!("address: none")),
            _ => {}
        }
        if old.link_changes != new.link_changes {
            let state = if new.has_link { "plugged in" } else { "unplugged" };
            self.system.say(format_args!("cable: {state}"));
        }
        *self.facts.network.lock() = new;
    }
}

impl<D: Nic> Host for Outside<D> {
    fn connect(&mut self, connection: Connection, url: &BaseUrl) {
        let is_secure = match url.transport() {
            Transport::Plain => false,
            Transport::Tls => true,
        };
        self.network.connect(connection, url.host(), url.port(), is_secure);
    }

    fn send(&mut self, connection: Connection, bytes: &[u8]) -> usize {
        self.network.send(connection, bytes)
    }

    fn close(&mut self, connection: Connection) {
        self.network.close(connection);
    }

    fn message(&mut self, message: Verified<VeloMessage>) {
        if message.get().cancel.is_some() {
            // What runs notices this before the executor comes to the message.
            let flow = &message.get().session_id;
            let running = self.interrupts.iter().filter(|(known, _)| known == flow);
            running.for_each(|(_, interrupt)| interrupt.set());
        }
        self.system.say(format_args!("request: {:?}", message.get().session_id));
        self.orders.push_back(Order::Message(Box::new(message)));
    }

    fn table(&mut self, table: VqlEventTable) {
        self.orders.push_back(Order::Table(table));
    }

    fn describe_client(&mut self) -> Option<String> {
        self.client_info.clone()
    }

    fn event(&mut self, event: Event) {
        self.system.say(format_args!("{event:?}"));
    }
}

/// The way out for files: chunks drive the network themselves until there is room.
pub struct Chunks<D, S>(pub Arc<Mutex<Comms<D, S>>>);

impl<D: Nic + Send, S: Storage + Send> Outlet for Chunks<D, S> {
    fn send(&self, message: Box<VeloMessage>) -> Result<(), NoRoom> {
        let mut comms = self.0.lock();
        let system = comms.outside.system;
        let give_up_at = system.now().saturating_add(Span::from_secs(UPLOAD_PATIENCE_SECS));
        loop {
            match comms.queue(false, &message) {
                Ok(()) => return Ok(()),
                Err(QueueFault::Full) if system.now() < give_up_at => {}
                Err(_) => return Err(NoRoom),
            }
            if comms.turn() > system.now() {
                system.idle();
            }
        }
    }
}
